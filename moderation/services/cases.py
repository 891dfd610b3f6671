"""A case from its opening to the decision: opened once, claimed by one, assigned, annotated, escalated, asked about."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from governance.handles import handle_of
from governance.models import DecisionRecord
from governance.services import audited
from moderation.errors import CaseClaimed, CaseDecided, CaseMoved, DecidedBefore
from moderation.models import Case, CaseEvent, CaseKind, CaseOutcome, CaseSource, CaseStatus, EventKind, Severity
from moderation.services.history import case_log
from registry.errors import ConflictOfInterest
from registry.models import Version
from registry.services.holding import check_impartial

SEVERITIES = {
    CaseKind.MINORS: Severity.URGENT,
    CaseKind.INTIMATE: Severity.URGENT,
    CaseKind.EMERGENCY: Severity.URGENT,
    CaseKind.LIKENESS: Severity.HIGH,
    CaseKind.ILLEGAL: Severity.HIGH,
    CaseKind.RIGHTS: Severity.HIGH,
    CaseKind.CONSENT: Severity.HIGH,
    CaseKind.COPY: Severity.HIGH,
    CaseKind.SPAM: Severity.LOW,
    CaseKind.QUALITY: Severity.LOW,
}
LISTS = ("checks", "codes")  # in the details of a case: added up when the same is found again


@audited()
def case_open(
    *,
    kind: CaseKind | str,
    version: Version,
    source: CaseSource | str,
    summary: str,
    details: Mapping[str, Any] | None = None,
    severity: Severity | int | None = None,
    actor: User | None = None,
    barred: User | None = None,
    due_at: datetime | None = None,
) -> Case:
    """Open a case, or add to the one of this kind that is open for this version. The clock of the first one runs on.

    `details` may name `checks` (screening checks that flagged) and `codes`; lists of both add up. `barred` cannot
    decide it. Every appeal is a case of its own.
    """
    kind = CaseKind(kind)
    severity = Severity(severity if severity is not None else SEVERITIES.get(kind, Severity.NORMAL))
    known = Case.objects.select_for_update(no_key=True).filter(version=version, kind=kind)
    case = known.exclude(status=CaseStatus.DECIDED).first() if kind is not CaseKind.APPEAL else None
    if case is not None:
        return _added(case, summary=summary, details=details or {}, severity=severity, actor=actor)
    now = timezone.now()
    case = Case.objects.create(
        kind=kind,
        source=CaseSource(source),
        version=version,
        severity=severity,
        summary=summary[:500],
        details=dict(details or {}),
        opened_at=now,
        due_at=due_at or now + timedelta(hours=settings.CASE_HOURS[kind.value]),
        barred=barred,
    )
    case_log(case=case, kind=EventKind.OPENED, actor=actor, data={"source": case.source, "severity": int(severity)})
    return case


def _added(case: Case, *, summary: str, details: Mapping[str, Any], severity: Severity, actor: User | None) -> Case:
    """What was found again changes the case only where it says something new."""
    merged = {**case.details, **{name: value for name, value in details.items() if name not in LISTS}}
    for name in LISTS:
        merged[name] = sorted({*case.details.get(name, ()), *details.get(name, ())})
        if not merged[name]:
            del merged[name]
    if merged == case.details and severity <= case.severity:
        return case
    case.details, case.severity = merged, max(case.severity, severity)
    case_touched(case, "details", "severity")
    case_log(case=case, kind=EventKind.ADDED, actor=actor, text=summary, data={"severity": int(severity)})
    return case


def case_touched(case: Case, *fields: str) -> None:
    """Save a change that whoever decides has to have seen."""
    case.revision += 1
    case.save(update_fields=[*fields, "revision"])


def case_locked(case: Case) -> Case:
    """The case as it stands now, its row locked to the transaction's end. Inside `audited` only."""
    related = ("version__adapter__owner", "version__created_by", "version__decision", "claimed_by", "assignee")
    return Case.objects.select_for_update(no_key=True, of=("self",)).select_related(*related).get(pk=case.pk)


def check_open(case: Case) -> None:
    """Raises CaseDecided."""
    if not case.is_open:
        by = f" by {case.decided_by.username}" if case.decided_by else ""
        raise CaseDecided(f"The case was decided{by} as “{case.get_outcome_display()}”.")


def check_free(case: Case, actor: User) -> None:
    """Raises CaseClaimed while the case is another moderator's."""
    if case.claimed_by_id in {None, actor.pk} or case.claimed_until is None or case.claimed_until <= timezone.now():
        return
    assert case.claimed_by is not None
    raise CaseClaimed(f"{case.claimed_by.username} works on this case until {case.claimed_until:%H:%M} UTC.")


def check_revision(case: Case, revision: int) -> None:
    """Raises CaseMoved when `revision` is not the one that the case has now."""
    if case.revision != revision:
        raise CaseMoved("Something was added to the case, or it was changed, after you opened it.")


def check_disinterested(case: Case, actor: User) -> None:
    """Raises ConflictOfInterest over one's own upload, comment or report: not even what others wrote is for them."""
    check_impartial(version=case.version, actor=actor)
    if case.reports.filter(account=actor).exists():
        raise ConflictOfInterest("You sent a report of this case yourself.")
    if case.reports.filter(comment__author=actor).exists():
        raise ConflictOfInterest("A comment of yours is reported in this case.")


def check_may_decide(case: Case, actor: User) -> None:
    """Raises ConflictOfInterest in one's own case, DecidedBefore for who took the decision that is appealed."""
    check_disinterested(case, actor)
    if case.barred_id == actor.pk:
        raise DecidedBefore("An appeal is decided by somebody other than who decided first.")


def case_obstacle(case: Case, actor: User) -> Exception | None:
    """What stands against a decision by `actor`; None when nothing does."""
    try:
        check_open(case)
        check_may_decide(case, actor)
        check_free(case, actor)
    except (CaseDecided, CaseClaimed, ConflictOfInterest, DecidedBefore) as obstacle:
        return obstacle
    return None


@audited()
def case_claim(*, case: Case, actor: User) -> Case:
    """Take the case up for `CASE_CLAIM`; again, to keep it. Raises CaseClaimed while another moderator has it."""
    case = case_locked(case)
    check_open(case)
    check_may_decide(case, actor)
    check_free(case, actor)
    taken_over = case.claimed_by_id != actor.pk
    case.claimed_by, case.claimed_until = actor, timezone.now() + settings.CASE_CLAIM
    case.save(update_fields=["claimed_by", "claimed_until"])
    if taken_over:
        case_log(case=case, kind=EventKind.CLAIMED, actor=actor)
    return case


@audited()
def case_release(*, case: Case, actor: User) -> Case:
    """Put one's case back into the queue; nothing happens where it is not one's own."""
    case = case_locked(case)
    if case.claimed_by_id == actor.pk:
        case.claimed_by = case.claimed_until = None
        case.save(update_fields=["claimed_by", "claimed_until"])
        case_log(case=case, kind=EventKind.RELEASED, actor=actor)
    return case


@audited()
def case_assign(*, case: Case, actor: User, assignee: User | None) -> Case:
    """Say who is to decide; None for nobody in particular. Raises for who may not decide it."""
    case = case_locked(case)
    check_open(case)
    if assignee is not None:
        check_may_decide(case, assignee)
    if case.assignee_id != (assignee.pk if assignee else None):
        case.assignee = assignee
        case.save(update_fields=["assignee"])
        data = {"assignee": handle_of(assignee) if assignee else ""}
        name = assignee.username if assignee else ""
        case_log(case=case, kind=EventKind.ASSIGNED, actor=actor, text=name, data=data)
    return case


@audited()
def case_note(*, case: Case, actor: User, text: str) -> CaseEvent:
    """Write a note that moderators alone read."""
    case = case_locked(case)
    event = case_log(case=case, kind=EventKind.NOTE, actor=actor, text=text)
    case_touched(case)
    return event


@audited()
def case_escalate(*, case: Case, actor: User, reason: str) -> Case:
    """Put the case in front of everybody, and out of one's own hands."""
    case = case_locked(case)
    check_open(case)
    check_free(case, actor)
    case.severity = Severity.URGENT
    case.claimed_by = case.claimed_until = case.assignee = None
    case_touched(case, "severity", "claimed_by", "claimed_until", "assignee")
    case_log(case=case, kind=EventKind.ESCALATED, actor=actor, text=reason, data={"by": "moderator"})
    return case


@audited()
def case_answer(*, case: Case, actor: User, text: str) -> Case:
    """What the uploader's side says when it is asked; the case goes back into the queue."""
    case = case_locked(case)
    check_open(case)
    case.status = CaseStatus.OPEN
    case_touched(case, "status")
    case_log(case=case, kind=EventKind.ANSWERED, actor=actor, text=text)
    return case


def case_close(
    case: Case, actor: User | None, outcome: CaseOutcome, record: DecisionRecord | None, by: Case | None = None
) -> None:
    """End the case inside the caller's transaction: by `actor`, or by the house; `by` is the case that settled it."""
    case.status, case.outcome = CaseStatus.DECIDED, outcome
    case.decided_by, case.decided_at, case.decision, case.settled_by = actor, timezone.now(), record, by
    case.claimed_by = case.claimed_until = None
    case.revision += 1
    case.save()
    data = {"outcome": outcome.value, "decision": str(record.public_id) if record else ""}
    case_log(case=case, kind=EventKind.DECIDED, actor=actor, data=data)
