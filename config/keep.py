"""`python -m config.keep COMMAND…`: runs a command and starts it again when it dies.

A worker that runs out of memory must not take the site down; its jobs are healed by the sweep.
"""

import signal
import subprocess
import sys
import time
from types import FrameType

STEADY = 60.0  # seconds after which a start counts as good
LONGEST_PAUSE = 30.0  # seconds


class Keeper:
    """One command, started again until it is told to stop."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(number)

    def run(self) -> int:
        """Until a signal asks to stop; the child's own clean exit counts as asked for."""
        pause = 1.0
        while not self.stopping:
            started = time.monotonic()
            self.child = subprocess.Popen(self.command)
            status = self.child.wait()
            if status == 0 or self.stopping:
                return 0
            pause = 1.0 if time.monotonic() - started > STEADY else min(pause * 2, LONGEST_PAUSE)
            print(f"{self.command[0]} died (status {status}); starting it again in {pause:.0f} s", flush=True)
            time.sleep(pause)
        return 0


def main(command: list[str]) -> int:
    keeper = Keeper(command)
    signal.signal(signal.SIGTERM, keeper.stop)
    signal.signal(signal.SIGINT, keeper.stop)
    return keeper.run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
