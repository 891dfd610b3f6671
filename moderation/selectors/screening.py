"""What pages show of a screening: the list of checks."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from moderation.models import Screening, ScreeningCheck, ScreeningState
from registry.models import Version, VersionImage

TITLES = {
    "file": "File safety",
    "copies": "Copies",
    "weights": "Nearly the same weights",
    "licences": "Licences",
    "metadata": "Contradictions",
    "conduct": "Strikes",
    "names": "Registered names",
    "sources": "Declared sources",
    "reservations": "Marks against training",
    "works": "Registered works",
    "blocked": "Removed pictures",
    "likeness": "Protected likenesses",
    "person": "Real persons",
    "explicit": "Sexual content",
    "youth": "Young people and sexual content",
}


@dataclass(frozen=True)
class ShownCheck:
    """One line of the list; `notes` are empty for who is no moderator."""

    title: str
    state: str
    summary: str
    notes: str
    round: str


def checks_shown(*, version: Version, moderator: bool) -> list[ShownCheck]:
    """The checks of the latest screening of each round, in their order."""
    latest: dict[str, Screening] = {}
    for screening in version.screenings.prefetch_related("checks").order_by("created_at"):
        latest[screening.round] = screening
    return [_shown(check, screening, moderator) for screening in latest.values() for check in screening.checks.all()]


def _shown(check: ScreeningCheck, screening: Screening, moderator: bool) -> ShownCheck:
    title = TITLES.get(check.name, check.name)
    notes = check.notes if moderator else ""
    return ShownCheck(title, check.state, check.summary, notes, screening.get_round_display())


def screening_unfinished(version: Version) -> bool:
    """Whether checks of this version still run, so that the page asks again."""
    return version.screenings.exclude(state="done").exists()


def pictures_unseen() -> QuerySet[VersionImage]:
    """Rendered pictures that no screening has looked at since they were made; what one has held is none of them."""
    looked_at = Screening.objects.filter(
        version=OuterRef("version"), state=ScreeningState.DONE, created_at__gte=OuterRef("created_at")
    )
    return VersionImage.objects.filter(~Exists(looked_at), screened_at=None)


def previews_in_check(version: Version) -> bool:
    """Whether rendered pictures still wait for the checks that come before others see them."""
    return pictures_unseen().filter(version=version).exists()
