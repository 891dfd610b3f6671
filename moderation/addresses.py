"""Web addresses as the opt-out register compares them: reading them, finding them in a text, and which covers which.

An address without a path covers its host and every host below it; one with a path covers that path and what lies under
it, on that host alone. Hosts are compared in ASCII (UTS #46), so that `bücher.example` and `xn--bcher-kva.example` are
one, and label by label, so that `notexample.com` and `example.com.evil.net` are neither of them `example.com`. A public
suffix such as `co.uk` or `github.io` belongs to everybody under it, and is no address that one person can opt out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

import idna
import tldextract

HOST_MAX = 253
PATH_MAX = 300
LABELS_MAX = 20

# Marks that people write instead of the dot and of http, so that a link cannot be clicked.
_DEFANGED = re.compile(r"\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\))\s?", re.IGNORECASE)
_SCHEME = re.compile(r"\b(?:h[tx]{2}ps?)(?::|\[:\])//", re.IGNORECASE)
_DOTS = "．。｡"  # IDNA takes these for dots
_WORD = re.compile(
    r"(?<![\w\-])(?P<scheme>https?://)?(?P<user>[^\s@/<>\"'()]{1,100}@)?"
    r"(?P<host>[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,20})\.?(?P<port>:\d{1,5})?(?P<rest>[/?#][^\s<>\"'`|\\^{}]*)?",
    re.IGNORECASE,
)
_LABEL = r"(?!-)[a-z0-9_\-]{1,63}(?<!-)"
_UNDERSCORED = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_TRAILING = ".,;:!?)]}'\"»”’*_~"


class AddressRefused(ValueError):
    """No address that can be opted out; the message says why and what to write."""


@dataclass(frozen=True)
class Address:
    """`host` in ASCII without `www.`; `path` folded in case, without the last slash, empty for the whole host."""

    host: str
    path: str = ""

    def __str__(self) -> str:
        return self.host + self.path

    def covers(self, other: "Address") -> bool:
        """Whether `other` lies in this one."""
        if not self.path:
            return other.host == self.host or other.host.endswith("." + self.host)
        return other.host == self.host and _within(self.path, other.path)


def _within(outer: str, inner: str) -> bool:
    if inner == outer:
        return True
    # An address with a query names one page: nothing lies under it, but further parameters may follow.
    return inner.startswith(outer + "&") if "?" in outer else inner.startswith((outer + "/", outer + "?"))


def address_read(text: str) -> Address:
    """The address that somebody registers; AddressRefused where it is none, or one that belongs to everybody."""
    written = _refanged(text.strip())
    if not written or any(sign.isspace() for sign in written):
        raise AddressRefused("Write one address, such as example.com or https://example.com/gallery.")
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        host = parts.hostname or ""
        _ = parts.port  # refuses what is no number
    except ValueError as error:
        raise AddressRefused("This is no address. Write it as https://example.com/gallery.") from error
    if "@" in parts.netloc and "://" not in written:
        raise AddressRefused("This is an address of e-mail. Write that of a site, such as example.com.")
    if parts.scheme not in {"http", "https"}:
        raise AddressRefused(f"An address begins with https:// or http://, not {parts.scheme}://.")
    path = _path(parts)
    if len(path) > PATH_MAX:
        raise AddressRefused(f"The address is too long: its path may have {PATH_MAX} characters.")
    return Address(_registrable(host), path)


def _registrable(host: str) -> str:
    ascii_host = _ascii(host)
    if ascii_host is None:
        raise AddressRefused(f"{host or 'This'} is no host name. Write it as example.com.")
    found = _suffixes()(ascii_host)
    if not found.suffix:
        raise AddressRefused(f"{host} ends in no public domain. Write a host that everybody can reach, not a number.")
    if not found.domain:
        raise AddressRefused(f"{host} is shared by everybody under it. Name your own address below it.")
    return _bare(ascii_host, found.domain)


def addresses_in(text: str) -> tuple[Address, ...]:
    """Every address that a text names, with or without a scheme; those of e-mail are none. In order, each once."""
    return tuple(dict.fromkeys(_found(_refanged(text))))


def _found(text: str) -> Iterator[Address]:
    for match in _WORD.finditer(text):
        if match["user"] and not match["scheme"]:
            continue
        host = _ascii(match["host"])
        found = _suffixes()(host) if host else None
        if host is None or found is None or not found.suffix or not found.domain:
            continue
        rest = (match["rest"] or "").rstrip(_TRAILING)
        yield Address(_bare(host, found.domain), _path(urlsplit(f"https://x{rest}"))[:PATH_MAX])


def hosts_above(address: Address) -> tuple[str, ...]:
    """The hosts whose entries may cover `address`: its own and those above it, down to the registered domain."""
    domain = _suffixes()(address.host).top_domain_under_public_suffix
    labels = address.host.split(".")[-LABELS_MAX:]
    above = (".".join(labels[start:]) for start in range(len(labels)))
    return tuple(host for host in above if len(host) >= len(domain))


def _refanged(text: str) -> str:
    text = _DEFANGED.sub(".", text.translate(dict.fromkeys(map(ord, _DOTS), ".")))
    return _SCHEME.sub(lambda found: "https://" if "s" in found[0].lower() else "http://", text)


def _ascii(host: str) -> str | None:
    """The host as DNS has it, or None where it is no name."""
    try:
        found = idna.encode(host.rstrip("."), uts46=True, transitional=False).decode().lower()
    except idna.IDNAError:
        # Names with an underscore are outside IDNA, and are in use all the same.
        found = host.rstrip(".").lower()
        if not _UNDERSCORED.fullmatch(found):
            return None
    return found if 0 < len(found) <= HOST_MAX else None


def _bare(host: str, domain: str) -> str:
    """Without `www.`, unless that is the registered name itself."""
    return host[4:] if host.startswith("www.") and domain != "www" else host


def _path(parts: SplitResult) -> str:
    """The path and query as they are compared: decoded once, folded, without what does not tell pages apart."""
    path = unquote(parts.path).casefold().rstrip("/")
    path = re.sub(r"/+", "/", path)
    path = re.sub(r"/index\.(?:html?|php)$", "", path)
    query = unquote(parts.query).casefold()
    return f"{path}?{query}" if query else path


@lru_cache(maxsize=1)
def _suffixes() -> tldextract.TLDExtract:
    """The public suffix list as the package carries it: nothing is fetched."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)
