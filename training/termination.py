"""A worker that is told to end lets its run come to a checkpoint first.

Celery's main process takes the signal and waits for the task; the process that trains would not hear of it. So the main
process passes SIGTERM on, and the training process takes it as a request. Where the main process is killed, the kernel
sends the same signal, so that no run goes on without its worker.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from billiard import active_children

PR_SET_PDEATHSIG = 1
TRAINERS = "train"  # what the host names of workers that train begin with


@contextmanager
def told_to_end() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, for as long as the block lasts."""
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told  # only the main thread hears signals
        return

    def note(number: int, frame: FrameType | None) -> None:
        told.set()

    before = signal.signal(signal.SIGTERM, note)
    _die_with_parent(signal.SIGTERM)
    try:
        yield told
    finally:
        _die_with_parent(0)
        signal.signal(signal.SIGTERM, before)


def _die_with_parent(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def pass_on(sender: Any = None, **_: Any) -> None:
    """In the main process of a worker that trains: tell the process at work."""
    if not str(sender or "").startswith(TRAINERS):
        return
    for child in active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
