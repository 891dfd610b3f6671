"""What can go wrong in the engine, said to people: what happened, why, and what to do."""


class EngineError(Exception):
    """The engine cannot do what was asked of it."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what} {why} {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy


class AdapterError(EngineError):
    """An adapter that cannot be read, or cannot be applied exactly."""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work at once."""
