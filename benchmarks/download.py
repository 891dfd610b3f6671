"""Gated downloads against nginx serving the same file: `python -m benchmarks.download`.

A database, a data folder, nginx and two web servers of their own are made and removed again. Two adapters are uploaded,
inspected and published as everybody's are, their terms are accepted at the gate, and what is then asked for again and
again is the signed link. Three ways answer with the same bytes: nginx from a plain folder, nginx after the registry
said yes (DELIVERY=nginx), and the registry itself (DELIVERY=django, as `bin/serve` does). They take turns, and the
ratio is to the plain nginx of the same turn; the table has medians. Needs the program nginx.

The clients are processes that keep their connection and throw the bytes away. They run on the same machine and cost
the same for every way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks import synthetic
from benchmarks.inspection import make, sd1

PROJECT = Path(__file__).resolve().parent.parent
DATABASE = f"{synthetic.DATABASE}_download_{os.getpid()}"  # several may run beside each other
NGINX = """
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
daemon off;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream registry {{ server 127.0.0.1:{behind}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        location / {{ proxy_pass http://registry; }}
        location /plain/ {{ alias {folder}/data/files/; }}
        location /protected/ {{ internal; alias {folder}/data/files/; }}
    }}
}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100], help="MB")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        print("error: the program nginx is missing: install nginx-light", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        server = stack.enter_context(synthetic.server_url())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-benchmark-")))
        folder.chmod(0o755)  # nginx's workers are another user when root runs this
        synthetic.create(server, DATABASE)
        stack.callback(synthetic.drop, server, DATABASE)
        _environment(server, folder)
        files = _publish(folder, options.sizes)
        ways = stack.enter_context(_servers(folder))
        _measure(options, files, ways)
    return 0


def _environment(server: str, folder: Path) -> None:
    """Of this process and the web servers that it starts."""
    os.environ |= {
        "DATABASE_URL": synthetic.url_of(server, DATABASE),
        "DATA_DIR": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "SECRET_KEY": "of-a-benchmark-that-guards-nothing",
        "DOWNLOAD_URL_SECONDS": "86400",
        "CELERY_BROKER_URL": "",
        "S3_BUCKET": "",
    }


def _publish(folder: Path, sizes: list[int]) -> dict[int, tuple[str, str, int]]:
    """Publish an adapter of each size, and pass the gate: its signed link, its place in the store, its bytes."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    for name in ("broker/messages", "broker/processed", "broker/control", "static"):
        (folder / "data" / name).mkdir(parents=True)
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("load_catalogue", stdout=StringIO())
    found = {size: _passed_gate(folder, size) for size in sizes}
    connections.close_all()
    for path in (folder / "data").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return found


def _passed_gate(folder: Path, size: int) -> tuple[str, str, int]:
    from django.urls import reverse

    from accounts.models import Namespace
    from accounts.services import user_register
    from governance.policy import Use
    from moderation.services.screening import version_screen_now
    from registry.models import Version
    from registry.services.delivery import gate_accept, gate_ask, link_token
    from registry.services.inspection import version_inspect
    from registry.services.intake import intake
    from registry.services.uploads import upload_from_stream
    from registry.services.versions import Declaration, latest_statement

    user = user_register(username=f"user-{size}", email=f"user-{size}@example.org", password="a long pass phrase")
    owner = Namespace.objects.get(user=user)
    path, _ = make(folder, "sd1", sd1(), size)
    with path.open("rb") as stream:
        upload = upload_from_stream(
            actor=user, namespace=owner, filename=path.name, stream=stream, length=path.stat().st_size
        )
    path.unlink()
    declaration = Declaration(
        base_model="sd-1-5",
        licence_id="creativeml-openrail-m",
        training_sources="Drawn by the author.",
        depicts_real_person=False,
        rights_edition=latest_statement().edition,
        commercial_use=("image",),
    )
    version = intake(actor=user, owner=owner, name="style", upload=upload, declaration=declaration)
    version_inspect(version_id=version.pk)
    version_screen_now(version_id=version.pk)
    version = Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=version.pk)
    asked = {"actor": user, "organisation": None, "version": version, "use": Use.PERSONAL}
    receipt = gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
    blob = version.files.get().blob
    return reverse("delivery", args=[link_token(receipt=receipt)]), f"/plain/{blob.storage_key}", blob.size


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, tuple[int, bool]]]:
    """nginx and the two web servers: the port of each way, and whether it goes through the gate."""
    front, behind, alone = (_free_port() for _ in range(3))
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, behind=behind, port=front, user=user))
    commands = [
        (["nginx", "-c", str(configuration), "-e", f"{folder}/nginx.log"], {}),
        (_gunicorn(behind), {"DELIVERY": "nginx"}),
        (_gunicorn(alone), {"DELIVERY": "django"}),
    ]
    running = [subprocess.Popen(command, env={**os.environ, **more}, cwd=PROJECT) for command, more in commands]
    try:
        for port in (front, behind, alone):
            _wait_for(port, running)
        yield {"nginx alone": (front, False), "DELIVERY=nginx": (front, True), "DELIVERY=django": (alone, True)}
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _gunicorn(port: int) -> list[str]:
    """As the Procfile starts it."""
    options = "--worker-class gthread --workers 1 --threads 8 --keep-alive 15 --no-control-socket --log-level error"
    return [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", *options.split()]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, running: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in running):
            break
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"error: nothing answers on port {port}")


def _measure(
    options: argparse.Namespace, files: dict[int, tuple[str, str, int]], ways: dict[str, tuple[int, bool]]
) -> None:
    print(f"{options.clients} clients, {options.repeat} turns of {options.seconds:g} s each, medians\n")
    print(f"{'file':>8} {'way':16} {'requests/s':>10} {'MB/s':>8} {'of nginx alone':>14}")
    for size, (gated, plain, length) in files.items():
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, (port, through_gate) in ways.items():
                path = gated if through_gate else plain
                rates[way].append(_load(port, path, length, options.clients, options.seconds))
        for way, found in rates.items():
            ratio = median(mine / alone for mine, alone in zip(found, rates["nginx alone"], strict=True))
            bytes_per_second = median(found)
            print(f"{size:5} MB {way:16} {bytes_per_second / length:11.1f} {bytes_per_second / 1e6:8.0f} {ratio:14.2f}")


def _load(port: int, path: str, length: int, clients: int, seconds: float) -> float:
    """Bytes a second over all clients."""
    context = get_context("fork")
    results = context.SimpleQueue()
    made = [context.Process(target=_client, args=(port, path, length, seconds, results)) for _ in range(clients)]
    for process in made:
        process.start()
    found = [results.get() for _ in made]
    for process in made:
        process.join()
    if any(isinstance(result, str) for result in found):
        raise SystemExit(f"error: {next(result for result in found if isinstance(result, str))}")
    return sum(found)


def _client(port: int, path: str, length: int, seconds: float, results: object) -> None:
    try:
        results.put(_read_again_and_again(port, path, length, seconds))
    except (OSError, ValueError) as error:
        results.put(f"{path[:40]} on port {port}: {error}")


def _read_again_and_again(port: int, path: str, length: int, seconds: float) -> float:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    room = memoryview(bytearray(1 << 20))
    total, start = 0, time.perf_counter()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        while (spent := time.perf_counter() - start) < seconds:
            connection.sendall(request)
            total += _response(connection, room, length)
    return total / spent


def _response(connection: socket.socket, room: memoryview, length: int) -> int:
    """Read one answer to its end; it has to be the whole file."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65_536)
        if not piece:
            raise ValueError("the connection was closed")
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or f"content-length: {length}".encode() not in head.lower():
        raise ValueError(f"not the file: {head[:200]!r}")
    left = length - len(body)
    while left:
        got = connection.recv_into(room, min(left, len(room)))
        if not got:
            raise ValueError("the file was cut off")
        left -= got
    return length


if __name__ == "__main__":
    raise SystemExit(main())
