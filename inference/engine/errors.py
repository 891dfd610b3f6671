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


class OutOfMemory(EngineError):
    """The device's memory does not suffice; smaller or fewer pictures may do."""


class Cancelled(Exception):
    """Raised by a progress callback to stop the work at once."""
