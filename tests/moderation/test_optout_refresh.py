"""The nightly refresh, against a server of our own that changes, breaks and lies between the nights."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from governance.models import AuditEntry
from moderation.errors import FetchRefused
from moderation.fetching import fetch
from moderation.models import OptOutImport, OptOutList
from moderation.selectors.optout import names_found
from moderation.services.list_refresh import list_refresh, lists_configure
from moderation.services.lists import files_tidy, import_run, lists_folder, new_path
from tests.factories.optout import csv_of, jsonl_of, queue_import

pytestmark = pytest.mark.django_db
BOTH = "greg rutkowski and ada lovelace"


@dataclass
class Site:
    """What the server answers next, and what it was asked."""

    url: str = ""
    body: bytes = b""
    status: int = 200
    first: int = 0  # the status of the next answer alone
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # what it announces, when that is not true
    asked: list[dict[str, str]] = field(default_factory=list)
    endless: bool = False


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    told = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            if told.headers.get("ETag") and self.headers.get("If-None-Match") == told.headers["ETag"]:
                self.send_response(304)
                self.end_headers()
                return
            status, told.first = told.first or told.status, 0
            self.send_response(status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            if not told.endless:
                self.send_header("Content-Length", str(len(told.body) if told.length is None else told.length))
            self.end_headers()
            self.wfile.write(told.body)
            try:
                while told.endless:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}/people.csv"
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    settings.OPTOUT_LISTS = {"people": told.url}
    yield told
    server.shutdown()
    server.server_close()


def _night() -> OptOutImport | None:
    """What the scheduler does, and the worker after it."""
    [source] = lists_configure()
    job = list_refresh(list_id=source.pk)
    if job is not None:
        import_run(import_id=job.pk)
        job.refresh_from_db()
    return job


def _found() -> set[str]:
    return {hit.name for hit in names_found(BOTH)}


def _the_list() -> OptOutList:
    return OptOutList.objects.get()


def test_list_that_changes_is_followed(site: Site) -> None:
    site.body = csv_of("name,Greg Rutkowski")
    job = _night()
    assert job is not None
    assert (job.state, job.url, job.complete, job.added) == ("done", site.url, True, 1)
    assert _found() == {"Greg Rutkowski"}
    site.body = csv_of("name,Ada Lovelace", "name,Mary Shelley")
    job = _night()
    assert job is not None
    assert (job.added, job.withdrawn) == (2, 1)
    assert _found() == {"Ada Lovelace"}


def test_unchanged_list_is_neither_sent_nor_taken_in_again(site: Site) -> None:
    site.body = csv_of("name,Greg Rutkowski")
    site.headers = {"ETag": '"one"', "Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT"}
    assert _night() is not None
    first = _the_list().checked_at
    assert _night() is None
    assert site.asked[1]["if-none-match"] == '"one"'
    assert site.asked[1]["if-modified-since"] == "Tue, 24 Nov 2026 00:00:00 GMT"
    checked = _the_list().checked_at
    assert first is not None
    assert checked is not None
    assert checked > first
    site.headers = {"ETag": '"two"'}  # another mark, the same file
    assert _night() is None
    assert (_the_list().etag, OptOutImport.objects.count()) == ('"two"', 1)


def test_marks_of_a_broken_file_are_not_kept(site: Site) -> None:
    site.body, site.headers = b"kind,value\nx,y\n", {"ETag": '"broken"'}
    _night()
    assert _the_list().etag == ""
    _night()
    assert "if-none-match" not in site.asked[1]


BREAKS: dict[str, dict[str, Any]] = {
    "gone": {"status": 404},
    "down": {"status": 503},
    "moved to nowhere": {"status": 301, "headers": {"Location": "http://127.0.0.1:9/"}},
    "round and round": {"status": 302, "headers": {"Location": "/people.csv"}},
    "led inside": {"status": 302, "headers": {"Location": "http://10.0.0.1/"}},
    "led to a file": {"status": 302, "headers": {"Location": "file:///etc/passwd"}},
    "cut off": {"body": csv_of("name,Ada Lovelace"), "length": 10_000},
    "empty": {"body": b""},
    "a page": {"body": b"<html>Sign in</html>"},
    "compressed": {"body": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}},
    "endless": {"endless": True},
    "bad lines": {"body": csv_of("name,Ada Lovelace", "x,y")},
    "no columns": {"body": b"name,Ada Lovelace\n"},
}


@pytest.mark.parametrize("how", BREAKS.values(), ids=BREAKS.keys())
def test_broken_list_keeps_its_last_good_state_and_is_reported(site: Site, how: dict[str, Any], settings: Any) -> None:
    good = csv_of("name,Greg Rutkowski")
    site.body = good
    _night()
    settings.OPTOUT_LIST_MAX_BYTES = 1_000_000
    for name, value in how.items():
        setattr(site, name, value)
    _night()
    source = _the_list()
    assert _found() == {"Greg Rutkowski"}
    assert source.failed_at is not None
    assert source.failure
    newest = OptOutImport.objects.order_by("pk").last()
    assert newest is not None
    assert newest.state in {"failed", "held"}
    assert AuditEntry.objects.filter(
        action__in=["optout.list-failed", "optout.import-failed", "optout.import-held"]
    ).exists()
    failing_since = source.failed_at
    _night()
    assert _the_list().failed_at == failing_since
    site.__dict__ |= {"status": 200, "headers": {}, "length": None, "endless": False, "body": good}
    _night()
    assert (_the_list().failed_at, _the_list().failure) == (None, "")


def test_nobody_answers(site: Site, settings: Any) -> None:
    settings.OPTOUT_LISTS = {"people": "http://127.0.0.1:9/people.csv"}
    assert _night() is None
    assert "did not answer" in _the_list().failure


def test_held_file_gives_way_to_a_good_one(site: Site) -> None:
    site.body = csv_of("name,Greg Rutkowski", "x,y")
    held = _night()
    assert held is not None
    assert held.state == "held"
    site.body = csv_of("name,Ada Lovelace")
    job = _night()
    assert job is not None
    assert job.state == "done"
    held.refresh_from_db()
    assert (held.state, "newer file" in held.detail) == ("failed", True)


def test_redirect_is_followed(site: Site) -> None:
    site.body = csv_of("name,Greg Rutkowski")
    site.headers = {"Location": "/new.csv"}
    site.first = 301
    job = _night()
    assert job is not None
    assert job.url.endswith("/new.csv")
    assert _found() == {"Greg Rutkowski"}


def test_json_lines_are_fetched_too(site: Site, settings: Any) -> None:
    settings.OPTOUT_LISTS = {"people": site.url.replace(".csv", ".jsonl?x=1")}
    site.body = jsonl_of({"kind": "name", "value": "Greg Rutkowski"})
    job = _night()
    assert job is not None
    assert (job.format, job.added, site.asked[0]["path"]) == ("jsonl", 1, "/people.jsonl?x=1")


def test_list_that_is_no_longer_configured_keeps_its_entries(site: Site, settings: Any) -> None:
    site.body = csv_of("name,Greg Rutkowski")
    _night()
    settings.OPTOUT_LISTS = {}
    assert lists_configure() == []
    assert list_refresh(list_id=_the_list().pk) is None
    assert (len(site.asked), _the_list().url, _found()) == (1, "", {"Greg Rutkowski"})


def test_other_address_forgets_the_marks(site: Site, settings: Any) -> None:
    site.body, site.headers = csv_of("name,Greg Rutkowski"), {"ETag": '"one"'}
    _night()
    settings.OPTOUT_LISTS = {"people": site.url + "?moved"}
    assert lists_configure()[0].etag == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost/x",
        "https://10.1.2.3/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "https://user:password@example.com/",
        "no address",
    ],
)
def test_addresses_inside_are_not_asked(url: str, tmp_path: Path, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    with pytest.raises(FetchRefused):
        fetch(url, into=tmp_path / "file", most_bytes=1000, most_seconds=5)
    assert not (tmp_path / "file").exists()


def test_slow_file_is_cut(site: Site, tmp_path: Path) -> None:
    site.endless = True
    with pytest.raises(FetchRefused, match="within the time"):
        fetch(site.url, into=tmp_path / "file", most_bytes=10**12, most_seconds=0)


def test_refused_files_are_not_left_lying(site: Site, django_capture_on_commit_callbacks: Any) -> None:
    before = set(lists_folder().iterdir())
    site.status = 500
    with django_capture_on_commit_callbacks(execute=True):
        _night()
    site.status, site.body = 200, b"<html>"
    with django_capture_on_commit_callbacks(execute=True):
        _night()
    assert set(lists_folder().iterdir()) == before


def test_files_that_no_import_knows_are_removed_in_time() -> None:
    lost, fresh = new_path(), new_path()
    waiting = lists_folder() / queue_import(csv_of("name,Ada Lovelace")).path
    for path in (lost, fresh):
        path.write_bytes(b"x")
    for path in (lost, waiting):
        os.utime(path, (0, 0))
    files_tidy()
    assert (lost.exists(), fresh.exists(), waiting.exists()) == (False, True, True)
    fresh.unlink()
