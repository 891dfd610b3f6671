"""The states of a preview job and the steps between them."""

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # no weights of the base model are at hand, or its licence forbids it


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
REPEATABLE = (JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED, JobState.DONE)
