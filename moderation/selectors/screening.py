"""What pages show of a screening: the list of checks."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from moderation.checks import BY_NAME, check_title
from moderation.models import CheckState, Round, Screening, ScreeningCheck, ScreeningState
from registry.models import Version, VersionImage

HISTORY = 10  # earlier runs of one check that are shown
ENDED = (CheckState.PASSED, CheckState.FLAGGED, CheckState.FAILED, CheckState.SKIPPED)


@dataclass(frozen=True)
class ShownRun:
    """How a check ended once; `notes` are empty for who is no moderator."""

    state: str
    summary: str
    notes: str
    round: str
    at: datetime


@dataclass(frozen=True)
class ShownCheck:
    """One line of the list: the newest run of a check, and the ones before it, the newest first."""

    title: str
    newest: ShownRun
    earlier: tuple[ShownRun, ...]


def checks_shown(*, version: Version, moderator: bool) -> list[ShownCheck]:
    """Every check that was made of the version, once, in the order of the table of checks."""
    runs: dict[str, list[ShownRun]] = {}
    for check in _runs(version).order_by("-screening__created_at", "-pk"):
        runs.setdefault(check.name, []).append(_shown(check, moderator))
    places = {name: place for place, name in enumerate(BY_NAME)}
    names = sorted(runs, key=lambda name: (places.get(name, len(places)), name))
    return [ShownCheck(check_title(name), runs[name][0], tuple(runs[name][1 : HISTORY + 1])) for name in names]


def checks_newest(version: Version) -> list[int]:
    """The newest run of every check that came to an end: what is known about the version now."""
    ended = _runs(version).filter(state__in=ENDED).order_by("name", "-screening__created_at", "-pk")
    return list(ended.distinct("name").values_list("pk", flat=True))


def _runs(version: Version) -> QuerySet[ScreeningCheck]:
    return ScreeningCheck.objects.filter(screening__version=version).select_related("screening")


def _shown(check: ScreeningCheck, moderator: bool) -> ShownRun:
    notes = check.notes if moderator else ""
    at = check.finished_at or check.started_at or check.screening.created_at
    return ShownRun(check.state, check.summary, notes, check.screening.get_round_display(), at)


def screening_unfinished(version: Version) -> bool:
    """Whether checks of this version still run, so that the page asks again."""
    return version.screenings.exclude(state="done").exists()


def pictures_unseen() -> QuerySet[VersionImage]:
    """Rendered pictures that no screening has looked at since they were made; what one has held is none of them.

    One that was made for new entries of the register alone does not decide about showing pictures.
    """
    looked_at = Screening.objects.exclude(round=Round.REGISTER).filter(
        version=OuterRef("version"), state=ScreeningState.DONE, created_at__gte=OuterRef("created_at")
    )
    return VersionImage.objects.filter(~Exists(looked_at), screened_at=None)


def previews_in_check(version: Version) -> bool:
    """Whether rendered pictures still wait for the checks that come before others see them."""
    return pictures_unseen().filter(version=version).exists()
