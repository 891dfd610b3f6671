"""Declared sources asked at their own servers: what reserves, what does not answer, and what is never asked."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moderation import source_reading
from moderation.models import CheckState, ScreeningCheck
from moderation.source_reading import SourceUnread, reservations_at, urls_in
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.registry import make_screened

PAGES: dict[str, tuple[int, dict[str, str], str]] = {
    "/plain": (200, {}, "<html><body>Pictures</body></html>"),
    "/reserved": (200, {"tdm-reservation": "1"}, "<html></html>"),
    "/noai": (200, {}, '<html><head><meta name="robots" content="noai"></head></html>'),
    "/moved": (301, {"Location": "/noai"}, ""),
    "/round": (301, {"Location": "/round"}, ""),
    "/broken": (500, {}, "no"),
    "/large": (200, {}, "x" * 3_000_000),
}


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = PAGES.get(self.path, (404, {}, "nothing"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server(settings: Any) -> Iterator[str]:
    """A server on loopback, which the settings count as ours."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_addresses_are_read_from_the_declaration() -> None:
    text = "From https://a.example/x, (http://b.example/y). And mine; a.example/z is no address with a scheme."
    assert urls_in(text) == ["https://a.example/x", "https://b.example/y"]


@pytest.mark.parametrize(
    ("path", "signals"), [("/plain", set()), ("/reserved", {"tdm"}), ("/noai", {"noai"}), ("/moved", {"noai"})]
)
def test_what_the_server_says_is_found(server: str, path: str, signals: set[str]) -> None:
    assert {mark.signal for mark in reservations_at(server + path)} == signals


@pytest.mark.parametrize("path", ["/broken", "/large", "/round", "/missing"])
def test_what_cannot_be_read_is_told_as_such(server: str, path: str) -> None:
    with pytest.raises(SourceUnread):
        reservations_at(server + path)


def test_rules_for_crawlers_count(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAGES, "/robots.txt", (200, {}, "User-agent: GPTBot\nDisallow: /\n"))
    assert reservations_at(server + "/plain")


def test_inside_of_our_own_net_is_never_asked(server: str, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    with pytest.raises(SourceUnread):
        reservations_at(server + "/plain")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "code"), [("/plain", None), ("/reserved", "source-reserved"), ("/broken", "source-unread")]
)
def test_source_that_reserves_or_does_not_answer_holds_the_version(
    server: str, settings: Any, monkeypatch: pytest.MonkeyPatch, path: str, code: str | None
) -> None:
    settings.SOURCES_READ = True
    monkeypatch.setattr("moderation.screening.sources.urls_in", lambda text: [server + path])
    version = make_screened(actor=make_user("ada"), declared={"training_sources": f"Pictures of {server}{path}"})
    assert {found["code"] for found in version.findings} == ({code} if code else set())
    assert version.state == (VersionState.IN_REVIEW if code else VersionState.PUBLISHED)
    check = ScreeningCheck.objects.get(screening__version=version, name="sources")
    assert check.state == (CheckState.FLAGGED if code else CheckState.PASSED)


def test_number_of_addresses_is_bounded() -> None:
    assert len(urls_in(" ".join(f"https://a.example/{n}" for n in range(50)))) == source_reading.MOST
