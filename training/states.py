"""The states of a training run and every transition that is allowed between them.

The same table lies in the database (`training_runtransition`), where a trigger holds every writer to it.
"""

from enum import StrEnum


class RunState(StrEnum):
    DRAFT = "draft"  # decided about, not queued yet
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHING = "finishing"  # trained; its files are taken over
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # by governance: a right that it rests on has ended


S = RunState

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    S.DRAFT: frozenset({S.QUEUED, S.CANCELLED, S.STOPPED}),
    S.QUEUED: frozenset({S.RUNNING, S.PAUSED, S.CANCELLED, S.STOPPED, S.FAILED}),
    # Back to the queue: its worker is gone, is being shut down, or lets others go first.
    S.RUNNING: frozenset({S.QUEUED, S.PAUSED, S.FINISHING, S.FAILED, S.CANCELLED, S.STOPPED}),
    S.PAUSED: frozenset({S.QUEUED, S.CANCELLED, S.STOPPED}),
    S.FINISHING: frozenset({S.QUEUED, S.DONE, S.FAILED, S.CANCELLED, S.STOPPED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset({S.QUEUED, S.CANCELLED, S.STOPPED}),  # tried again from its last checkpoint
    S.CANCELLED: frozenset(),
    S.STOPPED: frozenset(),
}

# What each state means, in the words that the pages use.
MEANINGS: dict[RunState, str] = {
    S.DRAFT: "Not queued yet. Look at the decision and at what it will cost, then start it.",
    S.QUEUED: "Waits for a worker.",
    S.RUNNING: "A worker trains.",
    S.PAUSED: "Paused at a checkpoint. It goes on where it stopped when you resume it.",
    S.FINISHING: "Trained. Its files are written, read back and compared.",
    S.DONE: "Done.",
    S.FAILED: "It ended with an error.",
    S.CANCELLED: "Cancelled.",
    S.STOPPED: "Stopped, because a right that it rests on has ended.",
}

HELD = (S.RUNNING, S.FINISHING)  # a worker holds it by a lease
UNFINISHED = (S.QUEUED, S.RUNNING, S.PAUSED, S.FINISHING)
ENDED = (S.DONE, S.FAILED, S.CANCELLED, S.STOPPED)


class Wanted(StrEnum):
    """What a worker is asked to do at its next step; the gravest wins and is never taken back."""

    NOTHING = ""
    PAUSE = "pause"
    CANCEL = "cancel"
    STOP = "stop"


def may_become(current: RunState, wanted: RunState) -> bool:
    """Whether the table allows this step."""
    return wanted in TRANSITIONS[current]
