"""Uploads on the wire: so many at once, and none that hardly moves, because each holds a thread of the web process."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from django.conf import settings

from registry.errors import TooManyTransfers, UploadStalled

_lock = threading.Lock()
_running: Counter[int] = Counter()  # transfers of this process by user


@contextmanager
def transfer_slot(user_id: int, *, otherwise: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Room for one more transfer of this user in this process; `otherwise` is called before TooManyTransfers."""
    with _lock:
        full = _running.total() >= settings.UPLOADS_AT_ONCE or _running[user_id] >= settings.UPLOADS_AT_ONCE_PER_USER
        if not full:
            _running[user_id] += 1
    if full:
        otherwise()
        raise TooManyTransfers
    try:
        yield
    finally:
        with _lock:
            _running[user_id] -= 1
            if not _running[user_id]:
                del _running[user_id]


class PatientStream:
    """A request's body that is read no longer than the slowest line we serve would take.

    The server waits for each piece without end, so a timer cuts the connection: what came until then is kept.
    """

    def __init__(self, stream: IO[bytes], connection: socket.socket | None) -> None:
        self._stream, self._connection = stream, connection
        self.gave_up = False

    def read(self, size: int) -> bytes:
        timer = threading.Timer(settings.UPLOAD_PATIENCE + size / settings.UPLOAD_SLOWEST, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._stream.read(size)
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self.gave_up = True
        self.refuse()

    def refuse(self) -> None:
        """Read no further, so that the server does not wait for the rest either before its thread is free."""
        if self._connection is not None:
            with suppress(OSError):  # the client was quicker
                self._connection.shutdown(socket.SHUT_RD)

    def check(self) -> None:
        """Raises UploadStalled where the reading was given up."""
        if self.gave_up:
            raise UploadStalled
