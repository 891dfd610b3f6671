"""The clocks of the queue: cases escalate as their time runs, what was missed is opened, what is moot is closed.

Each step is taken once, whoever runs the sweep and however often: it is decided under the case's own lock.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from governance.services import audited
from moderation.models import Case, CaseKind, CaseOutcome, CaseSource, CaseStatus, EventKind, Severity
from moderation.selectors.review import review_queue
from moderation.services.appeals import appeals_moot
from moderation.services.cases import case_close, case_locked, case_open
from moderation.services.history import case_log
from moderation.services.outcomes import reporters_tell
from moderation.services.post import moderators_write
from moderation.services.statements import statement_by_house
from registry.models import Version
from registry.services.holding import version_quarantine
from registry.services.states import version_locked
from registry.states import VersionState

# Shares of a case's time after which a step is taken. The last one comes before the time is up (44 of 48 hours), so
# that what the house holds back is gone within it, with the sweep's own minute to spare.
STEPS = (1 / 2, 3 / 4, 11 / 12)
HELD_WHEN_DUE = "held-when-due"
ENDED = (VersionState.PUBLISHED, VersionState.REFUSED, VersionState.WITHDRAWN, VersionState.TAKEN_DOWN)


def step_at(case: Case, now: datetime) -> int:
    """The number of steps that the clock of a case has passed."""
    whole = case.due_at - case.opened_at
    return sum(now >= case.opened_at + whole * share for share in STEPS)


def cases_escalating(now: datetime | None = None) -> list[int]:
    """Open cases whose clock has passed a step that was not taken."""
    now = now or timezone.now()
    waiting = Case.objects.exclude(status=CaseStatus.DECIDED).filter(escalation__lt=len(STEPS))
    return [case.pk for case in waiting.order_by("due_at", "pk") if step_at(case, now) > case.escalation]


@audited()
def case_step(case_id: int, now: datetime | None = None) -> Case | None:
    """Take the steps that are due: raise its rank, write to the moderators, hold the version back. None: none was."""
    found = Case.objects.select_related("version").get(pk=case_id)
    version = version_locked(found.version)
    case = case_locked(found)
    step = step_at(case, now or timezone.now())
    if not case.is_open or step <= case.escalation:
        return None
    case.escalation = step
    case.severity = max(case.severity, Severity.URGENT if _is_held(case) else Severity.HIGH)
    case.save(update_fields=["escalation", "severity"])
    case_log(case=case, kind=EventKind.ESCALATED, actor=None, data={"step": step})
    if _is_held(case):
        if step == len(STEPS):
            _hold(case, version)
        _warn(case, step)
    return case


def _is_held(case: Case) -> bool:
    """Whether the case is of a kind that the house does not let run out."""
    return case.kind in settings.CASES_HELD_WHEN_DUE


def _hold(case: Case, version: Version) -> None:
    """Nobody decided in time: out of circulation until somebody does."""
    if version.state != VersionState.PUBLISHED:
        return
    record = version_quarantine(
        version=version,
        actor=None,
        code=HELD_WHEN_DUE,
        what="It is held back until a moderator has decided.",
        why=f"It was reported ({case.get_kind_display().lower()}), and the time to decide is running out.",
        remedy="A moderator decides; the statement of reasons says how to object.",
    )
    case.revision += 1
    case.save(update_fields=["revision"])
    case_log(case=case, kind=EventKind.HELD, actor=None, data={"decision": str(record.public_id)})
    version.refresh_from_db()
    statement_by_house(version=version, record=record, case=case)


def _warn(case: Case, step: int) -> None:
    moderators_write(
        key=f"escalated:{case.public_id}:{step}",
        subject=f"{case.get_kind_display()}: {case.version} waits",
        template="escalated.txt",
        context={
            "case": case,
            "held": step == len(STEPS),
            "url": settings.PUBLIC_URL + reverse("case", args=[case.public_id]),
        },
    )


def versions_without_case() -> list[int]:
    """Versions that wait for a moderator although no case says so."""
    open_case = Case.objects.filter(version=OuterRef("pk")).exclude(status=CaseStatus.DECIDED)
    return list(review_queue().filter(~Exists(open_case)).values_list("pk", flat=True)[:200])


@audited()
def version_case_open(version_id: int) -> Case | None:
    """The case of a version that waits; its clock runs from the time that it was submitted."""
    version = version_locked(Version.objects.get(pk=version_id))
    if not review_queue().filter(pk=version_id).exists():
        return None
    since = version.submitted_at or timezone.now()
    return case_open(
        kind=CaseKind.PUBLICATION,
        version=version,
        source=CaseSource.SCREENING,
        summary=version.state_detail.get("why") or "It waits for a person to decide.",
        details=_details(version),
        due_at=max(since + timedelta(hours=settings.CASE_HOURS["publication"]), timezone.now()),
    )


def _details(version: Version) -> dict[str, list[str]]:
    """What the screening found, by check and code, for the case and for the figures about the checks."""
    code = version.state_detail.get("code")
    checks = sorted({found["check"] for found in version.findings})
    codes = sorted({found["code"] for found in version.findings} | ({code} if code else set()))
    return {"checks": checks, "codes": codes}


def cases_moot() -> list[int]:
    """Open cases that have lost their object: the publication is settled, or what was appealed is over."""
    ended = Case.objects.filter(kind=CaseKind.PUBLICATION, version__state__in=ENDED).exclude(status=CaseStatus.DECIDED)
    return [*ended.order_by("pk").values_list("pk", flat=True)[:200], *(case.pk for case in appeals_moot())]


@audited()
def case_moot_close(case_id: int) -> Case | None:
    """Close a case that has lost its object; None where that is no longer so."""
    case = case_locked(Case.objects.get(pk=case_id))
    if not case.is_open or case.pk not in cases_moot():
        return None
    case_close(case, None, CaseOutcome.MOOT, case.version.decision)
    reporters_tell(case=case)
    return case
