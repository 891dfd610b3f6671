"""Fetching a file from an address that the operator names: bounded in size and time, and never from inside our own net.

Each hop of a redirect is resolved and checked as `outbound` does it. The file is written to disk piece by piece and
counts when it came whole.
"""

import hashlib
import http.client
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import urllib3

from moderation.errors import FetchRefused
from moderation.outbound import AddressForbidden, NotDelivered, Target, pool_of, target_of

REDIRECTS = 3
PIECE = 64 * 1024
NOT_MODIFIED = 304
_MOVED = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Fetched:
    """What came: nothing new (`changed` False), or a file with size and SHA-256 and the marks to ask with next time."""

    changed: bool
    url: str
    bytes: int = 0
    sha256: str = ""
    etag: str = ""
    last_modified: str = ""


def fetch(
    url: str, *, into: Path, most_bytes: int, most_seconds: float, etag: str = "", last_modified: str = ""
) -> Fetched:
    """GET `url` into a file. With the marks of the copy that is known, an unchanged file is not sent again.

    Raises FetchRefused for an address that is not asked, no answer, an error, or a file too large, too slow or cut off.
    """
    deadline = time.monotonic() + most_seconds
    marks = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    headers = {name: value for name, value in marks.items() if value}
    for _ in range(REDIRECTS + 1):
        found = _hop(url, headers, into, most_bytes, deadline)
        if isinstance(found, Fetched):
            return found
        url = found
    raise FetchRefused(f"The address leads on more than {REDIRECTS} times.")


def _hop(url: str, headers: dict[str, str], into: Path, most_bytes: int, deadline: float) -> Fetched | str:
    """What the address answers, or where it leads on to."""
    try:
        target = target_of(url)
        pool = pool_of(target)
        try:
            return _asked(pool, target, url, headers, into, most_bytes, deadline)
        finally:
            pool.close()
    except AddressForbidden as error:
        raise FetchRefused(str(error)) from error
    except (NotDelivered, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
        raise FetchRefused(f"The server did not answer, or broke off ({type(error).__name__}).") from error


def _asked(
    pool: urllib3.HTTPConnectionPool,
    target: Target,
    url: str,
    headers: dict[str, str],
    into: Path,
    most_bytes: int,
    deadline: float,
) -> Fetched | str:
    path = urllib3.util.Url(path=target.parts.path or "/", query=target.parts.query or None).url
    sent = {
        "Host": target.parts.netloc,
        "User-Agent": "adapter-registry-lists",
        "Accept-Encoding": "identity",
        **headers,
    }
    with pool.urlopen("GET", path, headers=sent, redirect=False, retries=False, preload_content=False) as response:
        if response.status in _MOVED and response.headers.get("Location"):
            return urljoin(url, response.headers["Location"])
        if response.status == NOT_MODIFIED and headers:
            return Fetched(changed=False, url=url)
        if response.status != http.client.OK:
            raise FetchRefused(f"The server answered with status {response.status}.")
        size, digest = _written(response, into, most_bytes, deadline)
        told = response.headers
        return Fetched(True, url, size, digest, told.get("ETag", "")[:300], told.get("Last-Modified", "")[:100])


def _written(response: urllib3.BaseHTTPResponse, into: Path, most_bytes: int, deadline: float) -> tuple[int, str]:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchRefused("The server sends the file compressed although it was asked not to.")
    size, digest = 0, hashlib.sha256()
    with into.open("wb") as file:
        while piece := response.read(PIECE):
            size += len(piece)
            if size > most_bytes:
                raise FetchRefused(f"The file is larger than {most_bytes:,} bytes.")
            if time.monotonic() > deadline:
                raise FetchRefused("The file did not arrive within the time that is given to it.")
            digest.update(piece)
            file.write(piece)
    return size, digest.hexdigest()
