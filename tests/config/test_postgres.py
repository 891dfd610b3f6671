"""The embedded PostgreSQL: where its socket lies, whom it lets in, and who may stop it."""

import os
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from config import postgres
from config.environment import PROJECT

SUN_PATH = 108  # bytes of sockaddr_un


def test_socket_lies_beside_the_cluster() -> None:
    folder = Path("/srv/registry")
    assert postgres.socket_dir(folder) == folder / "postgres" / "socket"
    assert postgres.embedded_url(folder) == "postgresql://postgres@/registry?host=%2Fsrv%2Fregistry%2Fpostgres%2Fsocket"


@pytest.mark.parametrize("name", ["a" * 120, "ä" * 45])
def test_socket_of_a_long_path_is_short_and_its_own(name: str) -> None:
    """The limit counts bytes, and two installations never share a socket."""
    first, second = Path("/srv") / name, Path("/srv") / f"{name}b"
    for folder in (first, second):
        socket = postgres.socket_dir(folder)
        assert socket.parent == Path(tempfile.gettempdir())
        assert len(os.fsencode(socket / ".s.PGSQL.5432")) < SUN_PATH
    assert postgres.socket_dir(first) != postgres.socket_dir(second)
    assert postgres.socket_dir(first) == postgres.socket_dir(first)


def test_longest_path_beside_the_cluster_fits_a_socket() -> None:
    for length in range(40, 120):
        socket = postgres.socket_dir(Path("/" + "a" * length))
        assert len(os.fsencode(socket / ".s.PGSQL.5432")) < SUN_PATH


def test_folder_is_reachable_only_when_all_its_parents_are(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(0o700)
    assert not postgres._reachable(inner)
    assert inner.parent.stat().st_mode & 0o777 == 0o700  # it looks, and changes nothing
    assert postgres._reachable(PROJECT) == all(folder.stat().st_mode & 1 for folder in (PROJECT, *PROJECT.parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its rights for the server")
def test_root_is_told_when_the_servers_user_cannot_enter(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    with pytest.raises(postgres.PostgresError, match="cannot be entered by the user 'nobody'"):
        postgres.start(hidden / "data")
    assert hidden.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_last_user_stops_the_server() -> None:
    folder = PROJECT / "var" / f"postgres-{os.getpid()}"
    try:
        with postgres.in_use(folder):
            with postgres.in_use(folder):
                assert postgres.is_running(folder)
            assert postgres.is_running(folder)  # the other one still uses it
            with psycopg.connect(postgres.embedded_url(folder)) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
                available = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
                assert connection.execute(available).fetchone() == (1,)
        assert not postgres.is_running(folder)
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder)
