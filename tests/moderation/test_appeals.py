"""Appeals: once per decision and side, decided by somebody else; counter-notices keep the days of the statute."""

import json
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry, DecisionRecord
from moderation.errors import DecidedBefore, DecisionRefused, NoAppeal, NoticeIncomplete
from moderation.models import Appeal, Block, Case, CaseKind, Letter, StatementOfReasons, Strike
from moderation.notices import COUNTER_NOTICE
from moderation.services.appeals import appeal_submit, business_day, counter_notice_submit
from moderation.services.clocks import case_moot_close, cases_moot
from moderation.services.evidence import Upload, file_view
from moderation.services.people import Contact, contact_show
from moderation.services.reports import report_retract
from moderation.services.statements import version_explain, versions_unexplained
from registry.models import Version
from tests.factories.accounts import make_organisation, make_user
from tests.factories.moderation import CONTACT, decide, make_case, make_report
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def max_() -> User:
    return make_user("max", is_moderator=True)


def _refused(ada: User, mo: User) -> Version:
    version = make_version(actor=ada, declared=HELD)
    decide(make_case(version), mo, "refuse")
    return Version.objects.get(pk=version.pk)


def _removed(ada: User, mo: User, **given: Any) -> Version:
    version = make_version(actor=ada)
    report, _ = make_report(version, CaseKind.RIGHTS)
    decide(report.case, mo, "take-down", **given)
    return Version.objects.get(pk=version.pk)


def _state(version: Version) -> str:
    return Version.objects.get(pk=version.pk).state


# Who decides


def test_appeal_is_decided_by_somebody_else(ada: User, mo: User, max_: User) -> None:
    version = _refused(ada, mo)
    appeal = appeal_submit(version=version, actor=ada, text="She agreed.")
    assert (appeal.of_decision, appeal.case.barred, appeal.side) == (version.decision, mo, "affected")
    for verdict in ("approve", "dismiss"):
        with pytest.raises(DecidedBefore):
            decide(appeal.case, mo, verdict)
    case = decide(appeal.case, max_, "approve", public_reasoning="She did.")
    assert (_state(version), case.appeal.granted) == ("published", True)


def test_database_bars_the_first_decider(ada: User, mo: User) -> None:
    appeal = appeal_submit(version=_refused(ada, mo), actor=ada, text="She agreed.")
    with pytest.raises(IntegrityError, match="case_appeal_decided_by_another"), transaction.atomic():
        Case.objects.filter(pk=appeal.case_id).update(
            status="decided", outcome="dismiss", decided_at=timezone.now(), decided_by=mo
        )


def test_rejected_appeal_leaves_the_decision(ada: User, mo: User, max_: User, client: Client) -> None:
    version = _refused(ada, mo)
    first = version.decision
    appeal = appeal_submit(version=version, actor=ada, text="She agreed.")
    case = decide(appeal.case, max_, "dismiss", public_reasoning="Nothing shows it.")
    version = Version.objects.get(pk=version.pk)
    assert (version.state, version.decision, case.appeal.granted) == ("refused", first, False)
    assert (case.decision.override_of, case.decision.outcome) == (first, "deny")
    client.force_login(ada)
    assert "Nothing shows it." in client.get(f"/cases/{case.public_id}").content.decode()
    assert "Nothing shows it." in client.get(f"/decisions/{case.decision.public_id}").content.decode()
    with pytest.raises(NoAppeal, match="appealed already"):
        appeal_submit(version=version, actor=ada, text="But she agreed!")


def test_engines_decision_is_appealed_to_anybody(ada: User, mo: User) -> None:
    version = make_version(actor=ada, declared={"licence_id": "all-rights-reserved"})
    assert version.state in {"refused", "in-review"}
    if version.state == "in-review":
        pytest.fail("the engine was expected to refuse: choose another licence for this test")
    appeal = appeal_submit(version=version, actor=ada, text="It is mine.")
    assert (appeal.case.barred, appeal.of_case) == (None, None)
    assert decide(appeal.case, mo, "dismiss").outcome == "dismiss"


def test_granted_appeal_lifts_strike_and_blocks(ada: User, mo: User, max_: User) -> None:
    version = _removed(ada, mo, strike=True, block_copies=True)
    assert Block.objects.filter(lifted_at=None).count() >= 2
    appeal = appeal_submit(version=version, actor=ada, text="I painted “Shores”.")
    decide(appeal.case, max_, "approve")
    assert _state(version) == "published"
    assert Strike.objects.get().lifted_at is not None
    assert not Block.objects.filter(lifted_at=None).exists()


# When


def test_nothing_is_appealed_that_restricts_nothing(ada: User) -> None:
    with pytest.raises(NoAppeal, match="is published"):
        appeal_submit(version=make_version(actor=ada), actor=ada, text="x")


def test_appeal_comes_in_time(ada: User, mo: User, settings: Any) -> None:
    version = _refused(ada, mo)
    settings.APPEAL_WINDOW = timedelta(seconds=-1)
    with pytest.raises(NoAppeal, match="ran out"):
        appeal_submit(version=version, actor=ada, text="x")


def test_appeal_of_what_no_longer_holds_is_moot(ada: User, mo: User, max_: User) -> None:
    version = make_version(actor=ada)
    report, _ = make_report(version, CaseKind.LIKENESS)
    decide(report.case, mo, "quarantine")
    appeal = appeal_submit(version=version, actor=ada, text="Let it be.")
    assert cases_moot() == []
    decide(report.case, max_, "take-down")
    assert cases_moot() == [appeal.case_id]
    assert case_moot_close(appeal.case_id).outcome == "moot"
    assert case_moot_close(appeal.case_id) is None
    again = appeal_submit(version=version, actor=ada, text="Let it be, please.")  # the new decision is another
    assert again.pk != appeal.pk


@pytest.mark.django_db(transaction=True)
def test_two_people_of_one_side_appeal_once() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={"maintainer": ben})
    version = make_version(actor=ada, declared=HELD, namespace=studio.namespace)
    decide(make_case(version), make_user("mo", is_moderator=True), "refuse")
    barrier, results = threading.Barrier(2), [None, None]

    def work(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = appeal_submit(version=version, actor=(ada, ben)[number], text="She agreed.")
        except NoAppeal as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(type(result).__name__ for result in results) == ["Appeal", "NoAppeal"]
    assert Appeal.objects.count() == Case.objects.filter(kind=CaseKind.APPEAL).count() == 1


# The counter-notice


def test_counter_notice_keeps_the_days_of_the_statute(ada: User, mo: User, max_: User) -> None:
    version = _removed(ada, mo)
    appeal = _countered(version, ada)
    today = timezone.now().date()
    assert (appeal.put_back_from, appeal.put_back_until) == (business_day(10, today), business_day(14, today))
    assert appeal.case.due_at.date() == appeal.put_back_until
    with pytest.raises(DecisionRefused, match="at the earliest"):
        decide(appeal.case, max_, "approve")
    Appeal.objects.update(put_back_from=today)
    decide(appeal.case, max_, "approve")
    assert _state(version) == "published"


def test_notice_taken_back_ends_the_wait(ada: User, mo: User, max_: User) -> None:
    version = _removed(ada, mo)
    appeal = _countered(version, ada)
    report_retract(report=appeal.of_case.reports.get())
    decide(appeal.case, max_, "approve")
    assert _state(version) == "published"


def test_counter_notice_goes_to_the_notifier(ada: User, mo: User) -> None:
    from django.core import mail

    from moderation.services.post import letter_send

    _countered(_removed(ada, mo), ada)
    letter_send(Letter.objects.get(key__startswith="counter-notice").pk)
    (sent,) = mail.outbox
    assert sent.to == [CONTACT.email]
    for told in ("Ada Lovelace", "2 Side Street", "I painted it.", "512(g)(3)"):
        assert told in sent.body


@pytest.mark.parametrize("missing", [*COUNTER_NOTICE.required, "sworn"])
def test_incomplete_counter_notice_is_refused(missing: str, ada: User, mo: User) -> None:
    version = _removed(ada, mo)
    with pytest.raises(NoticeIncomplete) as refused:
        _countered(version, ada, **{missing: () if missing == "sworn" else ""})
    assert set(refused.value.data["errors"]) == {missing}
    assert not Appeal.objects.exists()


def test_counter_notice_answers_a_notice_of_infringement_only(ada: User, mo: User) -> None:
    with pytest.raises(NoAppeal, match="this is none"):
        _countered(_refused(ada, mo), ada)


def _countered(version: Version, ada: User, **changes: Any) -> Appeal:
    sworn = changes.pop("sworn", COUNTER_NOTICE.statements)
    whole = {
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "address": "2 Side Street",
        "phone": "1",
        "signature": "A",
    }
    contact = Contact(**{**whole, **changes})
    return counter_notice_submit(version=version, actor=ada, text="I painted it.", contact=contact, sworn=sworn)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (date(2026, 11, 24), 1, date(2026, 11, 25)),
        (date(2026, 11, 27), 1, date(2026, 11, 30)),  # Friday to Monday
        (date(2026, 11, 28), 1, date(2026, 11, 30)),  # from a Saturday
        (date(2026, 11, 24), 10, date(2026, 12, 8)),
        (date(2026, 11, 24), 14, date(2026, 12, 14)),
    ],
)
def test_business_days_leave_out_week_ends(start: date, days: int, end: date) -> None:
    assert business_day(days, start) == end


# The pages of the uploader's side


def test_uploader_reads_the_statement_and_appeals_from_it(client: Client, ada: User, mo: User) -> None:
    version = _refused(ada, mo)
    client.force_login(ada)
    statement = StatementOfReasons.objects.get()
    page = client.get(f"/cases/statements/{statement.public_id}").content.decode()
    for shown in ("Statement of reasons", "Decided automatically", "How to object", f"/appeals/{version.public_id}"):
        assert shown in page
    assert f"/appeals/{version.public_id}" in client.get("/ada/style").content.decode()
    response = client.post(f"/appeals/{version.public_id}", {"text": "She agreed."}, follow=True)
    assert "Somebody who did not decide before" in response.content.decode()
    assert "An appeal was made" in client.get(f"/cases/statements/{statement.public_id}").content.decode()
    assert "There is nothing to appeal" in client.get(f"/appeals/{version.public_id}").content.decode()


def test_counter_notice_is_sent_from_its_page(client: Client, ada: User, mo: User) -> None:
    version = _removed(ada, mo)
    client.force_login(ada)
    path = f"/appeals/{version.public_id}/counter-notice"
    assert path in client.get(f"/appeals/{version.public_id}").content.decode()
    sent = {"text": "Mine.", "name": "Ada", "email": "ada@example.org", "address": "2 Side Street", "phone": "1"}
    sent |= {"signature": "Ada", **{f"sworn-{code}": "on" for code in COUNTER_NOTICE.statements}}
    assert client.post(path, {**sent, "signature": ""}).context["form"].errors
    assert client.post(path, sent).status_code == 302
    assert Appeal.objects.get().is_counter_notice


def test_question_is_answered_on_the_page_of_the_case(client: Client, ada: User, mo: User) -> None:
    case = decide(make_case(make_version(actor=ada, declared=HELD)), mo, "ask", public_reasoning="Who is shown?")
    client.force_login(ada)
    page = client.get(f"/cases/{case.public_id}").content.decode()
    assert "Who is shown?" in page
    assert ">mo<" not in page
    client.post(f"/cases/{case.public_id}", {"text": "My sister."})
    assert Case.objects.get().status == "open"


def test_pages_of_the_uploaders_side_do_not_exist_for_others(client: Client, ada: User, mo: User) -> None:
    version = _removed(ada, mo)
    case, statement = Case.objects.get(), StatementOfReasons.objects.get()
    paths = [f"/cases/{case.public_id}", f"/cases/statements/{statement.public_id}"]
    appeals = [f"/appeals/{version.public_id}", f"/appeals/{version.public_id}/counter-notice"]
    for path in [*paths, *appeals]:
        assert client.get(path)["Location"] == f"/sign-in?next={path}"
    client.force_login(make_user("eve"))
    for path in paths:
        assert client.get(path).status_code == 404
    for path in appeals:  # the tombstone is public, so that it exists is no secret
        assert client.get(path).status_code == 403
    client.force_login(mo)
    assert client.get(paths[1]).status_code == 200


# What the house restricts


def test_uploader_is_told_of_the_engines_refusal_once(ada: User) -> None:
    version = make_version(actor=ada, declared={"licence_id": "all-rights-reserved"})
    assert versions_unexplained() == [version.pk]
    statement = version_explain(version.pk)
    assert (statement.decided_automatically, statement.measure) == (True, "refuse")
    assert statement.facts
    assert versions_unexplained() == []
    assert version_explain(version.pk) is None
    assert Letter.objects.filter(key__startswith="statement").count() == 1


def test_what_people_decided_is_not_explained_twice(ada: User, mo: User) -> None:
    _refused(ada, mo)
    assert versions_unexplained() == []
    assert DecisionRecord.objects.filter(statement__isnull=False).count() == 1


def test_whole_way_stays_on_a_chain_that_verifies(ada: User, mo: User, max_: User) -> None:
    """Report, look, hold, take-down, counter-notice, decision: all on the log, and nobody's words in it."""
    version = make_version(actor=ada)
    report, _ = make_report(version, CaseKind.RIGHTS, files=[Upload("proof.txt", b"I painted it.")])
    file_view(case=report.case, key=report.case.evidence.get().key, actor=mo)
    contact_show(of=report, actor=mo, reason="To ask for the original.")
    decide(report.case, mo, "quarantine")
    decide(report.case, mo, "take-down", strike=True, block_copies=True, private_notes="Seen the original.")
    appeal = _countered(Version.objects.get(pk=version.pk), ada)
    report_retract(report=report)
    decide(appeal.case, max_, "approve")
    call_command("audit_verify")
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions >= {
        "case.opened", "case.reported", "case.evidence", "case.viewed", "case.contact", "case.held", "case.decided",
        "case.appealed", "case.retracted", "statement.written", "strike.issued", "strike.lifted", "block.added",
        "block.lifted", "version.quarantined", "version.taken-down", "version.published",
    }  # fmt: skip
    told = json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))
    for words in ("rita", "Rita", "original", "painted", "Shores", "proof.txt", "Side Street"):
        assert words not in told
