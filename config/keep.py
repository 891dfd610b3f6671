"""`python -m config.keep COMMAND…`: runs a command and starts it again when it dies.

A worker that runs out of memory must not take the site down; its jobs are healed by the sweep.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

STEADY = 60.0  # seconds after which a start counts as good
FIRST_PAUSE = 1.0  # seconds; it doubles with each bad start
LONGEST_PAUSE = 30.0  # seconds
GRACE = 3.0  # seconds that a command has to finish; what it leaves behind is healed by the sweep
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Keeper:
    """One command, started again until it is told to stop."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Ask the command to finish, once, and take it down with all it started when it does not."""
        if not self.stopping:
            self.stopping = True
            self._ask_to_finish()

    def _ask_to_finish(self) -> None:
        if self.child is not None and self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM)
            signal.signal(signal.SIGALRM, self._take_down)
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _take_down(self, number: int, frame: FrameType | None) -> None:
        if self.child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)

    def run(self) -> int:
        """Until a signal asks to stop; the child's own clean exit counts as asked for."""
        pause = FIRST_PAUSE
        while not self.stopping:
            started = time.monotonic()
            # A session of its own: a signal to our group reaches the command only through us, and only once.
            self.child = subprocess.Popen(self.command, start_new_session=True, preexec_fn=_die_with_parent)
            if self.stopping:  # asked while the command was being started, when there was nobody to pass it on to
                self._ask_to_finish()
            status = self.child.wait()
            if status == 0 or self.stopping:
                return 0
            pause = FIRST_PAUSE if time.monotonic() - started > STEADY else min(pause * 2, LONGEST_PAUSE)
            print(f"{self.command[0]} died (status {status}); starting it again in {pause:.0f} s", flush=True)
            self._rest(pause)
        return 0

    def _rest(self, seconds: float) -> None:
        """Sleep in short pieces: a whole sleep goes on after the signal that asks to stop."""
        end = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < end:
            time.sleep(0.1)


def _die_with_parent() -> None:
    """The command ends when its keeper is killed, so that no worker outlives the site."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(command: list[str]) -> int:
    keeper = Keeper(command)
    signal.signal(signal.SIGTERM, keeper.stop)
    signal.signal(signal.SIGINT, keeper.stop)
    status = keeper.run()
    for number in (signal.SIGTERM, signal.SIGINT):  # Python's own end would let a second one kill us: status -15, not 0
        signal.signal(number, signal.SIG_IGN)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
