"""What is wrong with an upload, for the person who sent it."""


class ArchiveRefused(ValueError):
    """The whole archive is not opened; the message says why, `remedy` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class EntryRefused(ValueError):
    """One file is not taken; the message says why."""
