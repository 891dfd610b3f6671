"""Receivers on this machine: an HTTP server that answers as it is told, and an SMTP server that keeps what it gets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A webhook receiver; `answers` are the statuses of its next answers, 204 when there are none."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer_body: bytes = b""


@contextmanager
def hook_server() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hook.received.append(Received(self.path, headers, body))
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            for name, value in hook.answer_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(hook.answer_body)

        def log_message(self, *args: Any) -> None:
            """Nothing: the test's own output is enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Sink:
    """A mail server; `refuse` are its answers to the next messages, `hold` keeps it from answering at all."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    holding: threading.Event = field(default_factory=threading.Event)


@contextmanager
def smtp_sink() -> Iterator[Sink]:
    """RFC 5321 as far as Python's own client speaks it."""
    sink = Sink()
    listener = socket.create_server(("127.0.0.1", 0))
    sink.port = listener.getsockname()[1]
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_talk, args=(connection, sink), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _talk(connection: socket.socket, sink: Sink) -> None:
    with connection, connection.makefile("rb") as lines:

        def say(text: str) -> None:
            connection.sendall(text.encode() + b"\r\n")

        try:
            say("220 sink")
            for line in lines:
                word = line.strip().split(b" ")[0].upper()
                if word in {b"EHLO", b"HELO"}:
                    say("250 sink")
                elif word == b"RCPT":
                    sink.recipients.append(line.decode().strip())
                    say("250 ok")
                elif word == b"DATA":
                    say("354 go on")
                    _take(lines, sink, say)
                elif word == b"QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")
        except OSError:  # the client is gone
            return


def _take(lines: Any, sink: Sink, say: Any) -> None:
    body = b""
    for line in lines:
        if line.strip() == b".":
            break
        body += line.removeprefix(b".") if line.startswith(b"..") else line
    if sink.hold is not None:
        sink.holding.set()
        sink.hold.wait(60)
    if sink.refuse:
        say(sink.refuse.pop(0))
        return
    message = message_from_bytes(body, policy=policy.default)
    assert isinstance(message, EmailMessage)
    sink.messages.append(message)
    say("250 taken")
