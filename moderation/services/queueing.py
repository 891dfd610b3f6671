"""Which versions are to be screened, and what waits for a worker. Light: the web process and the tasks import it."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.errors import ScreeningRefused
from moderation.models import Round, Screening, ScreeningCheck
from moderation.models.screening import CHECK_NAMES, UNFINISHED
from moderation.selectors.screening import pictures_unseen
from moderation.signals import screening_queued
from registry.models import Adapter, SampleState, Version
from registry.states import VersionState

SWEEP = 50
PAUSE = timedelta(seconds=60)  # between two screenings that somebody asks for
DECIDED = (VersionState.PUBLISHED, VersionState.IN_REVIEW)


def screening_of(*, version: Version) -> Screening | None:
    """Queue what this version waits for: the checks before the decision, or those of what came later."""
    if version.state == VersionState.SCANNING and version.inspected_at is not None:
        return screening_queue(version=version, round=Round.INTAKE)
    if version.state in DECIDED and (
        version in versions_with_new_pictures(only=version) or version in versions_described_anew(only=version)
    ):
        return screening_queue(version=version, round=Round.PICTURES)
    return None


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
                ScreeningCheck(screening=screening, name=name, place=place)
                for place, name in enumerate(CHECK_NAMES[round])
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


def versions_described_anew(*, only: Version | None = None, adapter: int | None = None) -> list[Version]:
    """Versions that were decided about, whose adapter got other words or another level since they were looked at."""
    looked_at = Screening.objects.filter(version=OuterRef("pk"), created_at__gte=OuterRef("adapter__updated_at"))
    changed = Version.objects.filter(~Exists(looked_at), state__in=DECIDED, adapter__updated_at__gt=F("submitted_at"))
    changed = changed.filter(pk=only.pk) if only else changed
    changed = changed.filter(adapter=adapter) if adapter else changed
    return list(changed.exclude(screenings__state__in=UNFINISHED).order_by("pk")[:SWEEP])
