"""Retention: what is over goes in the night, what is not stays; in batches, twice without harm, logged as counts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as house_settings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.models import ApiToken
from accounts.services import token_revoke
from config.settings import base
from governance.models import AuditEntry, DecisionRecord
from moderation.models import (
    Appeal,
    Case,
    CaseEvent,
    CaseEvidence,
    Consent,
    ConsentEvidence,
    ConsentKey,
    Letter,
    OptOutRegistration,
    PrivacyLink,
    Report,
    Screening,
    ScreeningCheck,
    Strike,
    Subject,
)
from moderation.selectors.periods import PERIODS, retention_periods
from moderation.services import retention
from moderation.services.cases import case_note
from moderation.services.consent_answers import consent_refuse, key_create
from moderation.services.consent_evidence import consent_evidence_add
from moderation.services.evidence import Upload as File
from moderation.services.optout import optout_register
from moderation.services.post import letter_send
from moderation.services.retention import RULES, retention_enforce
from moderation.tasks import enforce_retention
from registry.models import Upload
from tests.factories.accounts import make_token, make_user
from tests.factories.consents import make_asked
from tests.factories.moderation import decide, make_report
from tests.factories.optout import names, submission
from tests.factories.registry import make_version
from tests.governance.tampering import verify
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db

LONG = timedelta(days=4000)


def _later(**about: int) -> dict[str, int]:
    return retention_enforce(now=timezone.now() + timedelta(**about))


def _decided_report() -> Report:
    report, _ = make_report(make_version(actor=make_user("ada")), files=[File("proof.txt", b"It is mine.")])
    mo = make_user("mo", is_moderator=True)
    case_note(case=report.case, actor=mo, text="She called me.")
    decide(report.case, mo, "dismiss")
    return Report.objects.get(pk=report.pk)


def test_contact_goes_before_the_words_and_an_undecided_case_keeps_both() -> None:
    report = _decided_report()
    waiting, _ = make_report(make_version(actor=make_user("bob"), content=lora_bytes(seed=2)))
    _later(days=200)
    report.refresh_from_db()
    assert (bytes(report.contact), report.contact_digest) == (b"", "")
    assert report.text
    _later(days=800)
    report.refresh_from_db()
    assert (report.text, report.work) == ("", "")
    assert not CaseEvent.objects.filter(case=report.case).exclude(text="").exists()
    waiting.refresh_from_db()
    assert bytes(waiting.contact)
    assert waiting.text
    assert "the chain is whole" in verify()


def test_case_that_is_appealed_keeps_what_the_appeal_needs() -> None:
    report = _decided_report()
    appealed = Case.objects.get(pk=report.case_id)
    second = make_report(make_version(actor=make_user("bob"), content=lora_bytes(seed=2)))[0].case
    record = DecisionRecord.objects.latest("pk")
    Appeal.objects.create(case=second, of_case=appealed, of_decision=record, side="reporter", text="x")
    _later(days=800)
    report.refresh_from_db()
    assert bytes(report.contact)
    assert report.text


def test_evidence_file_goes_with_its_row(django_capture_on_commit_callbacks: Any) -> None:
    _decided_report()
    key = CaseEvidence.objects.get().storage_key
    with django_capture_on_commit_callbacks(execute=True):
        _later(days=700)
    assert default_storage.exists(key)
    with django_capture_on_commit_callbacks(execute=True):
        _later(days=800)
    assert not default_storage.exists(key)
    assert not CaseEvidence.objects.exists()


def test_refused_consent_forgets_who_was_asked(django_capture_on_commit_callbacks: Any) -> None:
    consent = make_asked(make_user("ada"))
    key_create(consent=consent)
    consent_evidence_add(consent=consent, upload=File("face.txt", b"me"), by="subject")
    consent_refuse(consent=consent)
    _later(days=300)
    assert bytes(Consent.objects.get().details_sealed)
    with django_capture_on_commit_callbacks(execute=True):
        _later(days=1200)
    assert bytes(Consent.objects.get().details_sealed) == b""
    assert not ConsentKey.objects.exists()
    assert bytes(Subject.objects.get().email_sealed) == b""
    evidence = ConsentEvidence.objects.get()
    assert evidence.key_wrapped is None
    assert not default_storage.exists(evidence.storage_key)


def test_who_declined_for_ever_is_still_known_to_have_done_so() -> None:
    consent_refuse(consent=make_asked(make_user("ada")), never_again=True)
    digest = Subject.objects.get().email_digest
    _later(days=500)
    subject = Subject.objects.get()
    assert (bytes(subject.email_sealed), subject.email_digest, subject.declines_requests) == (b"", digest, True)


def _tokens() -> Callable[[], bool]:
    ada = make_user("ada")
    token, _ = make_token(ada)
    token_revoke(actor=ada, token=token)
    return ApiToken.objects.exists


def _uploads() -> Callable[[], bool]:
    make_version(actor=make_user("ada"), filename="my-face.safetensors")
    return Upload.objects.filter(filename="my-face.safetensors").exists


def _letters() -> Callable[[], bool]:
    make_report(make_version(actor=make_user("ada")))
    letter_send(Letter.objects.get().pk)
    Letter.objects.update(state="failed", content=b"sealed")  # one that nobody took
    return Letter.objects.exclude(content=b"").exists


def _unconfirmed() -> Callable[[], bool]:
    optout_register(submission=submission(*names("Ada Example")), email="ada@example.org")
    return OptOutRegistration.objects.exists


def _links() -> Callable[[], bool]:
    PrivacyLink.objects.create(email_sealed=b"x", email_digest="d", digest="s", expires_at=timezone.now())
    return PrivacyLink.objects.exists


def _notes() -> Callable[[], bool]:
    screening = Screening.objects.create(version=make_version(actor=make_user("ada")), round="intake", state="done")
    said = {"notes": "Looks like somebody.", "finished_at": timezone.now(), "state": "passed"}
    ScreeningCheck.objects.create(screening=screening, name="names", place=1, **said)
    return ScreeningCheck.objects.filter(notes__gt="").exists


def _strikes() -> Callable[[], bool]:
    report = _decided_report()
    mo, ends = report.case.decided_by, timezone.now() + timedelta(days=1)
    assert mo is not None
    Strike.objects.create(user=report.version.created_by, case=report.case, issued_by=mo, reason="x", expires_at=ends)
    return Strike.objects.exists


@pytest.mark.parametrize(
    ("made", "kept", "over"),
    [
        (_tokens, 89, 91),
        (_uploads, 29, 31),
        (_letters, 89, 91),
        (_unconfirmed, 6, 8),
        (_links, 6, 8),
        (_notes, 364, 366),
        (_strikes, 365, 367),
    ],
    ids=["tokens", "uploads", "letters", "opt-outs", "links", "notes", "strikes"],
)
def test_is_kept_for_its_time_and_no_longer(made: Callable[[], Callable[[], bool]], kept: int, over: int) -> None:
    is_there = made()
    if made is _letters:
        Letter.objects.update(finished_at=timezone.now())
    _later(days=kept)
    assert is_there()
    _later(days=over)
    assert not is_there()


def test_second_run_finds_nothing_and_logs_nothing() -> None:
    _decided_report()
    first = _later(days=4000)
    assert first["report texts"] == 1
    entry = AuditEntry.objects.filter(action="privacy.retention").get()
    assert entry.data == {name: count for name, count in first.items() if count}
    second = _later(days=4000)
    assert not any(second.values())
    assert AuditEntry.objects.filter(action="privacy.retention").count() == 1


def test_more_than_a_batch_goes_too(settings: Any) -> None:
    settings.RETENTION_BATCH = 2
    ada = make_user("ada")
    for _ in range(5):
        token, _secret = make_token(ada)
        token_revoke(actor=ada, token=token)
    assert _later(days=91)["tokens"] == 5


def test_rule_that_fails_is_logged_and_keeps_no_other_from_being_enforced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ada = make_user("ada")
    token, _ = make_token(ada)
    token_revoke(actor=ada, token=token)

    def broken(rows: object) -> None:
        raise DatabaseError("no")

    first = retention.Rule("broken", "", lambda before: ApiToken.objects.all(), broken)
    monkeypatch.setattr(retention, "RULES", (first, *RULES))
    counts = _later(days=91)
    assert (counts["broken"], counts["tokens"]) == (-1, 1)
    assert "Retention of broken failed" in caplog.text


def test_counters_of_addresses_that_ran_out_are_deleted() -> None:
    cache.set("sign-in:address:192.0.2.7", 3, 60)
    if "db" not in house_settings.CACHES["default"]["BACKEND"]:
        assert retention_enforce()["throttle counters"] == 0
        return
    _later(hours=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cache")
        assert cursor.fetchone() == (0,)


def test_task_runs_every_night() -> None:
    assert base.CELERY_BEAT_SCHEDULE["retention"]["task"] == "moderation.tasks.enforce_retention"
    enforce_retention()


def test_every_period_has_its_setting_and_is_told_on_the_page() -> None:
    told = {setting for _, setting, _ in PERIODS if setting}
    assert {rule.period for rule in RULES if rule.period} <= told
    assert all(timedelta(0) < getattr(house_settings, name) < LONG for name in told)
    assert any(period.how_long == "90 days after their end" for period in retention_periods())
