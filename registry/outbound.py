"""Sending to addresses that strangers name, without letting them reach what only we can reach.

The host is resolved once, every address of it is checked, and the connection goes to one of those addresses and no
other, so that a second answer of the name server changes nothing. No redirects, no proxies, https alone, except into
networks that the settings name; a bound on time and on what is read of the answer.
"""

import http.client
import ipaddress
import socket
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import urllib3
from django.conf import settings
from urllib3.util import Timeout

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
ANSWER_BYTES = 2048


class AddressForbidden(ValueError):
    """A URL that nothing is sent to; the message says why and names no address that the name server told."""


class NotDelivered(OSError):
    """No answer came: refused, timed out, cut off, or a certificate that does not fit."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the first bytes of the body as text, and how long it took."""

    status: int
    text: str
    milliseconds: int


@dataclass(frozen=True)
class Target:
    """A URL that may be sent to, with the address that it was resolved and checked to."""

    parts: SplitResult
    host: str
    port: int
    address: str
    secure: bool


def target_of(url: str) -> Target:
    """Resolve and check a URL; raises AddressForbidden, or NotDelivered where the name is not known now."""
    parts, host, port = _read(url)
    addresses = _resolved(host, port)
    inside = [address for address in addresses if _allowed(address)]
    secure = parts.scheme == "https"
    if not secure and len(inside) < len(addresses):
        raise AddressForbidden("Messages are signed, not encrypted, so the address has to begin with https://.")
    if any(not public(address) and not _allowed(address) for address in addresses):
        raise AddressForbidden("The host does not lie on the public internet.")
    return Target(parts, host, port, str(addresses[0]), secure)


def _read(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressForbidden("This is no address. Write it as https://example.com/hook.") from error
    if parts.scheme not in {"https", "http"} or not host:
        raise AddressForbidden("The address has to begin with https:// and a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressForbidden("Leave name and password out of the address; the signature proves who sends.")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise AddressForbidden("The host is no name that can be looked up.") from error
    return parts, host, port or (443 if parts.scheme == "https" else 80)


def _resolved(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered("The host's name could not be resolved.") from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def public(address: Address) -> bool:
    """Whether an address is one of the public internet, also inside those that carry another one in them."""
    carried = _carried(address)
    if carried is not None:
        return public(carried)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _allowed(address: Address) -> bool:
    networks = [ipaddress.ip_network(written) for written in settings.WEBHOOK_NETWORKS]
    return any(address.version == network.version and address in network for network in networks)


def post(url: str, *, body: bytes, headers: dict[str, str]) -> Answer:
    """POST `body`; the answer whatever its status. Raises AddressForbidden or NotDelivered."""
    target = target_of(url)
    path = urllib3.util.Url(path=target.parts.path or "/", query=target.parts.query or None).url
    started = time.monotonic()
    pool = pool_of(target)
    try:
        response = pool.urlopen(
            "POST",
            path,
            body=body,
            headers={**headers, "Host": target.parts.netloc, "User-Agent": "adapter-registry-webhooks"},
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
        text = _beginning(response, started)
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise NotDelivered(f"No answer came ({type(error).__name__}).") from error
    finally:
        pool.close()
    return Answer(response.status, text, round(1000 * (time.monotonic() - started)))


def _beginning(response: urllib3.BaseHTTPResponse, started: float) -> str:
    """As much of the answer as the log keeps; who sends it drop by drop is not waited for."""
    read = b""
    try:
        while len(read) < ANSWER_BYTES and time.monotonic() - started < READ_SECONDS:
            piece = response.read(256)
            if not piece:
                break
            read += piece
    finally:
        response.close()
    return read[:ANSWER_BYTES].decode("utf-8", "replace").replace("\0", "")


def pool_of(target: Target) -> urllib3.HTTPConnectionPool:
    """A connection to the checked address and no other; its certificate has to be that of the host."""
    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    if not target.secure:
        return urllib3.HTTPConnectionPool(target.address, target.port, timeout=timeout, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        target.address,
        target.port,
        timeout=timeout,
        maxsize=1,
        server_hostname=target.host,
        assert_hostname=target.host,
        cert_reqs="CERT_REQUIRED",
        ca_certs=settings.WEBHOOK_CA_FILE or None,
    )
