"""Other server programs beside the registry, each on a free port with a folder of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from config import postgres
from tests.e2e.sites import PROJECT, free_port

PASSWORD = "a/strange:pass@word"  # what has to be quoted in an address
QUOTED = "a%2Fstrange%3Apass%40word"


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a Redis that keeps nothing."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, port, folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The address of an S3-compatible store in memory."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, port, folder / "s3.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx_server(folder: Path, *, site_port: int, files: Path) -> Iterator[str]:
    """The address of an nginx with the configuration that ships in deploy/, without its TLS."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    (folder / "nginx.conf").write_text(_nginx_conf(folder, port, site_port, files))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with _running(command, port, folder / "nginx.log"):
        yield f"http://127.0.0.1:{port}"


def _nginx_conf(folder: Path, port: int, site_port: int, files: Path) -> str:
    shipped = (PROJECT / "deploy" / "nginx.conf").read_text()
    plain = re.sub(r"server \{\s+listen 80;.*?\n\}\n", "", shipped, flags=re.DOTALL)
    plain = re.sub(r"\n\s*ssl_\w+ [^;]+;", "", plain)
    changes = {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port};",
        "127.0.0.1:8000": f"127.0.0.1:{site_port}",
        "/var/lib/adapter-registry/files/": f"{files}/",
        "proxy_set_header Host $host;": "proxy_set_header Host $http_host;",  # it has a port here
    }
    for shipped_text, here in changes.items():
        assert shipped_text in plain, shipped_text
        plain = plain.replace(shipped_text, here)
    folders = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    who = "user root;\n" if os.geteuid() == 0 else ""
    http = f"http {{\naccess_log off;\ndefault_type application/octet-stream;\n{folders}{plain}}}\n"
    return f"{who}daemon off;\nworker_processes 1;\npid {folder / 'nginx.pid'};\nevents {{}}\n{http}"


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """The address of an empty database on a PostgreSQL of one's own that asks for a password, over TCP."""
    port = free_port()
    programs, identity = postgres._programs(folder), postgres._identity()
    folder.mkdir(parents=True)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if identity:
        for path in (folder, secret):
            os.chown(path, identity["user"], identity["group"])
    cluster = folder / "cluster"
    making = [programs / "initdb", "-D", cluster, "-U", "owner", "--auth=scram-sha-256", f"--pwfile={secret}"]
    postgres._run(folder, [*making, "--encoding=UTF8"])
    control = [programs / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log"]
    postgres._run(folder, [*control, "-o", f"-h 127.0.0.1 -p {port} -k ''", "start"])
    try:
        server = f"postgres://owner:{QUOTED}@127.0.0.1:{port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE shop")
        yield f"{server}/shop"
    finally:
        postgres._run(folder, [*control, "-m", "immediate", "stop"])


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            _wait_for(process, port, log)
            yield
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{process.args!r} does not listen: {log.read_text()}")
