"""Reports from anyone: complete or refused, throttled, acknowledged, followed by their link, taken back."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry
from moderation.errors import NoticeIncomplete, TooManyRequests
from moderation.models import Appeal, Case, Letter, Report
from moderation.notices import NOTICES
from moderation.services.people import Contact, report_contact
from moderation.services.post import letter_send
from moderation.services.reports import report_by_token
from registry.models import Version
from registry.models.outbox import OutState
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_user
from tests.factories.moderation import CONTACT, decide, make_report
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def _sent(kind: str, **changes: Any) -> dict[str, Any]:
    """What a person fills in for this kind."""
    rule = NOTICES[kind]
    whole = {
        "text": "Look at its pictures.",
        "work": "My series",
        **{f: getattr(CONTACT, f) for f in rule.required if hasattr(CONTACT, f)},
    }
    return {**whole, **{f"sworn-{code}": "on" for code in rule.statements}, **changes}


# The notice


def test_complete_notice_of_each_kind_opens_its_case(version: Version) -> None:
    for number, kind in enumerate(NOTICES):
        contact = Contact(**{**vars(CONTACT), "email": f"r{number}@example.org"})
        report, token = make_report(version, kind, address=f"192.0.2.{number}", contact=contact)
        assert (report.case.kind, report.case.source, report.case.version) == (kind, "report", version)
        assert tuple(report.sworn) == NOTICES[kind].statements
        assert report_by_token(token) == report
        assert token not in json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))
    assert Case.objects.count() == len(NOTICES)


def test_notice_without_what_the_law_asks_for_is_refused(version: Version) -> None:
    for kind, rule in NOTICES.items():
        for field in ("text", *rule.required):
            blank: dict[str, Any] = {field: " "}
            if hasattr(CONTACT, field):
                blank = {"contact": Contact(**{**vars(CONTACT), field: " "})}
            with pytest.raises(NoticeIncomplete) as refused:
                make_report(version, kind, **blank)
            assert refused.value.data["errors"] == {field: "This is needed."}, (kind, field)
    assert not Case.objects.exists()


def test_notice_is_sworn_whole(version: Version) -> None:
    sworn = [kind for kind, rule in NOTICES.items() if rule.statements]
    assert {"rights", "intimate", "likeness"} <= set(sworn)
    for kind in sworn:
        with pytest.raises(NoticeIncomplete) as refused:
            make_report(version, kind, sworn=NOTICES[kind].statements[1:])
        assert set(refused.value.data["errors"]) == {"sworn"}


def test_report_about_minors_needs_no_name(version: Version) -> None:
    report, _ = make_report(version, "minors", contact=Contact(), work="")
    assert (bytes(report.contact), report.contact_digest) == (b"", "")
    assert not Letter.objects.exists()


def test_who_reports_lies_sealed(version: Version) -> None:
    report, token = make_report(version)
    report = Report.objects.get()
    stored = bytes(report.contact) + json.dumps(list(AuditEntry.objects.values("data", "actor"))).encode()
    for secret in (CONTACT.email, CONTACT.name, CONTACT.address, token):
        assert secret.encode() not in stored
    assert report_contact(report).email == CONTACT.email
    assert token.encode() not in json.dumps([str(value) for value in Report.objects.values().get().values()]).encode()


def test_second_report_joins_the_open_case(version: Version) -> None:
    first, _ = make_report(version, "spam")
    second, _ = make_report(version, "spam", address="192.0.2.8", contact=Contact(email="sam@example.org"))
    assert second.case_id == first.case_id
    case = Case.objects.get()
    assert (case.reports.count(), case.revision) == (2, 3)
    assert case.due_at == first.case.due_at


def test_intimate_imagery_is_decided_within_48_hours(version: Version) -> None:
    report, _ = make_report(version, "intimate")
    assert report.case.due_at - report.created_at <= timedelta(hours=48)


# Throttled


@pytest.mark.parametrize("by", ["address", "account", "mailbox"])
def test_too_many_reports_are_refused(by: str, version: Version, settings: Any) -> None:
    settings.REPORTS_PER_ADDRESS = settings.REPORTS_PER_PERSON = 3
    eve = make_user("eve")

    def one(number: int) -> None:
        given = {
            "address": "192.0.2.1" if by == "address" else f"192.0.2.{number}",
            "account": eve if by == "account" else None,
            "contact": Contact(email="Eve@example.org " if by == "mailbox" else f"e{number}@example.org"),
        }
        make_report(version, "spam", **given)

    for number in range(1, 4):
        one(number)
    with pytest.raises(TooManyRequests) as refused:
        one(4)
    assert refused.value.status == 429
    assert Report.objects.count() == 3


# The pages


def test_whole_way_of_somebody_without_an_account(
    client: Client, version: Version, django_capture_on_commit_callbacks: Any
) -> None:
    page = _text(client.get("/report?at=/ada/style"))
    assert f'href="/report/rights?at=/{version.adapter.owner.slug}/style/v/1"' in page
    path = "/report/rights?at=/ada/style/v/1"
    assert "under penalty of perjury" in _text(client.get(path))
    files = [SimpleUploadedFile("proof.txt", b"I painted it."), SimpleUploadedFile("more.txt", b"More.")]
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(path, {**_sent("rights"), "files": files}, follow=True)
    track = response.redirect_chain[0][0]
    assert re.fullmatch(r"/reports/[\w-]{40,}", track)
    text = _text(response)
    report = Report.objects.get()
    for shown in (str(report.public_id), "Infringement of my copyright", "at the latest", "being looked at"):
        assert shown in text
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("no-store", "strict-origin")
    assert report.case.evidence.count() == 2
    letter_send(Letter.objects.get(key=f"receipt:{report.public_id}").pk)
    (receipt,) = mail.outbox
    assert receipt.to == [CONTACT.email]
    assert f"http://127.0.0.1:8000{track}" in receipt.body
    assert bytes(Letter.objects.get(key__startswith="receipt").content) == b""


def test_form_of_each_kind_takes_what_it_asks_for(client: Client, version: Version) -> None:
    for kind in NOTICES:
        response = client.post(f"/report/{kind}?at=/ada/style", _sent(kind))
        assert response.status_code == 302, response.context["form"].errors
        assert Report.objects.filter(kind=kind).count() == 1


def test_form_names_what_is_missing(client: Client, version: Version) -> None:
    sent = _sent("rights", signature="", email="nonsense")
    del sent["sworn-good-faith"]
    response = client.post("/report/rights?at=/ada/style", sent)
    assert set(response.context["form"].errors) == {"signature", "email", "sworn-good-faith"}
    assert not Case.objects.exists()


def test_what_is_no_evidence_is_refused_on_the_form(client: Client, version: Version) -> None:
    sent = _sent("rights", files=[SimpleUploadedFile("virus.exe", b"MZ\x00\xff\xfe")])
    response = client.post("/report/rights?at=/ada/style", sent)
    assert "neither a picture nor a PDF" in _text(response)
    assert not Case.objects.exists()


def test_too_many_files_are_refused(client: Client, version: Version) -> None:
    files = [SimpleUploadedFile(f"{number}.txt", b"x") for number in range(6)]
    response = client.post("/report/rights?at=/ada/style", {**_sent("rights"), "files": files})
    assert "at most 5 files" in _text(response)


def test_reporting_is_throttled_on_the_page_too(client: Client, version: Version, settings: Any) -> None:
    settings.REPORTS_PER_ADDRESS = 1
    client.post("/report/spam?at=/ada/style", _sent("spam"))
    response = client.post("/report/spam?at=/ada/style", _sent("spam"))
    assert response.status_code == 429
    assert "Wait 60 minutes" in _text(response)


NOWHERE = ["/ada/nothing", "nonsense", "/ada", "https://elsewhere.example/x/y", "/ada/style/v/9", "/a/b/c/d/e", "/\0/x"]


def test_what_nobody_may_see_cannot_be_reported(client: Client, version: Version) -> None:
    for at in NOWHERE:
        assert client.get("/report", {"at": at}).context["problem"], at
        assert client.get("/report/spam", {"at": at}).status_code == 404, at


def test_private_adapter_is_not_told_apart_from_an_absent_one(client: Client) -> None:
    make_version(actor=make_user("ada"), visibility="private")
    shut, absent = (client.get(f"/report?at=/ada/{name}").context["problem"] for name in ("style", "other"))
    assert shut.replace("style", "other") == absent


def test_unknown_kind_and_link_are_not_found(client: Client, version: Version) -> None:
    assert client.get("/report/appeal?at=/ada/style").status_code == 404
    assert client.get("/reports/nothing").status_code == 404
    assert client.post("/reports/nothing/take-back").status_code == 404


def test_account_is_not_asked_for_its_address_again(client: Client, version: Version) -> None:
    client.force_login(make_user("rita"))
    form = client.get("/report/likeness?at=/ada/style").context["form"]
    assert (form.initial["email"], form.initial["name"]) == ("rita@example.org", "rita")


# What its sender learns and can do


def test_sender_learns_the_decision_and_its_reasons(client: Client, version: Version, mo: User) -> None:
    report, token = make_report(version)
    decide(report.case, mo, "take-down", public_reasoning="It copies “Shores”.")
    text = _text(client.get(f"/reports/{token}"))
    assert "It was taken down" in text
    assert "It copies “Shores”." in text
    letter = Letter.objects.get(key__startswith="report-decided")
    letter_send(letter.pk)
    assert "It copies “Shores”." in mail.outbox[-1].body
    assert f"/reports/{token}" in mail.outbox[-1].body


def test_report_is_taken_back_once(client: Client, version: Version, mo: User) -> None:
    report, token = make_report(version)
    client.post(f"/reports/{token}/take-back")
    client.post(f"/reports/{token}/take-back")
    assert "taken back by you" in _text(client.get(f"/reports/{token}"))
    assert report.case.events.filter(kind="retracted").count() == 1
    assert Case.objects.get().is_open  # what it set going is still decided
    decide(report.case, mo, "dismiss")
    assert not Letter.objects.filter(key__startswith="report-decided").exists()


def test_sender_objects_that_it_stays_online(client: Client, version: Version, mo: User) -> None:
    report, token = make_report(version)
    assert "Object to the decision" not in _text(client.get(f"/reports/{token}"))
    decide(report.case, mo, "dismiss", public_reasoning="It does not copy it.")
    assert "Object to the decision" in _text(client.get(f"/reports/{token}"))
    client.post(f"/reports/{token}/appeal", {"text": "It does, see page two."})
    appeal = Appeal.objects.get()
    assert (appeal.side, appeal.case.barred, appeal.case.kind) == ("reporter", mo, "appeal")
    assert "is being looked at" in _text(client.get(f"/reports/{token}"))
    assert client.post(f"/reports/{token}/appeal", {"text": "Again."}).status_code == 409
    decide(appeal.case, make_user("max", is_moderator=True), "take-down", public_reasoning="You are right.")
    assert Appeal.objects.get().granted is True
    text = _text(client.get(f"/reports/{token}"))
    assert "was granted" in text
    assert "You are right." in text


def test_withdrawn_version_is_still_decided(version: Version, mo: User) -> None:
    report, _ = make_report(version)
    version_withdraw(version=version, actor=User.objects.get(username="ada"), reason="Mine.")
    assert decide(report.case, mo, "take-down").outcome == "take-down"


# Letters


def test_letter_that_the_server_does_not_take_is_sent_later(version: Version, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # nobody listens there
    make_report(version)
    letter = Letter.objects.get()
    letter_send(letter.pk)
    letter.refresh_from_db()
    assert (letter.state, letter.attempts) == (OutState.QUEUED, 1)
    assert letter.next_at > timezone.now()
    assert CONTACT.email not in letter.problem
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    letter_send(letter.pk)  # its time has not come
    assert mail.outbox == []
    Letter.objects.update(next_at=timezone.now())
    letter_send(letter.pk)
    letter_send(letter.pk)
    assert len(mail.outbox) == 1


def test_broken_report_changes_nothing(version: Version) -> None:
    from moderation.errors import EvidenceRefused
    from moderation.services.evidence import Upload

    with pytest.raises(EvidenceRefused):
        make_report(version, files=[Upload("good.txt", b"text"), Upload("bad.bin", b"\x00\x01\xff")])
    assert not Report.objects.exists()
    assert not Case.objects.exists()
    assert not Letter.objects.exists()
    assert not AuditEntry.objects.filter(action__startswith="case.").exists()
