"""`bin/serve`: database, migrations, starter data, then web, workers and scheduler under one supervisor."""

import argparse
import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from honcho.environ import parse_procfile
from honcho.manager import Manager

from config import postgres
from config.celery import queues_declare
from config.environment import PROJECT, data_dir, kept_secret, text
from config.steps import step

NEEDED_BYTES = 512 * 1024**2  # what the database, the starter data and the previews need to begin with


class CannotServe(Exception):
    """One line that says what is wrong and what to do."""


def main(argv: list[str]) -> int:
    arguments = _arguments(argv)
    folder = data_dir()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's stop is a Ctrl-C
    try:
        _check_folder(folder)
        with _only_one(folder):
            _check_port(arguments.host, arguments.port)
            _environment(arguments)
            with _database(folder):
                _check_settings()
                _prepare(folder)
                return _supervise(arguments, folder)
    except (CannotServe, postgres.PostgresError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: the disk that holds {folder} is full: free some space and run this again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/serve", description="Run the adapter registry on this machine.")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=_port, default=os.environ.get("PORT") or "8000")
    parser.add_argument("--no-demo", action="store_true", help="start empty: no demo accounts, no starter adapters")
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 1 to 65535")
    return int(text)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process alone."""
    with (folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotServe(
                f"another bin/serve runs on the data folder {folder}. Stop it first, or set DATA_DIR to another folder."
            ) from error
        yield


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(
                f"port {port} on {host} cannot be used ({error.strerror}). Stop what uses it, or choose another: "
                f"bin/serve --port {port + 1}"
            ) from error


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".write-probe"
        probe.write_text("room")  # an empty file would fit on a full disk
        probe.unlink()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise CannotServe(
            f"the data folder {folder} cannot be written ({error.strerror}). "
            "Change its owner, or set DATA_DIR to another folder."
        ) from error
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise CannotServe(
            f"only {free // 1024**2} MB are free where {folder} lies, and {NEEDED_BYTES // 1024**2} MB are needed. "
            "Free some space, or set DATA_DIR to a folder on another disk."
        )


def _environment(arguments: argparse.Namespace) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    os.environ["BIND"] = f"{host}:{arguments.port}"
    shown = "127.0.0.1" if arguments.host in {"0.0.0.0", "::"} else host  # noqa: S104 (asked for by the user)
    os.environ.setdefault("PUBLIC_URL", f"http://{shown}:{arguments.port}")
    # The programs of the Procfile are those of this Python's environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # Threads that spin while they wait slow small tensors down by two orders of magnitude on few cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Large blocks (password hashes, pieces of files) go back to the system instead of staying with their thread.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(128 * 1024))
    os.environ["NO_DEMO"] = "1" if arguments.no_demo else ""


def _database(folder: Path) -> AbstractContextManager[None]:
    if url := text("DATABASE_URL"):
        step(1, "database: the server named by DATABASE_URL")
        _check_database(url)
        return nullcontext()
    step(1, "database: starting the embedded PostgreSQL")
    return postgres.in_use(folder)


def _check_database(url: str) -> None:
    if urlsplit(url).scheme not in {"postgres", "postgresql"}:
        raise CannotServe("DATABASE_URL is not the address of a PostgreSQL: write postgres://user:password@host/name")
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split()) if isinstance(error, psycopg.OperationalError) else "it cannot be read"
        raise CannotServe(f"the database server named by DATABASE_URL cannot be used: {reason}") from error


def _check_settings() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    try:
        _ = settings.DATABASES
    except ImproperlyConfigured as error:
        raise CannotServe(str(error)) from error


def _prepare(folder: Path) -> None:
    for name in ("broker/messages", "broker/processed", "broker/control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _manage("set_up", *(["--no-demo"] if os.environ["NO_DEMO"] else []))
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        queues_declare()


def _manage(*arguments: str) -> None:
    # In a session of its own: Ctrl-C reaches it through us, who take it down without its last words.
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=PROJECT, check=False, start_new_session=True)
    if done.returncode:
        raise CannotServe(f"`manage.py {' '.join(arguments)}` failed; what it said is above.")


def _supervise(arguments: argparse.Namespace, folder: Path) -> int:
    step(5, "starting web, workers and scheduler")
    manager = Manager()
    with open(PROJECT / "Procfile") as file:
        for name, command in parse_procfile(file.read()).processes.items():
            manager.add_process(name, f"exec {command}", cwd=str(PROJECT), env=dict(os.environ))
    threading.Thread(target=_announce, args=(folder,), daemon=True).start()
    manager.loop()
    return 0 if manager.returncode in (0, 130, -2, -15) else int(manager.returncode or 0)


def _announce(folder: Path) -> None:
    url = os.environ["PUBLIC_URL"]
    probe = f"http://{os.environ['BIND'].replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]')}/healthz"  # noqa: S104
    for _ in range(300):
        try:
            with urllib.request.urlopen(probe, timeout=2):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    else:
        return
    print(f"\nReady: {url}   (API: {url}/api/docs, stop with Ctrl-C)")
    if not os.environ["NO_DEMO"]:
        password = kept_secret(folder / "demo-password")
        print(f"Demo accounts: ada (creator), grace (company), mo (moderator); password of all: {password}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
