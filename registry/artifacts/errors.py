"""What inspection says: a refusal ends the upload, a warning is shown to its uploader."""

from dataclasses import asdict, dataclass
from typing import NoReturn


class ArtifactRefused(Exception):
    """The file cannot be taken: what happened, why it matters, and what to do instead."""

    def __init__(self, *, code: str, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what} {why} {remedy}")
        self.code, self.what, self.why, self.remedy = code, what, why, remedy


@dataclass(frozen=True)
class ArtifactWarning:
    """Something contradictory or incomplete that does not stop the file."""

    code: str
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


REPAIR = "Save the file again with the safetensors library, and compare its size with that of the original."


def refuse(code: str, what: str, why: str, remedy: str = REPAIR) -> NoReturn:
    raise ArtifactRefused(code=code, what=what, why=why, remedy=remedy)


def shown(text: str) -> str:
    """A name from the file, safe to print: escaped, and not longer than 80 characters."""
    return "“" + text[:80].encode("unicode_escape").decode("ascii") + ("…”" if len(text) > 80 else "”")
