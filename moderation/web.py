"""Reading from addresses that others name: one way for all, bounded in size, time and redirects.

Each hop is resolved and checked as `outbound` does it, so that no redirect leads into our own network, from https back
to http, or to an address that the name server tells only the second time. Nothing is read beyond its bound, and
who sends it drop by drop is cut off when the time is up, in the middle of a header as well.
"""

import http.client
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from threading import Timer
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3

from registry.outbound import AddressForbidden, NotDelivered, Target, pool_of, target_of

REDIRECTS = 3
PIECE = 64 * 1024
MOVED = frozenset({301, 302, 303, 307, 308})
Read = TypeVar("Read")


class Unread(Exception):
    """What was asked for did not come; the message says why, in words that follow on “it”."""


@dataclass(frozen=True)
class Bounds:
    """What one question may cost: bytes of one body, and the moment (`time.monotonic`) at which it is over."""

    most_bytes: int
    deadline: float

    def check_time(self) -> None:
        """Raises Unread when the time is up."""
        if time.monotonic() > self.deadline:
            raise Unread("did not come within the time that is given to it")


@dataclass(frozen=True)
class Page:
    """An answer that leads on nowhere: its address after redirects, its status, and its headers in lower case."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    response: urllib3.BaseHTTPResponse
    bounds: Bounds

    def header(self, name: str) -> str:
        """The first header of that name; empty where there is none."""
        return next((value for known, value in self.headers if known == name), "")

    def pieces(self) -> Iterator[bytes]:
        """The body piece by piece; raises Unread where it is compressed, too large, too slow or cut off."""
        if self.header("content-encoding") not in {"", "identity"}:
            raise Unread("sends it compressed although it was asked not to")
        size = 0
        while piece := self.response.read(PIECE):
            size += len(piece)
            if size > self.bounds.most_bytes:
                raise Unread(f"sends more than {self.bounds.most_bytes:,} bytes")
            yield piece
        self.bounds.check_time()  # a body without a length ends where it is cut off


def read_from(url: str, *, bounds: Bounds, agent: str, use: Callable[[Page], Read], headers: Mapping[str, str]) -> Read:
    """GET `url`, follow where it leads, and give `use` the answer while its connection is open; what `use` answers.

    Raises Unread, also for an address that is not asked.
    """
    sent = {"User-Agent": agent, "Accept-Encoding": "identity", **headers}
    for _ in range(REDIRECTS + 1):
        bounds.check_time()
        try:
            target = target_of(url)
            with closing(pool_of(target)) as pool, _cut_off(pool, bounds), _asked(pool, target, sent) as response:
                page = Page(url, response.status, _lowered(response), response, bounds)
                location = page.header("location")
                if page.status not in MOVED or not location:
                    return use(page)
                url = _next(url, location)
        except AddressForbidden as error:
            raise Unread(f"is not asked: {error}") from error
        except (NotDelivered, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise Unread(f"did not answer, or broke off ({type(error).__name__})") from error
    raise Unread(f"leads on more than {REDIRECTS} times")


def _asked(pool: urllib3.HTTPConnectionPool, target: Target, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    path = urllib3.util.Url(path=target.parts.path or "/", query=target.parts.query or None).url
    sent = {"Host": target.parts.netloc, **headers}
    return pool.urlopen("GET", path, headers=sent, redirect=False, retries=False, preload_content=False)


@contextmanager
def _cut_off(pool: urllib3.HTTPConnectionPool, bounds: Bounds) -> Iterator[None]:
    """Ends the connections of the pool when the time is up: a timeout of a socket counts from each byte anew."""
    open_sockets: list[socket.socket] = []

    class Noted(pool.ConnectionCls):  # type: ignore[name-defined, misc]
        def connect(self) -> Any:
            super().connect()
            open_sockets.append(self.sock)

    def end() -> None:
        for one in open_sockets:
            with suppress(OSError):  # closed already
                one.shutdown(socket.SHUT_RDWR)

    pool.ConnectionCls = Noted
    timer = Timer(max(bounds.deadline - time.monotonic(), 0), end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _lowered(response: urllib3.BaseHTTPResponse) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in response.headers.items())


def _next(url: str, location: str) -> str:
    """Where an answer leads on to; raises Unread from https to http: what comes then could be anybody's."""
    further = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(further).scheme != "https":
        raise Unread("leads from https to an address without it")
    return further
