"""People without an account: one answer for every address, a link by mail, a second confirmation, and a tombstone."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from moderation.contacts import email_digest
from moderation.errors import EnrolmentRefused
from moderation.likeness_consent import current_consent
from moderation.models import (
    ActsAs,
    Consent,
    DeletionProof,
    ErasedVia,
    ErasureRecord,
    Letter,
    Mail,
    OptOutEntry,
    OptOutHolder,
    PrivacyLink,
    ProtectedIdentity,
    Report,
    Subject,
)
from moderation.services.data_erasure import address_erase
from moderation.services.data_export import export_make
from moderation.services.likeness import identity_accept, identity_invite, link_digest
from moderation.services.optout import optout_register
from moderation.services.post import letter_send
from moderation.services.tombstones import never_ask, tombstones_of
from registry.models import Version
from registry.models.outbox import OutState
from tests.factories.accounts import make_user
from tests.factories.consents import make_asked, make_linked
from tests.factories.moderation import CONTACT, decide, make_report
from tests.factories.optout import names, register_as, register_by_mail, submission
from tests.factories.registry import make_version
from tests.governance.tampering import verify
from tests.moderation.dumping import tables_with
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db

EMAIL, NAME = "sam.quist@distinct.example", "Sam Quist"


def _letter() -> str:
    """The newest letter, as it arrives."""
    letter_send(Letter.objects.latest("pk").pk)
    return str(mail.outbox[-1].body)


def _link_in(text: str) -> str:
    return next(word for word in text.split() if "/privacy/open/" in word)


def _asked(client: Client, email: str) -> str:
    assert client.post("/privacy", {"email": email}).headers["Location"] == "/privacy/sent"
    return _link_in(_letter())


def _known() -> Version:
    """Everything that can be kept about an address without an account; the version rests on its consent."""
    bob = make_user("bob")
    mo = make_user("mo", is_moderator=True)
    version = make_version(actor=bob)
    make_linked(version, email=EMAIL, name=NAME, message=f"Dear {NAME}")
    register_by_mail(*names(NAME), email=EMAIL)
    _, secret = identity_invite(moderator=mo, name=NAME, contact_email=EMAIL)
    identity_accept(
        digest=link_digest(secret), name=NAME, acts_as=ActsAs.SELF, consent=current_consent(), contact_email=EMAIL
    )
    theirs = type(CONTACT)(name=NAME, email=EMAIL, signature=NAME, address="1 Road", phone="1")
    report, _ = make_report(make_version(actor=bob, name="b", content=lora_bytes(seed=2)), contact=theirs)
    decide(report.case, mo, "dismiss")
    return version


def test_answer_and_letter_are_the_same_whether_the_address_is_known(client: Client) -> None:
    _known()
    answers, letters = [], []
    for email in (EMAIL, "nobody@distinct.example"):
        answer = client.post("/privacy", {"email": email})
        answers.append((answer.status_code, answer.headers["Location"]))
        text = _letter()
        letters.append(text.replace(_link_in(text), "LINK"))
    assert answers[0] == answers[1]
    assert letters[0].splitlines()[:2] == letters[1].splitlines()[:2]
    assert client.get("/privacy/sent").status_code == 200


def test_link_shows_what_is_kept_and_that_nothing_is(client: Client) -> None:
    _known()
    for email, text in ((EMAIL, "Requests for your consent"), ("nobody@distinct.example", "Nothing is kept")):
        opened = client.get(_asked(client, email))
        assert opened.headers["Location"] == "/privacy/address"  # the secret leaves the address at once
        page = client.get("/privacy/address").content.decode()
        assert text in page
        assert email in page


def test_secret_of_the_link_is_kept_nowhere(client: Client) -> None:
    secret = _asked(client, EMAIL).rpartition("/")[2]
    assert tables_with(secret, EMAIL) == {}


def test_wrong_used_or_old_link_gives_the_same_404(client: Client) -> None:
    url = _asked(client, EMAIL)
    wrong = client.get("/privacy/open/wrong")
    PrivacyLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    old = client.get(url)
    assert (wrong.status_code, old.status_code) == (404, 404)
    assert "This link does not work" in old.content.decode()
    for path in ("/privacy/address", "/privacy/address/erase"):
        assert Client().get(path).status_code == 404


def test_mailbox_and_place_are_asked_only_so_often(client: Client, settings: Any) -> None:
    settings.PRIVACY_MAILS_PER_MAILBOX, settings.PRIVACY_LINKS_PER_ADDRESS = 1, 3
    for _ in range(3):
        assert client.post("/privacy", {"email": EMAIL}).status_code == 302  # nobody is told that no mail goes out
    assert Letter.objects.count() == 1
    assert client.post("/privacy", {"email": "another@example.org"}).status_code == 429


def test_copy_is_made_and_fetched_behind_the_link_alone(client: Client) -> None:
    _known()
    client.get(_asked(client, EMAIL))
    client.post("/privacy/address/export")
    export = PrivacyLink.objects.get().exports.get()
    status = f"/privacy/exports/{export.public_id}"
    assert "0 of 5 parts" in client.get(status).content.decode()
    export_make(export_id=export.pk)
    assert "Download" in client.get(status).content.decode()
    answer = client.get(f"{status}/file")
    assert answer.headers["Content-Type"] == "application/zip"
    assert "no-store" in answer.headers["Cache-Control"]
    for stranger in (Client(), _signed_in()):
        assert stranger.get(status).status_code == 404
        assert stranger.get(f"{status}/file").status_code == 404


def _signed_in() -> Client:
    client = Client()
    client.force_login(make_user("eve"))
    return client


def test_erasure_behind_the_link_leaves_nothing_but_a_salted_digest(client: Client) -> None:
    _known()
    client.get(_asked(client, EMAIL))
    assert client.post("/privacy/address/erase", {}).status_code == 422  # the second confirmation is missing
    assert Subject.objects.filter(erased_at=None).exists()
    assert "the chain is whole" in verify()
    answer = client.post("/privacy/address/erase", {"sure": "on", "never_ask": "on"})
    assert answer.headers["Location"] == "/privacy/erased"
    assert client.get("/privacy/erased").status_code == 200
    assert tables_with(EMAIL, NAME, email_digest(EMAIL)) == {}
    assert "the chain is whole" in verify()
    assert client.get("/privacy/address").status_code == 404  # the link is used up


def test_erasure_revokes_and_ends_everything(client: Client) -> None:
    version = _known()
    address_erase(email=f" {EMAIL.upper()} ", via=ErasedVia.LINK)
    assert Version.objects.get(pk=version.pk).state == "quarantined"
    assert [consent.state for consent in Consent.objects.all()] == ["revoked"]
    assert {entry.state for entry in OptOutEntry.objects.all()} == {"withdrawn"}
    assert ProtectedIdentity.objects.get().status == "withdrawn"
    assert DeletionProof.objects.exists()
    assert bytes(Report.objects.get().contact) == b""
    assert not Mail.objects.filter(subject__isnull=False, state=OutState.QUEUED).exists()


def test_accounts_with_the_same_address_are_not_touched() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Ada Example"))
    address_erase(email=ada.email, via=ErasedVia.LINK)
    assert OptOutHolder.objects.get(user=ada).erased_at is None
    assert OptOutEntry.objects.get().text == "Ada Example"


def test_who_wants_no_more_requests_gets_none_and_is_not_invited() -> None:
    bob, mo = make_user("bob"), make_user("mo", is_moderator=True)
    address_erase(email=EMAIL, via=ErasedVia.LINK, never_ask=True)
    asked = make_asked(bob, email=EMAIL)
    assert not Mail.objects.filter(consent=asked).exists()
    with pytest.raises(EnrolmentRefused):
        identity_invite(moderator=mo, name=NAME, contact_email=EMAIL)
    other = make_asked(bob, email="other@distinct.example")
    assert Mail.objects.filter(consent=other).count() == 1


def test_who_may_be_asked_again_is_asked() -> None:
    bob = make_user("bob")
    address_erase(email=EMAIL, via=ErasedVia.LINK, never_ask=False)
    assert Mail.objects.filter(consent=make_asked(bob, email=EMAIL)).count() == 1


def test_tombstone_is_found_by_the_address_and_two_of_one_address_are_not_alike() -> None:
    first, second = (address_erase(email=EMAIL, via=ErasedVia.LINK) for _ in range(2))
    assert first.digest != second.digest
    assert {row.pk for row in tombstones_of(email_digest(EMAIL))} == {first.pk, second.pk}
    assert tombstones_of(email_digest("other@distinct.example")) == []
    assert never_ask(email_digest(EMAIL))
    assert not never_ask("")


def test_letter_that_waits_for_the_address_is_not_sent(client: Client) -> None:
    optout_register(submission=submission(*names(NAME)), email=EMAIL)
    client.post("/privacy", {"email": EMAIL})
    client.post("/privacy", {"email": "other@distinct.example"})
    address_erase(email=EMAIL, via=ErasedVia.LINK)
    assert [(letter.state, bool(bytes(letter.content))) for letter in Letter.objects.order_by("pk")] == [
        ("dropped", False),
        ("queued", True),
    ]


def test_operator_erases_an_address_when_sure() -> None:
    register_by_mail(*names(NAME), email=EMAIL)
    with pytest.raises(CommandError, match="--yes"):
        call_command("subject_erase", "--email", EMAIL)
    assert OptOutHolder.objects.get().erased_at is None
    call_command("subject_erase", "--email", EMAIL, "--yes")
    assert tables_with(EMAIL, NAME) == {}
    record = ErasureRecord.objects.get()
    assert (record.via, record.never_ask, record.counts["opt_outs"]) == ("operator", True, 1)
    assert EMAIL not in json.dumps(record.counts)
