"""What `bin/serve` checks before it starts anything; the whole programme is run in tests/e2e."""

import shutil
import socket
from pathlib import Path

import pytest

from config import serve


def test_too_little_room_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(serve, "NEEDED_BYTES", free * 2)
    with pytest.raises(serve.CannotServe, match=r"only \d+ MB are free where .* and \d+ MB are needed"):
        serve._check_folder(tmp_path)


def test_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    serve._check_folder(folder)
    assert list(folder.iterdir()) == []


def test_free_port_passes_and_taken_port_does_not() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.listen()
        with pytest.raises(serve.CannotServe, match=f"port {port} on 127.0.0.1"):
            serve._check_port("127.0.0.1", port)
    serve._check_port("127.0.0.1", port)


def test_unknown_host_is_refused() -> None:
    with pytest.raises(serve.CannotServe, match=r"nowhere\.invalid cannot be used"):
        serve._check_port("nowhere.invalid", 8000)


def test_data_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    with serve._only_one(tmp_path):
        refused = pytest.raises(serve.CannotServe, match="another bin/serve runs on the data folder")
        with refused, serve._only_one(tmp_path):
            pytest.fail("two hold the same folder")
    with serve._only_one(tmp_path):
        pass


@pytest.mark.parametrize(
    ("host", "bind", "public"),
    [
        ("127.0.0.1", "127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("0.0.0.0", "0.0.0.0:8123", "http://127.0.0.1:8123"),
        ("::1", "[::1]:8123", "http://[::1]:8123"),
        ("registry.lan", "registry.lan:8123", "http://registry.lan:8123"),
    ],
)
def test_addresses_follow_host_and_port(monkeypatch: pytest.MonkeyPatch, host: str, bind: str, public: str) -> None:
    for name in ("BIND", "PUBLIC_URL", "PATH", "OMP_WAIT_POLICY", "NO_DEMO"):
        monkeypatch.setenv(name, "")  # put back afterwards, whatever is set meanwhile
    monkeypatch.delenv("PUBLIC_URL")
    serve._environment(serve._arguments(["--host", host, "--port", "8123"]))
    assert serve.os.environ["BIND"] == bind
    assert serve.os.environ["PUBLIC_URL"] == public


def test_given_public_url_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BIND", "PATH", "OMP_WAIT_POLICY", "NO_DEMO"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PUBLIC_URL", "https://registry.example.org")
    serve._environment(serve._arguments([]))
    assert serve.os.environ["PUBLIC_URL"] == "https://registry.example.org"
