"""Reading from addresses that others name: redirects, inner networks, size and time, on a server of real sockets."""

import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from moderation.web import Bounds, Page, Unread, _next, read_from

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, list[bytes]] = {
    "/plain": [OK + b"Content-Length: 5\r\nX-Mark: a\r\nX-Mark: b\r\n\r\nhello"],
    "/endless": [OK + b"\r\n", *[b"x" * 10_000] * 200],
    "/announced": [OK + b"Content-Length: 900000\r\n\r\n", *[b"x" * 10_000] * 90],
    "/short": [OK + b"Content-Length: 50\r\n\r\nhello"],
    "/packed": [OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"],
    "/nothing": [b""],
    "/nonsense": [b"220 smtp.example ESMTP\r\n"],
    "/round": [b"HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n"],
    "/nowhere": [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"],
    "/file": [b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"],
    "/inside": [b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"],
    "/mapped": [b"HTTP/1.1 301 Moved\r\nLocation: http://[::ffff:10.0.0.1]/\r\nContent-Length: 0\r\n\r\n"],
    "/once": [b"HTTP/1.1 307 Moved\r\nLocation: plain\r\nContent-Length: 0\r\n\r\n"],
}
SLOW_LENGTH = OK + b"Content-Length: 99\r\n\r\n"
DRIPS = {"/drip-header": OK + b"X-Slow: ", "/drip-body": OK + b"\r\n", "/drip-length": SLOW_LENGTH}


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        try:
            for piece in ANSWERS.get(path, []):
                self.wfile.write(piece)
            if path in DRIPS:
                self._drip(DRIPS[path])
        except OSError:
            pass  # whoever asked has heard enough

    def _drip(self, start: bytes) -> None:
        self.wfile.write(start)
        while not self.server.over.wait(0.02):  # type: ignore[attr-defined]
            self.wfile.write(b"x")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.over = threading.Event()


@pytest.fixture
def server(settings: Any) -> Iterator[str]:
    """A server on loopback, which the settings count as ours."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.over.set()
        made.shutdown()
        thread.join()


def _read(url: str, *, most_bytes: int = 100_000, seconds: float = 20) -> tuple[Page, bytes]:
    bounds = Bounds(most_bytes, time.monotonic() + seconds)
    return read_from(url, bounds=bounds, agent="test", headers={}, use=lambda page: (page, b"".join(page.pieces())))


@pytest.mark.parametrize("path", ["/plain", "/once"])
def test_answer_is_read_where_it_leads(server: str, path: str) -> None:
    page, body = _read(server + path)
    assert (page.url, page.status, body) == (f"{server}/plain", 200, b"hello")
    assert (page.header("x-mark"), page.header("missing")) == ("a", "")
    assert [value for name, value in page.headers if name == "x-mark"] in (["a", "b"], ["a, b"])


def test_redirect_without_an_address_is_an_answer(server: str) -> None:
    assert _read(server + "/nowhere")[0].status == 302


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/endless", "more than"),
        ("/announced", "more than"),
        ("/short", "broke off"),
        ("/packed", "compressed"),
        ("/nothing", "broke off"),
        ("/nonsense", "broke off"),
        ("/round", "more than 3 times"),
        ("/file", "is not asked"),
        ("/inside", "is not asked"),
        ("/mapped", "is not asked"),
    ],
)
def test_what_did_not_come_whole_says_why(server: str, path: str, why: str) -> None:
    with pytest.raises(Unread, match=why):
        _read(server + path)


@pytest.mark.parametrize("path", sorted(DRIPS))
def test_who_sends_drop_by_drop_is_cut_off(server: str, path: str) -> None:
    with pytest.raises(Unread):
        _read(server + path, seconds=0.3)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/", "http://127.0.0.1/", "http://user:word@example.com/", "ftp://a.net/"]
)
def test_inner_addresses_are_not_asked(url: str, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    with pytest.raises(Unread, match="is not asked"):
        _read(url)


def test_no_redirect_leads_from_https_to_http() -> None:
    assert _next("https://a.net/x/y", "../z") == "https://a.net/z"
    assert _next("http://a.net/", "https://b.net/") == "https://b.net/"
    with pytest.raises(Unread):
        _next("https://a.net/", "http://a.net/")
