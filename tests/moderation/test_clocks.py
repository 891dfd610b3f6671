"""The clocks: steps are taken once whoever runs the sweep, what nobody decided is held, what was missed is opened."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry
from moderation.models import Case, CaseKind, EventKind, Letter, Severity, StatementOfReasons
from moderation.services.clocks import (
    STEPS,
    case_moot_close,
    case_step,
    cases_escalating,
    cases_moot,
    step_at,
    version_case_open,
    versions_without_case,
)
from moderation.services.screening import version_screen_now
from moderation.tasks import sweep_cases
from registry.models import Version
from registry.services.inspection import version_inspect
from registry.services.review import version_review
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_organisation, make_user
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.registry import make_submitted, make_version
from tests.inference.messages import taken
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def _after(case: Case, hours: float) -> datetime:
    return case.opened_at + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours", "step"), [(0, 0), (23.9, 0), (24, 1), (36, 2), (43.9, 2), (44, 3), (48, 3), (500, 3)]
)
def test_steps_of_48_hours(hours: float, step: int, version: Version) -> None:
    case = make_case(version, kind=CaseKind.INTIMATE)
    assert step_at(case, _after(case, hours)) == step


def test_intimate_imagery_escalates_and_is_held_before_its_time_is_up(version: Version, mo: User) -> None:
    make_user("max", is_moderator=True)
    report, _ = make_report(version, CaseKind.INTIMATE)
    case = report.case
    for number, hours in enumerate((24, 36, 44), 1):
        now = _after(case, hours)
        assert cases_escalating(now - timedelta(seconds=1)) == []
        assert cases_escalating(now) == [case.pk]
        assert case_step(case.pk, now).escalation == number
        assert Letter.objects.filter(key__startswith=f"escalated:{case.public_id}:{number}:").count() == 2
        assert Version.objects.get().state == ("quarantined" if number == 3 else "published")
    assert _after(case, 44) < case.due_at
    held = Case.objects.get()
    assert held.is_open  # a person still decides
    statement = StatementOfReasons.objects.get()
    assert (statement.decided_automatically, statement.from_report, statement.case) == (True, True, held)
    assert decide(held, mo, "approve").outcome == "approve"
    assert Version.objects.get().state == "published"


def test_late_sweep_takes_the_last_step_at_once(version: Version, mo: User) -> None:
    report, _ = make_report(version, CaseKind.INTIMATE)
    case_step(report.case_id, _after(report.case, 60))
    assert Version.objects.get().state == "quarantined"
    assert Case.objects.get().escalation == len(STEPS)
    assert report.case.events.filter(kind=EventKind.ESCALATED).count() == 1


def test_ordinary_case_only_rises(version: Version, mo: User) -> None:
    case = make_case(version, kind=CaseKind.QUALITY)
    assert case.severity == Severity.LOW
    case = case_step(case.pk, case.due_at)
    assert (case.severity, case.escalation) == (Severity.HIGH, 3)
    assert Version.objects.get().state == "published"
    assert not Letter.objects.exists()


def test_decided_case_takes_no_step(version: Version, mo: User) -> None:
    report, _ = make_report(version, CaseKind.INTIMATE)
    case = decide(report.case, mo, "dismiss")
    assert cases_escalating(case.due_at) == []
    assert case_step(case.pk, case.due_at) is None
    assert Version.objects.get().state == "published"


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_take_a_step_once() -> None:
    make_user("mo", is_moderator=True)
    version = make_version(actor=make_user("ada"))
    report, _ = make_report(version, CaseKind.INTIMATE)
    due, barrier, results = report.case.due_at, threading.Barrier(2), [None, None]

    def work(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = case_step(report.case_id, due)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(type(result).__name__ for result in results) == ["Case", "NoneType"]
    assert AuditEntry.objects.filter(action="case.escalated").count() == 1
    assert AuditEntry.objects.filter(action="version.quarantined").count() == 1
    assert StatementOfReasons.objects.count() == 1
    assert Letter.objects.filter(key__startswith="escalated").count() == 1


@pytest.mark.django_db(transaction=True)
def test_step_and_decision_at_once_leave_one_of_them() -> None:
    """Whoever comes second sees what the first did: held and open, or decided."""
    mo = make_user("mo", is_moderator=True)
    version = make_version(actor=make_user("ada"))
    report, _ = make_report(version, CaseKind.INTIMATE)
    due, barrier = report.case.due_at, threading.Barrier(2)
    refused: list[Exception] = []

    def step() -> None:
        try:
            barrier.wait(timeout=30)
            case_step(report.case_id, due)
        finally:
            connection.close()

    def dismiss() -> None:
        from moderation.errors import CaseMoved, DecisionRefused

        try:
            barrier.wait(timeout=30)
            decide(report.case, mo, "dismiss")
        except (CaseMoved, DecisionRefused) as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=step), threading.Thread(target=dismiss)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    case, state = Case.objects.get(), Version.objects.get().state
    assert (case.is_open, state, len(refused)) in {(True, "quarantined", 1), (False, "published", 0)}


# What the sweep heals


def test_sweep_hands_out_what_is_due_one_by_one(version: Version, mo: User) -> None:
    """One that fails keeps no clock of another from running."""
    taken("default")
    report, _ = make_report(version, CaseKind.INTIMATE)
    Case.objects.update(opened_at=timezone.now() - timedelta(hours=47), due_at=timezone.now() + timedelta(hours=1))
    ada = User.objects.get(username="ada")
    waits = make_version(actor=ada, name="waits", content=lora_bytes(seed=2), declared=HELD)
    Case.objects.filter(version=waits).delete()
    over = make_version(actor=ada, name="over", content=lora_bytes(seed=3))
    moot = make_case(over)
    licence = {"licence_id": "all-rights-reserved"}
    refused = make_version(actor=ada, name="refused", content=lora_bytes(seed=4), declared=licence)
    sweep_cases()
    assert [message for message in taken("default") if "send_letter" not in message[0]] == [
        ("moderation.tasks.step_case", [report.case_id]),
        ("moderation.tasks.open_case", [waits.pk]),
        ("moderation.tasks.close_moot_case", [moot.pk]),
        ("moderation.tasks.explain_version", [refused.pk]),
    ]


def test_version_that_waits_without_a_case_gets_one() -> None:
    held = make_version(actor=make_user("ada"), declared=HELD)
    Case.objects.all().delete()
    assert versions_without_case() == [held.pk]
    version_case_open(held.pk)
    version_case_open(held.pk)
    case = Case.objects.get()
    assert (case.kind, case.source, case.version) == (CaseKind.PUBLICATION, "screening", held)
    assert case.summary == held.state_detail["why"]
    assert versions_without_case() == []


def test_what_the_screening_holds_is_in_the_queue_with_it() -> None:
    """Without a task in between: nobody can find the version waiting and no case."""
    version = make_submitted(actor=make_user("ada"), declared=HELD)
    version_inspect(version_id=version.pk)
    version_screen_now(version_id=version.pk)
    assert Version.objects.get().state == "in-review"
    assert Case.objects.get().kind == CaseKind.PUBLICATION


def test_what_waits_for_its_maintainer_gets_none() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={"member": ben})
    version = make_version(actor=ben, namespace=studio.namespace)
    assert version.state == "in-review"
    assert versions_without_case() == []
    assert version_case_open(version.pk) is None


@pytest.mark.parametrize("way", ["decided past the case", "withdrawn"])
def test_case_without_its_object_is_closed_as_moot(way: str, mo: User) -> None:
    ada = make_user("ada")
    held = make_version(actor=ada, declared=HELD)
    case = make_case(held)
    assert cases_moot() == []
    if way == "withdrawn":
        version_withdraw(version=held, actor=ada, reason="Mine.")
    else:
        version_review(version=held, actor=mo, approve=True, public_reasoning="Fine.")
    assert cases_moot() == [case.pk]
    assert case_moot_close(case.pk).outcome == "moot"
    assert case_moot_close(case.pk) is None
    assert Case.objects.get().decided_by is None


def test_report_of_a_published_version_is_never_moot(version: Version) -> None:
    make_report(version, CaseKind.SPAM)
    make_case(version, kind=CaseKind.LIKENESS)
    assert cases_moot() == []
