"""What an import did with each file, for people and for programs."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    SUBMITTED = "submitted"  # checked by the workers now
    DRAFT = "draft"  # its owner affirms the rights and sends it
    ALREADY = "already here"
    WOULD = "would be imported"
    INCOMPLETE = "incomplete"  # a fact is missing that nobody may guess
    REFUSED = "refused"
    UNREADABLE = "unreadable"


LEFT = frozenset({Outcome.INCOMPLETE, Outcome.REFUSED, Outcome.UNREADABLE})


@dataclass(frozen=True)
class Line:
    """One file: what became of it, under which address, and why."""

    key: str
    outcome: Outcome
    address: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = f"{self.outcome.value:<18} {self.key}" + (f" → {self.address}" if self.address else "")
        return "\n".join([told, *(f"    {text}" for text in (*self.reasons, *self.notes))])


@dataclass
class Report:
    """All lines of one run."""

    source: str
    owner: str
    lines: list[Line] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many files were not brought in and need somebody."""
        return sum(line.outcome in LEFT for line in self.lines)

    def summary(self) -> str:
        counts = Counter(line.outcome for line in self.lines)
        return ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one]) or "nothing found"

    def to_json(self) -> str:
        counts = Counter(line.outcome.value for line in self.lines)
        plain = {"source": self.source, "owner": self.owner, "counts": counts, "files": [asdict(x) for x in self.lines]}
        return json.dumps(plain, indent=2, ensure_ascii=False)
