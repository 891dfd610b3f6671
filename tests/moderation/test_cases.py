"""Cases: opened once, claimed by one, decided once on what was read, with all that follows."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from governance.audit import chain_fault
from governance.handles import handle_of
from governance.models import AuditEntry, DecisionRecord
from moderation.errors import CaseClaimed, CaseDecided, CaseMoved, DecisionRefused
from moderation.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseStatus,
    EventKind,
    Letter,
    Severity,
    StatementOfReasons,
    Strike,
)
from moderation.models.screening import Round
from moderation.screening.conduct import conduct
from moderation.screening.subject import Subject
from moderation.selectors.strikes import strikes_in_force, uploads_need_review
from moderation.selectors.verdicts import Verdict, verdicts_of
from moderation.services.cases import (
    case_answer,
    case_assign,
    case_claim,
    case_escalate,
    case_note,
    case_release,
)
from moderation.services.decisions import Deed, case_decide
from moderation.services.emergency import emergency_hold
from registry.errors import ConflictOfInterest, TransitionRefused
from registry.models import Version
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.moderation import REASONING, decide, make_case, make_report
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}
NOTES = "Called the agency; Mrs Smith confirmed."


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def max_() -> User:
    return make_user("max", is_moderator=True)


@pytest.fixture
def held(ada: User) -> Version:
    return make_version(actor=ada, declared=HELD)


@pytest.fixture
def published(ada: User) -> Version:
    version = make_version(actor=ada)
    assert version.state == VersionState.PUBLISHED
    return version


def _now(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


# Opening


def test_case_is_opened_once_per_version_and_kind(held: Version) -> None:
    first = make_case(held, details={"checks": ["names"], "codes": ["name-found"]})
    again = make_case(held, details={"checks": ["names"], "codes": ["name-found"]})
    assert (again.pk, again.revision) == (first.pk, 1)
    more = make_case(held, details={"checks": ["likeness"]}, severity=Severity.URGENT)
    assert more.pk == first.pk
    assert more.details == {"checks": ["likeness", "names"], "codes": ["name-found"]}
    assert (more.revision, more.severity, more.due_at) == (2, Severity.URGENT, first.due_at)
    assert make_case(held, kind=CaseKind.LIKENESS).pk != first.pk
    assert Case.objects.count() == 2


def test_case_of_intimate_imagery_is_due_in_48_hours(published: Version) -> None:
    case = make_case(published, kind=CaseKind.INTIMATE)
    assert case.due_at - case.opened_at == timedelta(hours=48)
    assert case.severity == Severity.URGENT


def test_decided_case_does_not_swallow_the_next_one(published: Version, mo: User) -> None:
    first, _ = make_report(published, CaseKind.SPAM)
    decide(first.case, mo, "dismiss")
    second, _ = make_report(published, CaseKind.SPAM)
    assert second.case_id != first.case_id


def test_database_holds_one_open_case_per_kind(held: Version) -> None:
    case = make_case(held)
    case.pk, case.public_id = None, "00000000-0000-4000-8000-000000000001"
    with pytest.raises(IntegrityError, match="case_one_open_per_kind"), transaction.atomic():
        case.save(force_insert=True)


# Claiming


def test_claimed_case_is_one_moderators_own_until_its_lease_ends(held: Version, mo: User, max_: User) -> None:
    case = case_claim(case=make_case(held), actor=mo)
    with pytest.raises(CaseClaimed, match="mo works on this case until"):
        case_claim(case=case, actor=max_)
    with pytest.raises(CaseClaimed):
        decide(case, max_, "approve")
    Case.objects.update(claimed_until=timezone.now())
    assert case_claim(case=case, actor=max_).claimed_by == max_
    with pytest.raises(CaseClaimed):
        decide(case, mo, "approve")


def test_claim_is_kept_without_another_event(held: Version, mo: User) -> None:
    case = case_claim(case=make_case(held), actor=mo)
    Case.objects.update(claimed_until=timezone.now() + timedelta(minutes=1))
    later = case_claim(case=case, actor=mo)
    assert later.claimed_until > timezone.now() + timedelta(minutes=10)
    assert case.events.filter(kind=EventKind.CLAIMED).count() == 1


def test_released_case_is_free(held: Version, mo: User, max_: User) -> None:
    case = case_claim(case=make_case(held), actor=mo)
    assert case_release(case=case, actor=max_).claimed_by == mo  # not theirs to put back
    case_release(case=case, actor=mo)
    assert case_claim(case=case, actor=max_).claimed_by == max_


def test_case_is_assigned_to_an_impartial_moderator_only(held: Version, mo: User, max_: User) -> None:
    case = make_case(held)
    assert case_assign(case=case, actor=mo, assignee=max_).assignee == max_
    User.objects.filter(username="ada").update(is_moderator=True)
    with pytest.raises(ConflictOfInterest):
        case_assign(case=case, actor=mo, assignee=User.objects.get(username="ada"))
    assert case_assign(case=case, actor=mo, assignee=None).assignee is None


def test_escalated_case_is_urgent_and_nobodys(held: Version, mo: User) -> None:
    case = case_claim(case=make_case(held), actor=mo)
    case = case_escalate(case=case, actor=mo, reason="Beyond me.")
    assert (case.severity, case.claimed_by, case.assignee) == (Severity.URGENT, None, None)
    assert case.events.get(kind=EventKind.ESCALATED).text == "Beyond me."


# Deciding


@pytest.mark.parametrize(
    ("verdict", "state"), [("approve", "published"), ("refuse", "refused"), ("take-down", "taken-down")]
)
def test_decision_moves_the_version_and_closes_the_case(verdict: str, state: str, held: Version, mo: User) -> None:
    case = decide(make_case(held), mo, verdict, private_notes=NOTES)
    assert (case.status, case.outcome, case.decided_by) == (CaseStatus.DECIDED, verdict, mo)
    version = _now(held)
    assert version.state == state
    assert version.decision == case.decision
    assert (case.decision.public_reasoning, case.decision.private_notes) == (REASONING, NOTES)
    assert NOTES not in json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))
    assert chain_fault(AuditEntry.objects.all()) is None


def test_dismissed_report_leaves_everything(published: Version, mo: User) -> None:
    before = published.decision
    report, _ = make_report(published, CaseKind.SPAM)
    case = decide(report.case, mo, "dismiss")
    version = _now(published)
    assert (version.state, version.decision) == ("published", before)
    assert (case.decision.outcome, case.decision.action, case.decision.override_of) == ("allow", "kept", None)
    assert not StatementOfReasons.objects.exists()


def test_held_back_case_stays_open_and_can_be_reversed(published: Version, mo: User) -> None:
    report, _ = make_report(published, CaseKind.LIKENESS)
    case = decide(report.case, mo, "quarantine")
    assert (case.status, _now(published).state) == (CaseStatus.OPEN, "quarantined")
    assert StatementOfReasons.objects.get().measure == "quarantine"
    case = decide(case, mo, "approve")
    assert (case.outcome, _now(published).state) == ("approve", "published")


def test_question_waits_for_its_answer(held: Version, mo: User, ada: User) -> None:
    case = decide(make_case(held), mo, "ask", public_reasoning="Who is shown?")
    assert case.status == CaseStatus.WAITING
    case = case_answer(case=case, actor=ada, text="My sister.")
    assert case.status == CaseStatus.OPEN
    assert [(event.kind, event.text) for event in case.events.all()][-2:] == [
        ("asked", "Who is shown?"),
        ("answered", "My sister."),
    ]


def test_decision_on_a_case_that_changed_since_is_none(held: Version, mo: User, max_: User) -> None:
    case = make_case(held)
    case_note(case=case, actor=max_, text="I know this one.")
    with pytest.raises(CaseMoved, match="after you opened it"):
        case_decide(case=case, actor=mo, revision=1, deed=Deed(verdict=Verdict.APPROVE, public_reasoning=REASONING))
    assert _now(held).state == "in-review"
    assert DecisionRecord.objects.filter(override_of__isnull=False).count() == 0


def test_second_decision_is_refused(held: Version, mo: User, max_: User) -> None:
    case = decide(make_case(held), mo, "approve")
    with pytest.raises(CaseDecided, match="decided by mo as"):
        decide(case, max_, "refuse")


@pytest.mark.django_db(transaction=True)
def test_two_moderators_at_once_decide_once() -> None:
    version = make_version(actor=make_user("ada"), declared=HELD)
    case = make_case(version)
    people = [make_user("mo", is_moderator=True), make_user("max", is_moderator=True)]
    barrier, results = threading.Barrier(2), [None, None]

    def work(number: int) -> None:
        verdict = Verdict.APPROVE if number == 0 else Verdict.REFUSE
        try:
            barrier.wait(timeout=30)
            deed = Deed(verdict=verdict, public_reasoning=REASONING)
            results[number] = case_decide(case=case, actor=people[number], revision=1, deed=deed)
        except CaseDecided as error:
            results[number] = error
        finally:
            connection.close()

    _run(work)
    assert sorted(type(result).__name__ for result in results) == ["Case", "CaseDecided"]
    won = next(result for result in results if isinstance(result, Case))
    assert _now(version).state == {"approve": "published", "refuse": "refused"}[won.outcome]
    assert DecisionRecord.objects.filter(override_of__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_moderators_at_once_claim_once() -> None:
    case = make_case(make_version(actor=make_user("ada"), declared=HELD))
    people = [make_user("mo", is_moderator=True), make_user("max", is_moderator=True)]
    barrier, results = threading.Barrier(2), [None, None]

    def work(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = case_claim(case=case, actor=people[number])
        except CaseClaimed as error:
            results[number] = error
        finally:
            connection.close()

    _run(work)
    assert sorted(type(result).__name__ for result in results) == ["Case", "CaseClaimed"]
    assert case.events.filter(kind=EventKind.CLAIMED).count() == 1


def _run(work: Any) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


def test_verdict_that_the_state_does_not_allow_is_refused(published: Version, mo: User) -> None:
    case = make_case(published, kind=CaseKind.QUALITY)
    assert verdicts_of(case, published) == (Verdict.DISMISS, Verdict.QUARANTINE, Verdict.TAKE_DOWN, Verdict.ASK)
    with pytest.raises(DecisionRefused, match="is published"):
        decide(case, mo, "approve")
    with pytest.raises(DecisionRefused, match="needs a reasoning"):
        decide(case, mo, "dismiss", public_reasoning="  ")


# In one's own case


@pytest.mark.parametrize("how", ["uploader", "member", "reporter"])
def test_nobody_decides_in_their_own_case(how: str, mo: User) -> None:
    ada = make_user("ada")
    studio = make_organisation(ada, members={"reader": mo})
    given = {"uploader": {"actor": mo}, "member": {"actor": ada, "namespace": studio.namespace}}
    version = make_version(**given.get(how, {"actor": ada}))
    report, _ = make_report(version, CaseKind.SPAM, account=mo if how == "reporter" else None)
    for verdict in ("dismiss", "take-down", "quarantine", "ask"):
        with pytest.raises(ConflictOfInterest):
            decide(report.case, mo, verdict)
    with pytest.raises(ConflictOfInterest):
        case_claim(case=report.case, actor=mo)
    assert _now(version).state == "published"
    assert decide(report.case, make_user("other", is_moderator=True), "dismiss").outcome == "dismiss"


def test_nobody_holds_back_their_own(mo: User) -> None:
    version = make_version(actor=mo)
    with pytest.raises(ConflictOfInterest):
        emergency_hold(version=version, actor=mo)
    assert _now(version).state == "published"


# Several cases about one version


def test_removal_settles_every_case_of_the_version(held: Version, mo: User) -> None:
    case, likeness = make_case(held), make_case(held, kind=CaseKind.LIKENESS)
    report, _ = make_report(held, CaseKind.ILLEGAL)
    decide(case, mo, "refuse")
    for other in (likeness, report.case):
        other = _now(other)
        assert (other.outcome, other.settled_by_id, other.decided_by) == (CaseOutcome.SETTLED, case.pk, mo)


def test_release_waits_for_what_was_reported(held: Version, mo: User) -> None:
    case, likeness = make_case(held), make_case(held, kind=CaseKind.LIKENESS)
    report, _ = make_report(held, CaseKind.ILLEGAL)
    with pytest.raises(DecisionRefused, match="1 reported case about"):
        decide(case, mo, "approve")
    decide(report.case, mo, "refuse")
    assert {_now(case).outcome, _now(likeness).outcome} == {"settled"}


def test_settling_respects_another_moderators_claim(held: Version, mo: User, max_: User) -> None:
    case, likeness = make_case(held), make_case(held, kind=CaseKind.LIKENESS)
    case_claim(case=likeness, actor=max_)
    with pytest.raises(CaseClaimed):
        decide(case, mo, "approve")
    assert _now(held).state == "in-review"
    assert _now(case).is_open


# What follows


def test_restriction_is_explained_to_the_uploader(held: Version, mo: User) -> None:
    given = {"facts": "Three portraits.", "ground": "law", "ground_text": "KUG §22"}
    case = decide(make_case(held), mo, "refuse", **given)
    statement = StatementOfReasons.objects.get()
    assert (statement.decision, statement.case, statement.version) == (case.decision, case, held)
    assert (statement.facts, statement.ground, statement.ground_text) == ("Three portraits.", "law", "KUG §22")
    assert (statement.explanation, statement.measure) == (REASONING, "refuse")
    assert (statement.found_automatically, statement.decided_automatically, statement.from_report) == (
        True,
        False,
        False,
    )
    assert "Article 21" in statement.redress
    assert Letter.objects.filter(key=f"statement:{statement.public_id}").count() == 1


def test_strikes_end_and_enough_of_them_hold_uploads(ada: User, mo: User) -> None:
    for number in (1, 2):
        version = make_version(actor=ada, name=f"n{number}", content=lora_bytes(seed=number))
        report, _ = make_report(version, CaseKind.ILLEGAL)
        assert not uploads_need_review(user=ada)
        decide(report.case, mo, "take-down", strike=True)
    assert uploads_need_review(user=ada)
    strike = Strike.objects.first()
    assert strike.expires_at - strike.issued_at == timedelta(days=180)
    assert strikes_in_force(user=ada, at=strike.expires_at).count() == 0
    assert strikes_in_force(user=ada, at=strike.expires_at - timedelta(seconds=1)).count() >= 1


def test_dismissal_never_strikes(published: Version, mo: User) -> None:
    report, _ = make_report(published, CaseKind.SPAM)
    decide(report.case, mo, "dismiss", strike=True, block_copies=True)
    assert not Strike.objects.exists()
    assert not report.case.blocks.exists()


# The emergency hold


def test_emergency_hold_is_one_deed_on_record_and_reversible(published: Version, mo: User, max_: User) -> None:
    case = emergency_hold(version=published, actor=mo)
    version = _now(published)
    assert (version.state, version.state_detail["code"]) == ("quarantined", "emergency-hold")
    assert (case.kind, case.status) == (CaseKind.EMERGENCY, CaseStatus.OPEN)
    assert AuditEntry.objects.filter(action="version.quarantined", actor=handle_of(mo)).count() == 1
    assert StatementOfReasons.objects.get().measure == "quarantine"
    decide(case, max_, "approve")
    assert _now(published).state == "published"


def test_emergency_hold_uses_the_case_that_is_open(published: Version, mo: User) -> None:
    report, _ = make_report(published, CaseKind.ILLEGAL)
    assert emergency_hold(version=published, actor=mo).pk == report.case_id
    assert Case.objects.count() == 1


def test_withdrawn_version_is_not_held(published: Version, mo: User) -> None:
    version_transition(version=published, to=VersionState.WITHDRAWN, actor=None)
    with pytest.raises(TransitionRefused):
        emergency_hold(version=published, actor=mo)
    assert not Case.objects.exists()


def test_upload_of_who_has_strikes_waits_for_a_person(ada: User, mo: User, settings: Any) -> None:
    settings.STRIKES_FOR_REVIEW = 1
    fresh = make_version(actor=ada, name="fresh")
    ask = Subject(fresh, Round.INTAKE)
    assert conduct(ask).state == "passed"
    report, _ = make_report(make_version(actor=ada, name="bad", content=lora_bytes(seed=2)), CaseKind.ILLEGAL)
    decide(report.case, mo, "take-down", strike=True)
    found = conduct(ask)
    assert (found.state, [finding.code for finding in found.findings]) == ("flagged", ["uploader-strikes"])
    Strike.objects.update(lifted_at=timezone.now())
    assert conduct(ask).state == "passed"
