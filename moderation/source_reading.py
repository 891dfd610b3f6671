"""What the server of a declared training source says about training: its page's headers, HTML, and the files beside.

Read, as `web` reads, when a version is screened. What cannot be read is told as such: a server that does not answer has
allowed nothing.
"""

import http.client
import re
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from moderation.matching.reservations import Reservation, Source, from_source
from moderation.web import Bounds, Page, Unread, read_from

MOST = 10  # addresses of one version that are read
BYTES = 2 * 1024**2  # of one answer
SECONDS = 20.0  # for one address with the files beside it
AGENT = "adapter-registry-sources"
ABSENT = {http.client.NOT_FOUND, http.client.GONE}
_URL = re.compile(r"https?://[^\s<>\"'`|\\^{}]+", re.IGNORECASE)
_TRAILING = ".,;:!?)]}'\"»”’*_~"


class SourceUnread(Exception):
    """No answer that says anything; the message says why."""


@dataclass(frozen=True)
class _Page:
    status: int
    headers: tuple[tuple[str, str], ...]
    text: str
    url: str


def urls_in(text: str) -> list[str]:
    """The web addresses that a text names, each once, in its order; http is asked by https."""
    found = (match.rstrip(_TRAILING) for match in _URL.findall(text))
    return list(dict.fromkeys(re.sub(r"^http://", "https://", url, flags=re.IGNORECASE) for url in found))[:MOST]


def reservations_at(url: str) -> tuple[Reservation, ...]:
    """Every reservation of the source at `url`; raises SourceUnread where its page does not answer."""
    deadline = time.monotonic() + SECONDS
    page = _get(url, deadline)
    if page.status != http.client.OK:
        raise SourceUnread(f"it answered with status {page.status}")
    return from_source(
        Source(
            path=urlsplit(page.url).path or "/",
            headers=page.headers,
            html=page.text,
            tdmrep=_beside(page.url, "/.well-known/tdmrep.json", deadline),
            robots=_beside(page.url, "/robots.txt", deadline),
            ai_txt=_beside(page.url, "/ai.txt", deadline),
        )
    )


def _beside(url: str, path: str, deadline: float) -> str | None:
    """A file of the same server; None where it has none."""
    page = _get(urljoin(url, path), deadline)
    if page.status in ABSENT:
        return None
    if page.status != http.client.OK:
        raise SourceUnread(f"{path} answered with status {page.status}")
    return page.text


def _get(url: str, deadline: float) -> _Page:
    try:
        return read_from(url, bounds=Bounds(BYTES, deadline), agent=AGENT, headers={}, use=_whole)
    except Unread as error:
        raise SourceUnread(f"it {error}") from error


def _whole(page: Page) -> _Page:
    return _Page(page.status, page.headers, b"".join(page.pieces()).decode("utf-8", "replace"), page.url)
