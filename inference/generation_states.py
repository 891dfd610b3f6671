"""The states of a generation and of each of its pictures."""

from enum import StrEnum


class PictureState(StrEnum):
    """A picture on its way: waits, is drawn, is looked at, and ends in one of four ways."""

    QUEUED = "queued"
    RUNNING = "running"
    CHECKING = "checking"  # drawn and marked; nobody sees it until it was looked at
    DONE = "done"
    WITHHELD = "withheld"  # a check found something, or could not be finished
    FAILED = "failed"
    CANCELLED = "cancelled"


DRAWN_NEXT = (PictureState.QUEUED, PictureState.RUNNING)  # what a worker may take, the second after its lease
OPEN = (*DRAWN_NEXT, PictureState.CHECKING)


class GenerationState(StrEnum):
    """What its pictures come to."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"  # at least one picture is there
    WITHHELD = "withheld"  # every picture that was drawn is
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = (GenerationState.QUEUED, GenerationState.RUNNING)


def state_of(pictures: dict[PictureState, int]) -> GenerationState:
    """The state of a generation with so many pictures in each state."""
    there = {state for state, count in pictures.items() if count}
    if there & set(OPEN):
        return GenerationState.QUEUED if there == {PictureState.QUEUED} else GenerationState.RUNNING
    ends = (PictureState.DONE, PictureState.WITHHELD, PictureState.FAILED)
    return GenerationState(next((state.value for state in ends if state in there), GenerationState.CANCELLED))
