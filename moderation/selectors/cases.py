"""What moderators read of cases: the queue with its clocks, one case with what belongs to it, and prepared texts."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case as Choice
from django.db.models import Count, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from accounts.errors import NotFound, NotPermitted
from accounts.models import User
from moderation.models import Case, CaseKind, CaseStatus, EventKind, Macro, Report, Severity
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import Actor, access_version_by_id

OPEN = ~Q(status=CaseStatus.DECIDED)
RELATED = ("version__adapter__owner", "version__created_by", "assignee", "claimed_by", "decided_by")


@dataclass(frozen=True)
class QueueQuery:
    """What of the queue is shown: `whose` is "mine", "free" or empty for all."""

    kind: str = ""
    whose: str = ""
    late: bool = False


def case_queue(*, actor: User, query: QueueQuery) -> QuerySet[Case]:
    """Open cases for this moderator: what is overdue first, then what is urgent, then by the time that is left."""
    now = timezone.now()
    rank = Choice(
        When(due_at__lte=now, then=Value(0)),
        When(severity=Severity.URGENT, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    found = (
        Case.objects.filter(OPEN)
        .exclude(_own(actor))
        .select_related(*RELATED)
        .annotate(rank=rank, report_count=Count("reports"))
    )
    if query.kind in CaseKind.values:
        found = found.filter(kind=query.kind)
    if query.whose == "mine":
        found = found.filter(Q(assignee=actor) | Q(claimed_by=actor, claimed_until__gt=now))
    if query.whose == "free":
        found = found.filter(Q(assignee=None) & (Q(claimed_until=None) | Q(claimed_until__lte=now)))
    if query.late:
        found = found.filter(due_at__lte=now)
    return found.order_by("rank", "due_at", "pk")


def _own(actor: User) -> Q:
    """What is no question for this moderator: their own upload, that of their organisation, or their comment."""
    adapter = "version__adapter__"
    mine = Q(version__created_by=actor) | Q(**{f"{adapter}created_by": actor}) | Q(**{f"{adapter}owner__user": actor})
    organisations = actor.memberships.values("organisation")
    reports = Report.objects.filter(comment__author=actor).values("case")
    return mine | Q(**{f"{adapter}owner__organisation__in": organisations}) | Q(pk__in=reports)


def queue_counts() -> dict[str, Any]:
    """How much waits: all, late, due within a day, and by kind."""
    now = timezone.now()
    waiting = Case.objects.filter(OPEN)
    counts = waiting.aggregate(
        all=Count("pk"),
        late=Count("pk", filter=Q(due_at__lte=now)),
        soon=Count("pk", filter=Q(due_at__gt=now, due_at__lte=now + timedelta(days=1))),
    )
    kinds = dict(waiting.order_by().values_list("kind").annotate(Count("pk")))
    return {**counts, "kinds": [(kind, label, kinds[kind]) for kind, label in CaseKind.choices if kind in kinds]}


def access_case(*, public_id: uuid.UUID) -> Case:
    """The case for a moderator, which the view has made sure of; raises NotFound."""
    related = (
        *RELATED,
        "version__base_model",
        "version__decision",
        "version__rights_statement",
        "decision",
        "settled_by",
    )
    found = Case.objects.select_related(*related).filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such case.")
    return found


def open_case_of(version: Version) -> Case | None:
    """The case through which a version that waits is decided: that of its publication, else the most pressing."""
    waiting = Case.objects.filter(OPEN, version=version).exclude(kind=CaseKind.APPEAL)
    return waiting.filter(kind=CaseKind.PUBLICATION).first() or waiting.order_by("due_at", "pk").first()


def access_case_affected(*, actor: Actor, public_id: uuid.UUID) -> Case:
    """The case for the uploader's side; absent and somebody else's give the same NotFound."""
    found = Case.objects.select_related(*RELATED, "decision").filter(public_id=public_id).first()
    if found is None or not is_affected(actor=actor, version=found.version):
        raise NotFound("There is no such case of yours.")
    return found


def is_affected(*, actor: Actor, version: Version) -> bool:
    """Whether `actor` stands on the uploader's side of a version."""
    try:
        access_version_by_id(actor=actor, pk=version.pk, permission=AdapterPermission.CONTRIBUTE)
    except (NotFound, NotPermitted):
        return False
    return True


def questions_of(case: Case) -> list[dict[str, Any]]:
    """What the uploader's side was asked and has answered, oldest first, without who asked."""
    talk = case.events.filter(kind__in=[EventKind.ASKED, EventKind.ANSWERED])
    return [{"asked": event.kind == EventKind.ASKED, "at": event.at, "text": event.text} for event in talk]


def other_cases(case: Case) -> QuerySet[Case]:
    """Further cases about the same version, open ones first."""
    same = Case.objects.filter(version=case.version_id).exclude(pk=case.pk).select_related("version__adapter__owner")
    return same.order_by("decided_at", "due_at")[:20]


def macros_for(case: Case) -> QuerySet[Macro]:
    """Prepared texts that fit the kind of a case."""
    return Macro.objects.filter(Q(kind="") | Q(kind=case.kind)).order_by("title")


def moderators() -> QuerySet[User]:
    """Who a case can be given to."""
    return User.objects.filter(is_moderator=True, is_active=True).order_by("username")
