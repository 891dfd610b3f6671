"""What the server of a declared training source says about training: its page's headers, HTML, and the files beside.

Read when a version is screened, never from inside our own net, bounded in size and time. What cannot be read is told
as such: a server that does not answer has allowed nothing.
"""

import http.client
import re
import time
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import urllib3

from moderation.matching.reservations import Reservation, Source, from_source
from moderation.outbound import AddressForbidden, NotDelivered, Target, pool_of, target_of

MOST = 10  # addresses of one version that are read
BYTES = 2 * 1024**2  # of one answer
SECONDS = 20.0  # for one address with the files beside it
REDIRECTS = 3
ABSENT = {http.client.NOT_FOUND, http.client.GONE}
_MOVED = {301, 302, 303, 307, 308}
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
    for _ in range(REDIRECTS + 1):
        page = _hop(url, deadline)
        location = dict(page.headers).get("location", "")
        if page.status not in _MOVED or not location:
            return page
        url = urljoin(url, location)
    raise SourceUnread(f"it leads on more than {REDIRECTS} times")


def _hop(url: str, deadline: float) -> _Page:
    try:
        target = target_of(url)
        with closing(pool_of(target)) as pool:
            return _asked(pool, target, url, deadline)
    except (AddressForbidden, NotDelivered, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
        raise SourceUnread(f"it did not answer ({type(error).__name__})") from error


def _asked(pool: urllib3.HTTPConnectionPool, target: Target, url: str, deadline: float) -> _Page:
    path = urllib3.util.Url(path=target.parts.path or "/", query=target.parts.query or None).url
    sent = {"Host": target.parts.netloc, "User-Agent": "adapter-registry-sources", "Accept-Encoding": "identity"}
    with pool.urlopen("GET", path, headers=sent, redirect=False, retries=False, preload_content=False) as answer:
        read = _read(answer, deadline)
        headers = tuple((name.lower(), value) for name, value in answer.headers.items())
        return _Page(answer.status, headers, read.decode("utf-8", "replace"), url)


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    read = b""
    while piece := answer.read(64 * 1024):
        read += piece
        if len(read) > BYTES or time.monotonic() > deadline:
            raise SourceUnread("its answer is too large or too slow to read to its end")
    return read
