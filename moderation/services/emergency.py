"""The emergency hold: one click by a moderator takes a version out of circulation; a case then decides about it."""

from accounts.models import User
from governance.services import audited
from moderation.models import Case, CaseKind, CaseSource, CaseStatus, EventKind
from moderation.selectors.verdicts import Verdict
from moderation.services.cases import case_locked, case_open
from moderation.services.decisions import Deed
from moderation.services.history import case_log
from moderation.services.statements import statement_write
from registry.models import Version
from registry.services.holding import check_impartial, version_quarantine
from registry.services.states import version_locked

EMERGENCY = "emergency-hold"
WHY = "A moderator saw a reason to look at it at once."


@audited()
def emergency_hold(*, version: Version, actor: User) -> Case:
    """Quarantine at once, on record, with a statement to the uploader; the open case of the version, or a new one.

    Raises ConflictOfInterest over one's own, TransitionRefused where its state does not allow it.
    """
    version = version_locked(version)
    check_impartial(version=version, actor=actor)
    record = version_quarantine(
        version=version,
        actor=actor,
        code=EMERGENCY,
        what="It is held back until a moderator has decided.",
        why=WHY,
        remedy="A moderator decides; the statement of reasons says how to object.",
    )
    case = _case_for(version, actor)
    case.revision += 1
    case.save(update_fields=["revision"])
    case_log(case=case, kind=EventKind.HELD, actor=actor, data={"decision": str(record.public_id)})
    deed = Deed(
        verdict=Verdict.QUARANTINE, public_reasoning=WHY, facts="It was held back before its facts were settled."
    )
    statement_write(case=case, record=record, deed=deed)
    return case


def _case_for(version: Version, actor: User) -> Case:
    waiting = Case.objects.filter(version=version).exclude(status=CaseStatus.DECIDED).exclude(kind=CaseKind.APPEAL)
    known = waiting.order_by("due_at", "pk").first()
    if known is not None:
        return case_locked(known)
    summary = "Held back at once by a moderator"
    made = case_open(
        kind=CaseKind.EMERGENCY, version=version, source=CaseSource.MODERATOR, summary=summary, actor=actor
    )
    return case_locked(made)
