"""All checks in the order in which they are listed and run."""

from collections.abc import Callable
from dataclasses import dataclass

from moderation.models.screening import CHECK_NAMES, Round
from moderation.screening import conduct, files, pictures, sources, texts
from moderation.screening.results import Result
from moderation.screening.subject import Subject
from moderation.selectors.screening import TITLES


@dataclass(frozen=True)
class Check:
    """A check: its name in the database, and the function."""

    name: str
    run: Callable[[Subject], Result]

    @property
    def title(self) -> str:
        return TITLES[self.name]


CHECKS: tuple[Check, ...] = (
    Check("file", files.file_safety),
    Check("copies", files.copies),
    Check("weights", files.weights),
    Check("licences", files.licences),
    Check("metadata", files.metadata),
    Check("conduct", conduct.conduct),
    Check("names", texts.names),
    Check("sources", sources.sources),
    Check("reservations", pictures.reservations),
    Check("works", pictures.works),
    Check("blocked", pictures.blocked),
    Check("likeness", pictures.likeness),
    Check("person", pictures.person),
    Check("explicit", pictures.explicit),
    Check("youth", texts.youth),
)
BY_NAME = {check.name: check for check in CHECKS}


def checks_of(round: Round) -> tuple[Check, ...]:
    """The checks that run in this round, in order."""
    return tuple(BY_NAME[name] for name in CHECK_NAMES[round])
