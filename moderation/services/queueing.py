"""Which versions are to be screened, and what waits for a worker. Light: the web process and the tasks import it."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.checks import checks_of
from moderation.errors import ScreeningRefused
from moderation.models import Round, Screening, ScreeningCheck, ScreeningState, ScreeningWanted
from moderation.models.screening import UNFINISHED
from moderation.selectors.screening import pictures_unseen
from moderation.signals import screening_queued
from registry.models import Adapter, SampleState, Version
from registry.states import VersionState

SWEEP = 50
PAUSE = timedelta(seconds=60)  # between two screenings that somebody asks for
DECIDED = (VersionState.PUBLISHED, VersionState.IN_REVIEW)
CHECKABLE = (*DECIDED, VersionState.SCANNING)


def screening_of(*, version: Version) -> Screening | None:
    """Queue what this version waits for: the checks before the decision, or those of what came later."""
    screening_settle_wanted(version_id=version.pk)
    if version.state == VersionState.SCANNING and version.inspected_at is not None:
        return screening_queue(version=version, round=Round.INTAKE)
    if version.state in DECIDED and version in versions_with_new_pictures(only=version):
        return screening_queue(version=version, round=Round.PICTURES)
    return None


@transaction.atomic
def screening_settle_wanted(*, version_id: int) -> list[Screening]:
    """Queue the screenings that a change has asked for; what has to begin after the change always does.

    A row of `ScreeningWanted` is seen when the change is committed, and goes once a screening waits that nobody has
    begun. One that runs may have read what was before: until it has ended, the row stays, and the sweep comes back.
    """
    wanted = ScreeningWanted.objects.select_for_update(skip_locked=True).filter(version=version_id)
    rounds: dict[str, list[int]] = {}
    for pk, round_ in wanted.values_list("pk", "round"):
        rounds.setdefault(round_, []).append(pk)
    # Locked, so that no worker begins it before these rows are gone.
    unfinished = Screening.objects.select_for_update().filter(version=version_id, state__in=UNFINISHED)
    waiting = {screening.round: screening.state for screening in unfinished}
    if not rounds or ScreeningState.RUNNING in waiting.values():
        return []
    version = Version.objects.get(pk=version_id)
    queued = [_settle(version, Round(round_), keys, waiting) for round_, keys in rounds.items()]
    return [screening for screening in queued if screening is not None]


def _settle(version: Version, round: Round, keys: list[int], waiting: dict[str, str]) -> Screening | None:
    """Rows of one round: done where the first checks wait or these do; queued where it has been decided about."""
    covered = Round.INTAKE in waiting or round in waiting
    if not covered and version.state not in DECIDED:
        return None  # until somebody brings it back
    screening = None if covered else screening_queue(version=version, round=round)
    if covered or screening is not None:
        ScreeningWanted.objects.filter(pk__in=keys).delete()
    return screening


@audited()
def screening_again(*, version: Version, actor: User) -> Screening:
    """Repeat the checks of a version that they hold, after its people have changed what was found.

    Raises ScreeningRefused where nothing was found, or where the checks run already or ran a moment ago.
    """
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
    version = Version.objects.get(pk=version.pk)
    if version.state != VersionState.IN_REVIEW or not version.findings:
        raise ScreeningRefused(f"{version} is not held by its checks.", remedy="Reload the page.")
    if version.screenings.filter(created_at__gt=timezone.now() - PAUSE).exists():
        raise ScreeningRefused("The checks ran a moment ago.", remedy="Wait a minute, then try again.")
    screening = screening_queue(version=version, round=Round.INTAKE)
    if screening is None:
        raise ScreeningRefused("The checks are running already.", remedy="Wait until they have ended.")
    audit_append(actor=actor, action="version.screened-again", subject=("registry.version", str(version.pk)))
    return screening


def screening_queue(*, version: Version, round: Round) -> Screening | None:
    """Queue the checks of a round; None where they wait already."""
    try:
        with transaction.atomic():
            screening = Screening.objects.create(version=version, round=round)
            ScreeningCheck.objects.bulk_create(
                ScreeningCheck(screening=screening, name=check.name, place=place)
                for place, check in enumerate(checks_of(round))
            )
    except IntegrityError:
        return None
    transaction.on_commit(lambda: screening_queued.send(sender=Screening, screening_id=str(screening.pk)))
    return screening


def screenings_due() -> list[str]:
    """What waits for a worker or whose worker is gone."""
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    waiting = Screening.objects.filter(free, state__in=UNFINISHED).order_by("created_at")
    return [str(pk) for pk in waiting.values_list("pk", flat=True)[:SWEEP]]


def versions_unscreened() -> list[Version]:
    """Inspected versions whose checks were never queued, because the news of them was lost."""
    waiting = Version.objects.filter(state=VersionState.SCANNING, inspected_at__isnull=False)
    return list(waiting.exclude(screenings__state__in=UNFINISHED).order_by("inspected_at", "pk")[:SWEEP])


def versions_with_new_pictures(*, only: Version | None = None) -> list[Version]:
    """Versions that were decided about, with pictures that nobody has looked at."""
    rendered = pictures_unseen().filter(version=OuterRef("pk"))
    waiting = Q(samples__state=SampleState.WAITING) | Q(Exists(rendered))
    decided = Version.objects.filter(waiting, state__in=DECIDED)
    decided = decided.filter(pk=only.pk) if only else decided
    return list(decided.exclude(screenings__state__in=UNFINISHED).distinct().order_by("pk")[:SWEEP])


def versions_wanted(*, adapter: int | None = None) -> list[Version]:
    """Versions whose checks somebody's change has asked for, and that can be checked as they are now."""
    asked = ScreeningWanted.objects.filter(version__state__in=CHECKABLE)
    asked = asked.filter(version__adapter=adapter) if adapter else asked
    oldest = list(asked.order_by("pk").values_list("version", flat=True)[: 4 * SWEEP])
    return list(Version.objects.filter(pk__in=dict.fromkeys(oldest)).order_by("pk"))
