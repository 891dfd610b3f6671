"""What can go wrong in a training run, said to people: what happened, why, and what to do."""

from __future__ import annotations


class TrainingError(Exception):
    """The run cannot start or cannot go on. `code` is stable and meant for programs."""

    def __init__(self, what: str, why: str, remedy: str, code: str) -> None:
        super().__init__(f"{what} {why} {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
        self.code = code

    def __reduce__(self) -> tuple[type[TrainingError], tuple[str, str, str, str]]:
        """As it was made: it travels between the processes of a run."""
        return type(self), (self.what, self.why, self.remedy, self.code)
