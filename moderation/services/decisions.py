"""A moderator's decision about a case: taken once, on what they have seen, with everything that follows from it.

One transaction holds the decision, the version's new state, the statement of reasons, strikes, blocks and letters; what
takes time (mails, descriptions of blocked pictures) is done by tasks from its rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import audited, decision_override
from moderation.errors import DecisionRefused
from moderation.models import Case, CaseEvidence, CaseKind, CaseOutcome, CaseSource, CaseStatus, EventKind, Ground
from moderation.selectors.verdicts import INTERIM, RESTRICTING, Verdict, verdicts_of
from moderation.services.appeals import appeal_settle, check_put_back
from moderation.services.blocks import blocks_add, copies_hold
from moderation.services.case_recalls import case_recall, case_recalls_lift, check_recall
from moderation.services.cases import case_close, case_locked, check_free, check_may_decide, check_open, check_revision
from moderation.services.history import case_log
from moderation.services.outcomes import affected_ask, affected_tell, reporters_tell
from moderation.services.statements import statement_write
from moderation.services.strikes import strike_issue
from registry.models import Version
from registry.services.holding import version_quarantine, version_reinstate, version_take_down
from registry.services.review import version_review
from registry.services.states import version_locked
from registry.states import VersionState

HELD_BY_MODERATOR = "held-by-moderator"
STANDING = {  # what holds about a version that a decision leaves as it is; anything else is denied
    VersionState.PUBLISHED: Outcome.ALLOW,
    VersionState.IN_REVIEW: Outcome.REVIEW,
    VersionState.QUARANTINED: Outcome.REVIEW,
}
KEPT = "kept"  # the action of decisions that leave everything as it is
TOLD = "holders-told"


@dataclass(frozen=True)
class Deed:
    """What was decided and why. `facts` and `ground_text` go into the statement of reasons of a restriction."""

    verdict: Verdict
    public_reasoning: str
    private_notes: str = ""
    facts: str = ""
    ground: Ground = Ground.TERMS
    ground_text: str = ""
    strike: bool = False
    block_copies: bool = False
    block_evidence: tuple[CaseEvidence, ...] = ()
    recall: bool | None = None  # whether those who downloaded it are told, with a restriction; None: nobody said
    what_to_do: str = ""  # what a recall asks of them


@audited()
def case_decide(*, case: Case, actor: User, revision: int, deed: Deed) -> Case:
    """Decide; of two moderators one does. `revision` is that of the case as it was read.

    A restriction may recall the version from those who downloaded it; what comes online again is no longer recalled.

    Raises CaseDecided, CaseClaimed (another has taken it up), CaseMoved (it changed since), ConflictOfInterest and
    DecidedBefore, TransitionRefused for a verdict that the version's state does not allow, and DecisionRefused.
    """
    version = version_locked(case.version)
    case = case_locked(case)
    check_open(case)
    check_may_decide(case, actor)
    check_free(case, actor)
    check_revision(case, revision)
    _check_verdict(case, version, deed)
    state_before = version.state
    record = DEEDS[deed.verdict](case, version, actor, deed)
    if record is not None:
        _recall(case, version, state_before, record, actor, deed)
    if record is not None and deed.verdict in RESTRICTING:
        statement_write(case=case, record=record, deed=deed)
    if deed.verdict in INTERIM:
        return case
    assert record is not None
    case_close(case, actor, CaseOutcome(deed.verdict.value), record)
    _follow(case, actor, deed)
    return case


def _check_verdict(case: Case, version: Version, deed: Deed) -> None:
    if deed.verdict not in verdicts_of(case, version):
        raise DecisionRefused(
            f"{version} is {version.state}, so “{deed.verdict.value}” cannot be decided about it.",
            remedy="Reload the case: it shows what can be decided now.",
        )
    if not deed.public_reasoning.strip():
        raise DecisionRefused("A decision needs a reasoning for those whom it concerns.")
    check_recall(case=case, version=version, verdict=deed.verdict, recall=deed.recall, what_to_do=deed.what_to_do)
    if deed.verdict is Verdict.APPROVE and case.kind == CaseKind.APPEAL:
        check_put_back(case)
    if deed.verdict is Verdict.APPROVE and (open_reports := _others(case).filter(source=CaseSource.REPORT).count()):
        raise DecisionRefused(
            f"{open_reports} reported case{'s' if open_reports > 1 else ''} about {version} still wait.",
            remedy="Decide what was reported first; then publish it.",
        )


def _recall(case: Case, version: Version, state_before: str, record: DecisionRecord, actor: User, deed: Deed) -> None:
    reasoning = deed.public_reasoning
    if deed.verdict is Verdict.APPROVE:
        case_recalls_lift(version=version, actor=actor, public_reasoning=reasoning, private_notes=deed.private_notes)
    elif deed.verdict is Verdict.TELL or (deed.recall and deed.verdict in RESTRICTING):
        case_recall(
            case=case, version=version, state_before=state_before, verdict=deed.verdict, record=record,
            actor=actor, public_reasoning=reasoning, what_to_do=deed.what_to_do,
        )  # fmt: skip


def _others(case: Case) -> QuerySet[Case]:
    return Case.objects.filter(version=case.version_id).exclude(status=CaseStatus.DECIDED).exclude(pk=case.pk)


# The deeds


def _approve(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    given = {"public_reasoning": deed.public_reasoning, "private_notes": deed.private_notes}
    if version.state in {VersionState.IN_REVIEW, VersionState.QUARANTINED}:
        return version_review(version=version, actor=actor, approve=True, **given)
    return version_reinstate(version=version, actor=actor, **given)


def _refuse(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    given = {"public_reasoning": deed.public_reasoning, "private_notes": deed.private_notes}
    return version_review(version=version, actor=actor, approve=False, **given)


def _take_down(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    given = {"public_reasoning": deed.public_reasoning, "private_notes": deed.private_notes}
    return version_take_down(version=version, actor=actor, **given)


def _dismiss(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    """Nothing changes. Only the answer to an appeal goes over an earlier decision, whose readers may then read it."""
    appealed = case.appeal.of_decision if case.kind == CaseKind.APPEAL else None
    return decision_override(
        record=appealed,
        actor=actor,
        outcome=STANDING.get(VersionState(version.state), Outcome.DENY),
        subject=("registry.version", str(version.pk), str(version)),
        action=KEPT,
        public_reasoning=deed.public_reasoning,
        private_notes=deed.private_notes,
    )


def _quarantine(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    record = version_quarantine(
        version=version,
        actor=actor,
        code=HELD_BY_MODERATOR,
        what="A moderator holds it back while a question about it is answered.",
        why=deed.public_reasoning,
        remedy="The decision follows; the statement of reasons says how to object.",
        private_notes=deed.private_notes,
    )
    _went_on(case, EventKind.HELD, actor, deed.private_notes, record)
    return record


def _tell(case: Case, version: Version, actor: User, deed: Deed) -> DecisionRecord:
    """It stays held back as it is; that those who hold it are told is a decision of its own."""
    record = decision_override(
        record=None,
        actor=actor,
        outcome=STANDING[VersionState(version.state)],
        subject=("registry.version", str(version.pk), str(version)),
        action=TOLD,
        public_reasoning=deed.public_reasoning,
        private_notes=deed.private_notes,
    )
    _went_on(case, EventKind.TOLD, actor, deed.private_notes, record)
    return record


def _ask(case: Case, version: Version, actor: User, deed: Deed) -> None:
    case.status = CaseStatus.WAITING
    case.claimed_by = case.claimed_until = None
    event = _went_on(case, EventKind.ASKED, actor, deed.public_reasoning, None)
    affected_ask(case=case, question=deed.public_reasoning, event_id=event)


def _went_on(case: Case, kind: EventKind, actor: User, text: str, record: DecisionRecord | None) -> int:
    case.revision += 1
    case.save(update_fields=["revision", "status", "claimed_by", "claimed_until"])
    data = {"decision": str(record.public_id)} if record else {}
    return case_log(case=case, kind=kind, actor=actor, text=text, data=data).pk


DEEDS: dict[Verdict, Callable[[Case, Version, User, Deed], DecisionRecord | None]] = {
    Verdict.APPROVE: _approve,
    Verdict.DISMISS: _dismiss,
    Verdict.REFUSE: _refuse,
    Verdict.TAKE_DOWN: _take_down,
    Verdict.QUARANTINE: _quarantine,
    Verdict.TELL: _tell,
    Verdict.ASK: _ask,
}


# What follows


def _follow(case: Case, actor: User, deed: Deed) -> None:
    if deed.strike and deed.verdict in RESTRICTING:
        strike_issue(case=case, actor=actor, reason=deed.ground_text or deed.public_reasoning)
    if deed.block_copies and deed.verdict in RESTRICTING:
        blocks_add(case=case, actor=actor, evidence=deed.block_evidence)
        copies_hold(case=case)
    if case.kind == CaseKind.APPEAL:
        appeal_settle(case=case, actor=actor)
    if deed.verdict not in RESTRICTING and (case.kind == CaseKind.APPEAL or deed.verdict is Verdict.APPROVE):
        affected_tell(case=case, reasoning=deed.public_reasoning)
    reporters_tell(case=case)
    _settle_others(case, actor, deed)


def _settle_others(case: Case, actor: User, deed: Deed) -> None:
    """Close what this decision answers too: of a removal everything, of a release what the checks had opened."""
    if deed.verdict is Verdict.DISMISS:
        return
    others = _others(case).exclude(kind=CaseKind.APPEAL)
    if deed.verdict is Verdict.APPROVE:
        others = others.exclude(source=CaseSource.REPORT)
    for other in others.order_by("pk"):
        other = case_locked(other)
        check_free(other, actor)
        case_close(other, actor, CaseOutcome.SETTLED, case.decision, by=case)
        reporters_tell(case=other)
