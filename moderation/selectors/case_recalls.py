"""What a moderator has to know before they recall something: who holds it, and what was recalled already."""

from django.db.models import Count, Q, QuerySet

from moderation.models import Case, CaseKind
from moderation.models.recall import Recall
from moderation.selectors.grave import GRAVE_KINDS
from moderation.selectors.recall import recalls_for_moderators
from registry.models import Acceptance, Version

HELD, REMOVED = "moderator-held", "moderator-removed"  # causes of recalls: until it is decided, or for good


def holders(version: Version) -> int:
    """How many hold a receipt for it: people for themselves, and organisations once each."""
    held = Acceptance.objects.filter(version=version.pk, receipts__isnull=False)
    counted = held.aggregate(
        people=Count("user", distinct=True, filter=Q(organisation=None)),
        organisations=Count("organisation", distinct=True),
    )
    return int(counted["people"] + counted["organisations"])


def kind_of(case: Case) -> str:
    """What the question is about; of an appeal, what it was about in the first place."""
    if case.kind == CaseKind.APPEAL and case.appeal.of_case is not None:
        return case.appeal.of_case.kind
    return case.kind


def recall_answer_needed(*, case: Case, version: Version) -> bool:
    """Whether a restriction has to say if it is recalled: the kind is grave, somebody holds it, nobody was told."""
    removed = version.recalls.filter(cause=REMOVED, open=True)
    return kind_of(case) in GRAVE_KINDS and bool(holders(version)) and not removed.exists()


def hold_can_be_told(version: Version) -> bool:
    """Whether somebody holds it and no moderator has recalled it from them yet."""
    return bool(holders(version)) and not version.recalls.filter(cause__in=[HELD, REMOVED], open=True).exists()


def moderators_recalls(version: Version) -> QuerySet[Recall]:
    """What moderators recalled of it, in force or lifted, newest first, with how far each got."""
    found = Recall.objects.filter(versions__version=version, versions__cause__in=[HELD, REMOVED])
    return recalls_for_moderators().filter(pk__in=found.values("pk"))
