"""Fetching a file from an address that the operator names, read as `web` reads: written to disk piece by piece, it
counts when it came whole.
"""

import hashlib
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moderation.errors import FetchRefused
from moderation.web import Bounds, Page, Unread, read_from

AGENT = "adapter-registry-lists"
NOT_MODIFIED = 304


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
    marks = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    headers = {name: value for name, value in marks.items() if value}
    bounds = Bounds(most_bytes, time.monotonic() + most_seconds)
    try:
        return read_from(url, bounds=bounds, agent=AGENT, headers=headers, use=_into(into, known=bool(headers)))
    except Unread as error:
        raise FetchRefused(f"Its server {error}.") from error


def _into(path: Path, *, known: bool) -> Callable[[Page], Fetched]:
    """What becomes of the answer: a file at `path`, or nothing where the copy that is `known` still holds."""

    def written(page: Page) -> Fetched:
        if page.status == NOT_MODIFIED and known:
            return Fetched(changed=False, url=page.url)
        if page.status != http.client.OK:
            raise FetchRefused(f"The server answered with status {page.status}.")
        size, digest = 0, hashlib.sha256()
        with path.open("wb") as file:
            for piece in page.pieces():
                size += len(piece)
                digest.update(piece)
                file.write(piece)
        marks = page.header("etag")[:300], page.header("last-modified")[:100]
        return Fetched(True, page.url, size, digest.hexdigest(), *marks)

    return written
