"""The checks of a version: their names, titles, functions and rounds, in the order in which they run and are listed.

This is the one table of them. The functions are named, and imported when a check runs: they load what looks at pictures
and weights, and the web process lists checks without that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.utils.module_loading import import_string

from moderation.models.screening import Round

if TYPE_CHECKING:
    from moderation.screening.results import Result
    from moderation.screening.subject import Subject

INTAKE = frozenset({Round.INTAKE})
CHANGES = frozenset({Round.INTAKE, Round.PICTURES})  # also when words or pictures come later
ENTRIES = frozenset({Round.INTAKE, Round.REGISTER})  # also when the register gets an entry that it may be about
ALL = frozenset(Round)


@dataclass(frozen=True)
class Check:
    """A check: its name in the database, what people call it, its function in `moderation.screening`, its rounds."""

    name: str
    title: str
    function: str
    rounds: frozenset[Round]

    def run(self, subject: "Subject") -> "Result":
        """What the check finds; whatever it raises is a failed check."""
        found = cast("Callable[[Subject], Result]", import_string(f"moderation.screening.{self.function}"))
        return found(subject)


CHECKS: tuple[Check, ...] = (
    Check("file", "File safety", "files.file_safety", INTAKE),
    Check("copies", "Copies", "files.copies", INTAKE),
    Check("weights", "Nearly the same weights", "files.weights", INTAKE),
    Check("licences", "Licences", "files.licences", INTAKE),
    Check("metadata", "Contradictions", "files.metadata", INTAKE),
    Check("conduct", "Strikes", "conduct.conduct", INTAKE),
    Check("names", "Registered names", "texts.names", ALL),
    Check("sources", "Declared sources", "sources.sources", ENTRIES),
    Check("reservations", "Marks against training", "pictures.reservations", CHANGES),
    Check("works", "Registered works", "pictures.works", ALL),
    Check("blocked", "Removed pictures", "pictures.blocked", ALL),
    Check("likeness", "Protected likenesses", "pictures.likeness", ALL),
    Check("person", "Real persons", "pictures.person", CHANGES),
    Check("explicit", "Sexual content", "pictures.explicit", CHANGES),
    Check("youth", "Young people and sexual content", "texts.youth", CHANGES),
)
BY_NAME = {check.name: check for check in CHECKS}


def checks_of(round: Round | str) -> tuple[Check, ...]:
    """The checks that run in this round, in order."""
    return tuple(check for check in CHECKS if Round(round) in check.rounds)


def check_title(name: str) -> str:
    """What people call a check, also one that is no longer made."""
    return BY_NAME[name].title if name in BY_NAME else name
