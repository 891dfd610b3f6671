"""One of several processes that train a run together: `python -m training.engine.member JOB IN OUT`.

`JOB` is a pickled job of the process that started it, and nobody else's: it lies in a file of that user alone. `IN`
and `OUT` are open pipes. Only the first member tells events and asks whether to go on; all of them tell how they end.
"""

from __future__ import annotations

import ctypes
import pickle
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from training.engine.errors import TrainingError
from training.engine.events import Event
from training.engine.jobs import Control
from training.engine.places import find_rank
from training.engine.running import run
from training.engine.together import ASK, ERROR, EVENT, RESULT

PR_SET_PDEATHSIG = 1


def main(job: str, theirs: str, ours: str) -> int:
    _die_with_the_caller()
    with Connection(int(theirs), writable=False) as hears, Connection(int(ours), readable=False) as says:
        control = _asking(hears, says) if find_rank() == 0 else _going
        try:
            result = run(pickle.loads(Path(job).read_bytes()), _telling(says), control)  # noqa: S301
        except TrainingError as error:
            says.send((ERROR, error))
            return 1
        says.send((RESULT, result))
    return 0


def _telling(says: Connection) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        says.send((EVENT, event))

    return tell


def _asking(hears: Connection, says: Connection) -> Callable[[], Control]:
    def ask() -> Control:
        says.send((ASK, None))
        answer: Control = hears.recv()
        return answer

    return ask


def _going() -> Control:
    return Control.GO


def _die_with_the_caller() -> None:
    """A member whose caller is killed would wait for its fellows for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the caller hears it, and asks for a pause
    if sys.platform == "linux":
        libc: Any = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
