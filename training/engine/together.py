"""A run by several processes of this machine, one for each device, as `accelerate launch` starts them.

The caller's process stays what it is: it starts the members, hears the events of the first one and answers its
question whether to go on. Members live no longer than their caller, and all of them end with the first that fails.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import cast

from training.engine.events import OnEvent
from training.engine.jobs import Control, Job, RunResult
from training.engine.running import run

EVENT, ASK, RESULT, ERROR = "event", "ask", "result", "error"  # what a member says
PATIENCE = 30.0  # seconds that members have to end by themselves once the first has


class MemberGone(RuntimeError):
    """A process of the run ended without a word: it was killed, or broke off before it could tell why."""


@dataclass(frozen=True)
class Member:
    """One process of a run, and the lines from it and to it."""

    rank: int
    process: subprocess.Popen[bytes]
    hears: Connection
    says: Connection


def run_on(job: Job, on_event: OnEvent, control: Callable[[], Control], *, processes: int) -> RunResult:
    """`run`, by so many processes; with one, here. Raises what `run` raises, and MemberGone."""
    if processes == 1:
        return run(job, on_event, control)
    with _members(job, processes) as members:
        return _listen(members, on_event, control)


@contextmanager
def _members(job: Job, count: int) -> Iterator[list[Member]]:
    """So many processes at work on a job; whatever happens, none is left behind."""
    with ExitStack() as stack, NamedTemporaryFile(suffix=".job") as file:
        pickle.dump(job, file)
        file.flush()
        port = _free_port()
        members: list[Member] = []
        try:
            for rank in range(count):
                members.append(_start(stack, rank, _environment(job, rank, count, port), Path(file.name)))
            yield members
        finally:
            _end(members)


def _start(stack: ExitStack, rank: int, environment: Mapping[str, str], job: Path) -> Member:
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    hears = stack.enter_context(Connection(ours_in, writable=False))
    says = stack.enter_context(Connection(ours_out, readable=False))
    command = [sys.executable, "-m", "training.engine.member", str(job), str(theirs_in), str(theirs_out)]
    try:
        process = subprocess.Popen(command, env=dict(environment), pass_fds=(theirs_in, theirs_out))
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    return Member(rank, process, hears, says)


def _environment(job: Job, rank: int, count: int, port: int) -> dict[str, str]:
    """What torch's and accelerate's launchers tell each process."""
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": str(job.base.device == "cpu").lower(),
    }
    folder = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **{name: str(value) for name, value in place.items()}, "PYTHONPATH": path}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listen(members: Sequence[Member], on_event: OnEvent, control: Callable[[], Control]) -> RunResult:
    """Until the first member has told the result. An error of whichever member ends the run."""
    lines = {member.hears: member for member in members}
    while lines:
        for line in wait(list(lines)):
            member = lines[cast(Connection, line)]
            try:
                kind, value = member.hears.recv()
            except EOFError as error:
                raise MemberGone(f"Process {member.rank} of the run ended with {_code(member)}.") from error
            if kind == ERROR:
                raise value
            if kind == ASK:
                member.says.send(control())
            elif kind == EVENT:
                on_event(value)
            elif kind == RESULT and member.rank == 0:
                found: RunResult = value
                return found
            else:
                del lines[member.hears]  # done, as the others are in a moment
    raise MemberGone("No process of the run told its result.")


def _code(member: Member) -> int:
    return member.process.wait(PATIENCE)


def _end(members: Sequence[Member]) -> None:
    """All of them, at once where one has failed: whoever waits for another one waits for ever."""
    whole = all(member.process.poll() in {None, 0} for member in members)
    for member in members:
        try:
            member.process.wait(PATIENCE if whole and sys.exc_info()[0] is None else 0)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
