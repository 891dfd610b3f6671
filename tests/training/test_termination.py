"""A worker that is told to end: the signal becomes a request, and the main process passes it on."""

import os
import signal
import subprocess
import sys
import threading

from django.conf import settings

from training.termination import pass_on, told_to_end


def test_the_signal_becomes_a_request_for_as_long_as_a_run_is_held() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with told_to_end() as told:
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_of_the_main_thread_nothing_is_installed() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with told_to_end() as told:
            seen.append((told.is_set(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


MAIN = """
import signal, sys, time
from billiard import Process, Event
from training.termination import pass_on, told_to_end

def work(ready, heard):
    with told_to_end() as told:
        ready.set()
        if told.wait(30):
            heard.set()

if __name__ == "__main__":
    ready, heard = Event(), Event()
    child = Process(target=work, args=(ready, heard))
    child.start()
    assert ready.wait(30)
    pass_on(sender="worker@here")
    assert not heard.wait(0.5), "only workers that train are told"
    pass_on(sender="train@here")
    child.join(30)
    print("heard" if heard.is_set() else "deaf")
"""


def test_the_main_process_tells_the_one_at_work(tmp_path: object) -> None:
    script = tmp_path / "main.py"  # type: ignore[operator]
    script.write_text(MAIN)
    environ = {**os.environ, "PYTHONPATH": str(settings.BASE_DIR)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120, env=environ
    )
    assert done.stdout.strip() == "heard"


def test_nobody_at_work_is_nobody_to_tell() -> None:
    pass_on(sender="train@here")
