"""Keeping the lease of a job for as long as a process works on it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from django.db import DatabaseError, connection

log = logging.getLogger(__name__)


@contextmanager
def lease_kept(*, renew: Callable[[], bool], lifetime: timedelta) -> Iterator[None]:
    """Call `renew` again and again from a thread of its own, until the work is over or the lease is another's.

    Work reports too seldom for that: to load a base model, to send a file to an object store or to sample one step
    on a CPU may each take longer than a lease lasts. A process that is killed takes the thread along.
    """
    over = Event()
    thread = Thread(target=_renew, args=(renew, max(lifetime.total_seconds() / 3, 0.1), over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _renew(renew: Callable[[], bool], pause: float, over: Event) -> None:
    while not over.wait(pause):
        try:
            if not renew():
                return
        except DatabaseError:
            log.warning("A lease could not be renewed; the next attempt follows.", exc_info=True)
        finally:
            connection.close()
