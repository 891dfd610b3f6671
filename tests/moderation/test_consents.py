"""Asking for consent, answering it, and which consents are live at a moment."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError
from django.utils import timezone

from governance.models import AuditEntry
from moderation.consent_terms import ConsentScope, ConsentState, EndReason, Verification
from moderation.errors import ConsentBeyondRequest, ConsentConflict, ConsentDoesNotCover, TooManyRequests
from moderation.models import Consent, ConsentEvent, Mail, Subject
from moderation.selectors.consents import (
    checked_consent_ids_of,
    grantee_consents,
    live_consents,
    missing_consents,
)
from moderation.services.consent_answers import (
    consent_grant,
    consent_narrow,
    consent_refuse,
    consent_revoke,
)
from moderation.services.consent_ends import consents_expire
from moderation.services.consents import (
    consent_details,
    consent_link,
    consent_verify,
    consent_withdraw,
    subject_email,
    subject_erase,
)
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_asked, make_consent, make_linked, terms
from tests.factories.registry import make_screened, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
S = ConsentScope


def _kinds(consent: Consent) -> list[str]:
    return list(consent.events.values_list("kind", flat=True))


def test_request_seals_names_and_addresses_and_keeps_them_off_the_audit_log() -> None:
    consent = make_asked(make_user(), message="Hello from Ada")
    consent.refresh_from_db()
    assert subject_email(consent.subject) == "sam@subjects.example"
    assert consent_details(consent).name == "Sam Subject"
    stored = b"".join([bytes(consent.details_sealed), bytes(consent.subject.email_sealed)])
    logged = json.dumps(list(AuditEntry.objects.values("data", "subject_id"))).encode()
    for word in (b"sam@", b"Sam", b"Hello"):
        assert word not in stored
        assert word not in logged


def test_one_address_is_one_subject_whoever_asks_and_however_it_is_spelled() -> None:
    one = make_asked(make_user("ada"))
    two = make_asked(make_user("bob"), email=" Sam@Subjects.EXAMPLE ", name="Another name")
    assert one.subject == two.subject
    assert consent_details(one).name == "Sam Subject"
    assert consent_details(two).name == "Another name"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"adapters": frozenset({"bob/face"})}, "bob/face is not of ada"),
        ({"scopes": frozenset()}, "at least one use"),
        ({"until": timezone.now() - timedelta(seconds=1)}, "an end that lies ahead"),
    ],
)
def test_request_with_impossible_terms_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConsentConflict, match=words):
        make_asked(make_user(), **changes)
    assert not Consent.objects.exists()
    assert not Mail.objects.exists()


def test_requests_are_counted_by_person_and_by_mailbox(settings: object) -> None:
    settings.CONSENT_ASKS_A_DAY, settings.CONSENT_LETTERS_A_DAY = 3, 2  # type: ignore[attr-defined]
    ada = make_user()
    for _ in range(3):
        make_asked(ada)
    with pytest.raises(TooManyRequests):
        make_asked(ada)
    assert Mail.objects.filter(kind="consent-asked").count() == 2  # the third waits and lapses, and nobody learns why


def test_who_wants_no_more_requests_gets_no_more_mails_and_the_answer_is_the_same() -> None:
    consent_refuse(consent=make_asked(make_user("ada")), never_again=True)
    Mail.objects.all().delete()
    again = make_asked(make_user("bob"))
    assert again.state == ConsentState.ASKED
    assert not Mail.objects.exists()


def test_grant_as_asked_is_live_and_both_are_told() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    consent = make_consent(ada)
    assert live_consents(version=version, scope="publication") == [consent]
    assert consent.verification == Verification.MAIL
    assert _kinds(consent) == ["asked", "granted"]
    readers = set(
        Mail.objects.filter(kind__in=["consent-answered", "consent-confirmed"]).values_list("user", "subject")
    )
    assert readers == {(ada.pk, None), (None, consent.subject_id)}


def test_less_than_asked_may_be_granted_and_more_may_not() -> None:
    consent = make_asked(make_user(), scopes=frozenset({S.TRAINING, S.PREVIEW}))
    with pytest.raises(ConsentBeyondRequest, match="scopes"):
        consent_grant(consent=consent, terms=terms(scopes=frozenset({S.TRAINING, S.COMMERCIAL})))
    with pytest.raises(ConsentBeyondRequest, match="until"):
        consent_grant(consent=consent, terms=terms(scopes=frozenset({S.TRAINING}), until=None))
    granted = consent_grant(
        consent=consent,
        terms=terms(scopes=frozenset({S.TRAINING}), territories=frozenset({"DE"}), until=consent.valid_until),
    )
    assert granted.scopes == ["training"]
    assert granted.asked_terms.scopes == {S.TRAINING, S.PREVIEW}


# scope asked for, terms of the consent, seconds from now, expected
LIVE = [
    ("training", {}, 0, True),
    ("training", {"scopes": frozenset({S.PUBLICATION})}, 0, False),
    ("publication", {"adapters": frozenset({"ada/style"})}, 0, True),
    ("publication", {"adapters": frozenset({"ada/other"})}, 0, False),
    ("publication", {}, -3600, False),  # before it was granted
    ("publication", {}, 364 * 86_400, True),
    ("publication", {}, 366 * 86_400, False),  # its time is over, whether or not a sweep came by
    ("publication", {"until": None}, 9_999_999_999, True),
]


@pytest.mark.parametrize(("scope", "changes", "seconds", "expected"), LIVE)
def test_consent_is_live_within_its_terms_only(
    scope: str, changes: dict[str, object], seconds: int, expected: bool
) -> None:
    ada = make_user()
    version = make_version(actor=ada)
    make_consent(ada, **changes)
    at = timezone.now() + timedelta(seconds=seconds)
    assert bool(live_consents(version=version, scope=scope, at=at)) is expected
    assert bool(live_consents(adapter=version.adapter, scope=scope, at=at)) is expected


def test_consent_for_some_countries_counts_there_only() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    make_consent(ada, territories=frozenset({"EU"}))
    asked = {"version": version, "scope": "publication"}
    assert [bool(live_consents(**asked, territory=where)) for where in ("FR", "EU", "US", None)] == [
        True,
        True,
        False,
        True,
    ]


def test_consent_is_of_its_grantee_alone_and_of_its_subject_alone() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    studio = make_organisation(ada, "studio")
    own, group = make_version(actor=ada), make_version(actor=ada, namespace=studio.namespace)
    theirs = make_version(actor=bob)
    consent = make_consent(ada, studio)
    assert live_consents(version=group, scope="training") == [consent]
    assert live_consents(version=own, scope="training") == []
    assert live_consents(version=theirs, scope="training") == []
    stranger = Subject.objects.create(email_sealed=b"x", email_digest="d")
    assert live_consents(version=group, scope="training", subject=stranger) == []
    assert live_consents(version=group, scope="training", subject=consent.subject) == [consent]


def test_adapter_that_does_not_exist_yet_can_be_asked_about() -> None:
    ada = make_user()
    named = make_consent(ada, adapters=frozenset({"ada/later"}))
    assert grantee_consents(owner=ada.namespace, scope="training", adapter_name="ada/later") == [named]
    assert grantee_consents(owner=ada.namespace, scope="training") == []
    with pytest.raises(ValueError, match="Name the version"):
        live_consents(scope="training")


STATES = {
    "refused": lambda consent: consent_refuse(consent=consent),
    "withdrawn": lambda consent: consent_withdraw(consent=consent, actor=consent.asked_by),
}


@pytest.mark.parametrize("state", STATES)
def test_unanswered_refused_and_withdrawn_are_not_live(state: str) -> None:
    ada = make_user()
    version = make_version(actor=ada)
    consent = make_asked(ada)
    assert live_consents(version=version, scope="training") == []
    STATES[state](consent)
    consent.refresh_from_db()
    assert consent.state == state
    assert live_consents(version=version, scope="training") == []


def test_revoked_consent_is_over_at_once_and_may_be_granted_again() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    consent = make_consent(ada)
    consent = consent_revoke(consent=consent)
    assert (consent.state, consent.end_reason) == (ConsentState.REVOKED, EndReason.REVOKED)
    assert live_consents(version=version, scope="training") == []
    again = consent_grant(consent=consent, terms=consent.asked_terms)
    assert live_consents(version=version, scope="training") == [again]
    assert _kinds(again) == ["asked", "granted", "revoked", "granted"]


def test_narrowed_consent_covers_less_at_once() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    consent = make_consent(ada)
    consent_narrow(consent=consent, terms=terms(scopes=frozenset({S.TRAINING}), until=consent.valid_until))
    assert live_consents(version=version, scope="publication") == []
    assert live_consents(version=version, scope="training") == [consent]
    with pytest.raises(ConsentBeyondRequest):
        consent_narrow(consent=consent, terms=terms(until=consent.valid_until))


def test_answer_after_its_time_is_refused_and_the_sweep_closes_the_request() -> None:
    consent = make_asked(make_user())
    Consent.objects.update(answer_by=timezone.now())
    with pytest.raises(ConsentConflict, match="over"):
        consent_grant(consent=consent, terms=consent.asked_terms)
    assert consents_expire() == 1
    consent.refresh_from_db()
    assert consent.state == ConsentState.LAPSED
    assert consents_expire() == 0


def test_what_ran_out_is_ended_by_the_sweep_once() -> None:
    consent = make_consent(make_user())
    Consent.objects.update(valid_until=timezone.now())
    assert consents_expire() == 1
    consent.refresh_from_db()
    assert (consent.state, consent.end_reason) == (ConsentState.EXPIRED, EndReason.EXPIRED)
    assert _kinds(consent) == ["asked", "granted", "expired"]
    assert consents_expire() == 0


def test_link_needs_a_live_consent_that_covers_what_the_version_allows() -> None:
    ada = make_user()
    version = make_version(actor=ada)  # its flags allow commercial use
    narrow = make_consent(ada, scopes=frozenset({S.TRAINING, S.PUBLICATION}))
    with pytest.raises(ConsentDoesNotCover, match="commercial use"):
        consent_link(version=version, consent=narrow, actor=ada)
    with pytest.raises(ConsentDoesNotCover):
        consent_link(version=version, consent=make_asked(ada), actor=ada)
    consent = make_consent(ada)
    assert not version.consent_links.exists()
    first = consent_link(version=version, consent=consent, actor=ada)
    assert consent_link(version=version, consent=consent, actor=ada) == first
    assert [link.consent for link in version.consent_links.all()] == [consent]
    assert missing_consents(version) == []


def test_consent_that_names_the_adapter_is_under_its_versions_by_itself() -> None:
    ada = make_user()
    before = make_version(actor=ada)
    make_version(actor=ada, name="other", content=lora_bytes(seed=3))
    consent = make_consent(ada, adapters=frozenset({"ada/style"}))
    after = make_screened(actor=ada, content=lora_bytes(seed=4))
    assert {link.version for link in consent.links.all()} == {before, after}
    consent_revoke(consent=consent)
    for version in (before, after):
        version.refresh_from_db()
        assert version.state == "quarantined"


def test_answer_by_mail_is_no_checked_identity_until_a_moderator_says_so() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    assert checked_consent_ids_of(version) == ()
    mona = make_user("mona", is_moderator=True)
    consent_verify(consent=consent, actor=mona, method=Verification.DOCUMENT, note="Passport seen")
    assert checked_consent_ids_of(version) == (str(consent.public_id),)
    assert "Passport" not in json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))


def test_missing_consent_names_the_subject_whose_consent_ended() -> None:
    version = make_version(actor=make_user())
    link = make_linked(version)
    consent_revoke(consent=link.consent)
    assert [(gap.version, gap.subject) for gap in missing_consents(version)] == [(version, link.consent.subject)]


def test_erasure_leaves_the_record_without_the_person() -> None:
    consent = make_consent(make_user())
    with pytest.raises(ConsentConflict, match="in force"):
        subject_erase(subject=consent.subject)
    consent_revoke(consent=consent)
    subject_erase(subject=consent.subject)
    consent = Consent.objects.get(pk=consent.pk)
    assert consent_details(consent).name == ""
    assert subject_email(consent.subject) == ""
    assert _kinds(consent)[-1] == "erased"
    fresh = make_asked(make_user("bob"))
    assert fresh.subject != consent.subject


def test_history_cannot_be_rewritten() -> None:
    make_asked(make_user())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ConsentEvent.objects.update(kind="granted")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ConsentEvent.objects.all().delete()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "unknown"},
        {"state": "revoked"},
        {"state": "granted"},
        {"scopes": ["publication", "anything"]},
        {"scopes": []},
        {"grantee_user": None},
        {"verification": "by-feel"},
    ],
)
def test_database_refuses_what_no_service_writes(changes: dict[str, object]) -> None:
    consent = make_asked(make_user())
    with pytest.raises(IntegrityError), transaction.atomic():
        Consent.objects.filter(pk=consent.pk).update(**changes)
