"""Pages of consents: the subject's behind their link, the grantee's, the moderators' with the evidence."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from governance.handles import handle_of
from governance.models import AuditEntry
from moderation.models import Consent, ConsentEvidence, ConsentKey, ConsentLink, Mail, Subject
from moderation.services.consent_answers import consent_revoke, key_create
from moderation.services.consent_evidence import consent_evidence_add
from moderation.services.evidence import Upload
from registry.models import Version
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.consents import make_asked, make_consent, make_linked, make_receipt
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 signed by Sam"


def _open(client: Client, consent: Consent) -> str:
    """Follow a fresh link; the address of the page behind it."""
    secret = key_create(consent=consent)
    answer = client.get(reverse("consent_open", args=[consent.public_id, secret]))
    assert answer.status_code == 302
    assert secret not in answer["Location"]
    assert answer["Referrer-Policy"] == "no-referrer"
    return str(answer["Location"])


def _answer(consent: Consent, **changes: Any) -> dict[str, Any]:
    last = consent.valid_until - timedelta(microseconds=1)
    given = {
        "action": "grant",
        "scopes": consent.scopes,
        "adapters": "",
        "territories": "",
        "until": f"{last:%Y-%m-%d}",
    }
    return {**given, **changes}


def _whole_days(**changes: Any) -> Consent:
    """A request that ends with a day, as the form's do."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=100)
    return make_asked(make_user("ada"), until=midnight, **changes)


def test_subject_reads_what_is_asked_in_plain_words(client: Client) -> None:
    consent = _whole_days(message="Please <script>", adapters=frozenset({"ada/face"}), territories=frozenset({"DE"}))
    page = client.get(_open(client, consent))
    text = page.content.decode()
    for words in (
        "ada asks for your consent",
        "Hello Sam Subject",
        "Please &lt;script&gt;",
        "Train an image model adapter on pictures of you",
        "earn money with it",
        "<code>ada/face</code>",
        "DE",
        "Nothing happens unless you say yes",
    ):
        assert words in text
    assert page["Cache-Control"].startswith("max-age=0")
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert "sam@subjects.example" not in text


def test_subject_grants_less_sees_the_uses_and_revokes_by_the_same_link(client: Client) -> None:
    consent = _whole_days()
    address = _open(client, consent)
    scopes = ["training", "preview", "publication", "commercial-use"]
    answer = client.post(address, _answer(consent, scopes=scopes[:3], territories="de, fr"), follow=True)
    assert "Granted." in answer.content.decode()
    consent.refresh_from_db()
    assert (consent.state, consent.scopes) == ("granted", sorted(scopes[:3]))
    assert consent.territories == ["DE", "FR"]
    version = make_version(actor=consent.asked_by, declared={"commercial_use": ()})
    make_linked(version, consent)
    make_receipt_count = make_receipt_in_germany(version)
    text = client.get(address).content.decode()
    assert "ada/style v1" in text
    assert make_receipt_count in text
    answer = client.post(address, {"action": "revoke"}, follow=True)
    assert "Revoked." in answer.content.decode()
    version.refresh_from_db()
    assert version.state == "quarantined"
    assert "recalled" in client.get(address).content.decode()


def make_receipt_in_germany(version: Version) -> str:
    """One download by somebody there; how the table shows it."""
    from governance.models import ActorProfile

    bob = make_user("bob")
    ActorProfile.objects.create(user=bob, territory="DE")
    make_receipt(version, bob)
    return '<td data-label="Downloads">1</td>'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scopes": []}, "This field is required"),
        ({"until": "2019-01-01"}, "a day that lies ahead"),
        ({"until": "2999-01-01"}, "reach further than what was asked: until"),
        ({"territories": "Atlantis"}, "Not a country code"),
        ({"until": ""}, "This field is required"),
    ],
)
def test_answer_beyond_the_request_is_explained_and_changes_nothing(
    client: Client, changes: dict[str, Any], words: str
) -> None:
    consent = _whole_days()
    answer = client.post(_open(client, consent), _answer(consent, **changes))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    consent.refresh_from_db()
    assert consent.state == "asked"


def test_subject_narrows_what_holds(client: Client) -> None:
    consent = _whole_days()
    address = _open(client, consent)
    client.post(address, _answer(consent))
    consent.refresh_from_db()
    client.post(address, _answer(consent, action="narrow", scopes=["training"]))
    consent.refresh_from_db()
    assert (consent.state, consent.scopes) == ("granted", ["training"])


def test_subject_refuses_for_good(client: Client) -> None:
    consent = _whole_days()
    answer = client.post(_open(client, consent), {"action": "refuse", "never_again": "on"}, follow=True)
    assert "Refused." in answer.content.decode()
    assert Subject.objects.get().declines_requests
    consent.refresh_from_db()
    assert consent.state == "refused"


def test_wrong_links_open_nothing_and_are_counted(client: Client) -> None:
    consent, other = _whole_days(), make_asked(make_user("bob"), email="x@subjects.example")
    secret = key_create(consent=consent)
    missed = [
        reverse("consent_open", args=[consent.public_id, "x" * 43]),
        reverse("consent_open", args=[other.public_id, secret]),
        reverse("consent_open", args=[uuid.uuid4(), secret]),
        reverse("consent_page", args=[consent.public_id]),
    ]
    pages = [client.get(address) for address in missed]
    assert [page.status_code for page in pages] == [404] * 4
    bodies = {re.sub(r'[A-Za-z0-9]{64}|next=[^"]*', "", page.content.decode()) for page in pages}
    assert len(bodies) == 1  # nothing tells which of them exists
    for _ in range(30):
        client.get(missed[0])
    assert client.get(missed[0]).status_code == 429


def test_page_is_closed_without_the_session_of_the_link(client: Client) -> None:
    consent = _whole_days()
    address = _open(client, consent)
    assert client.get(address).status_code == 200
    assert Client().get(address).status_code == 404
    ConsentKey.objects.all().delete()
    assert client.get(address).status_code == 404


def test_forms_of_the_subject_need_their_token() -> None:
    consent = _whole_days()
    client = Client(enforce_csrf_checks=True)
    address = _open(client, consent)
    assert client.post(address, {"action": "refuse"}).status_code == 403


def test_subject_adds_a_page_and_erases_everything(client: Client) -> None:
    consent = _whole_days()
    address = _open(client, consent)
    file = SimpleUploadedFile("signed.pdf", PDF)
    answer = client.post(address, {"action": "evidence", "file": file}, follow=True)
    assert "Kept, encrypted." in answer.content.decode()
    assert ConsentEvidence.objects.get().by == "subject"
    client.post(address, {"action": "refuse"})
    answer = client.post(address, {"action": "erase"}, follow=True)
    assert "Erased" in answer.content.decode()
    assert client.get(address).status_code == 404
    assert ConsentEvidence.objects.get().key_wrapped is None


def test_grantee_asks_sees_the_answer_and_links_a_version(client: Client) -> None:
    ada = make_user("ada")
    client.force_login(ada)
    page = client.get(reverse("consent_ask") + "?adapter=ada/style")
    assert "ada/style" in page.content.decode()
    given = {
        "kind": "person",
        "name": "Sam",
        "email": "sam@subjects.example",
        "scopes": ["publication", "commercial-use"],
        "until": "2030-01-01",
        "adapters": "ADA/style\n",
        "territories": "",
    }
    answer = client.post(reverse("consent_ask"), given)
    consent = Consent.objects.get()
    assert answer["Location"] == reverse("consent_held", args=[consent.public_id])
    assert consent.adapters == ["ada/style"]
    assert "Take the request back" in client.get(answer["Location"]).content.decode()
    _granted(consent)
    version = make_version(actor=ada)
    page = client.get(answer["Location"]).content.decode()
    assert f'<option value="{version.pk}">' in page
    client.post(reverse("consent_link", args=[consent.public_id]), {"version": version.pk})
    assert ConsentLink.objects.get().version == version
    assert "in force" in client.get(reverse("version_consents", args=["ada", "style", 1])).content.decode()
    consent_revoke(consent=consent)
    assert "does not hold any more" in client.get(answer["Location"]).content.decode()


def _granted(consent: Consent) -> None:
    from moderation.services.consent_answers import consent_grant

    consent_grant(consent=consent, terms=consent.asked_terms)


def test_ask_form_says_what_is_wrong(client: Client) -> None:
    client.force_login(make_user("ada"))
    given = {"kind": "person", "name": "S", "email": "s@x.org", "scopes": ["training"], "adapters": "bob/one"}
    answer = client.post(reverse("consent_ask"), given)
    assert answer.status_code == 422
    assert "bob/one is not of ada" in answer.content.decode()


def test_consents_are_for_their_holders_and_their_organisation(client: Client) -> None:
    ada, mel, rob = make_user("ada"), make_user("mel"), make_user("rob")
    studio = make_organisation(ada, "studio", {"member": mel, "reader": rob})
    consent = make_asked(ada, studio)
    address = reverse("consent_held", args=[consent.public_id])
    for person, status in ((ada, 200), (mel, 200), (rob, 404), (make_user("eve"), 404)):
        client.force_login(person)
        assert client.get(address).status_code == status
    client.force_login(mel)
    assert "Sam Subject" in client.get(reverse("consents_held")).content.decode()
    client.post(reverse("consent_withdraw", args=[consent.public_id]))
    consent.refresh_from_db()
    assert consent.state == "withdrawn"


def test_evidence_is_sealed_and_each_look_at_it_is_on_record(client: Client) -> None:
    ada, mona = make_user("ada"), make_user("mona", is_moderator=True)
    consent = make_asked(ada)
    evidence = consent_evidence_add(consent=consent, upload=Upload("passport of Sam.pdf", PDF), by="grantee", actor=ada)
    from django.core.files.storage import default_storage

    with default_storage.open(evidence.storage_key, "rb") as file:
        stored = file.read()
    assert b"signed by Sam" not in stored
    assert b"passport" not in bytes(evidence.filename_sealed)
    address = reverse("consent_evidence", args=[evidence.public_id])
    client.force_login(ada)
    assert client.post(address).status_code == 404
    assert "passport" not in client.get(reverse("consent_held", args=[consent.public_id])).content.decode()
    client.force_login(mona)
    assert client.get(address).status_code == 405
    assert not AuditEntry.objects.filter(action="evidence.viewed").exists()
    opened = client.post(address)
    assert opened.content == PDF
    assert opened["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert 'filename="passport of Sam.pdf"' in opened["Content-Disposition"]
    entry = AuditEntry.objects.get(action="evidence.viewed")
    assert (entry.actor, entry.data["evidence"]) == (handle_of(mona), str(evidence.public_id))


@pytest.mark.parametrize("content", [b"", b"MZ\x90\x00 program", b"\xff\xfe\x00"])
def test_evidence_of_another_kind_is_refused(client: Client, content: bytes) -> None:
    ada = make_user("ada")
    consent = make_asked(ada)
    client.force_login(ada)
    file = SimpleUploadedFile("x.pdf", content)
    answer = client.post(reverse("consent_evidence_add", args=[consent.public_id]), {"file": file})
    assert answer.status_code == 422
    assert not ConsentEvidence.objects.exists()


def test_moderator_finds_what_is_unverified_and_verifies_it(client: Client) -> None:
    consent = make_consent(make_user("ada"))
    mona = make_user("mona", is_moderator=True)
    client.force_login(mona)
    unverified = reverse("consents") + "?unverified=1"
    assert str(consent.public_id) in client.get(unverified).content.decode()
    address = reverse("consent_review", args=[consent.public_id])
    client.post(address, {"method": "call", "note": "Rang the agency"})
    assert "Rang the agency" in client.get(address).content.decode()
    assert str(consent.public_id) not in client.get(unverified).content.decode()
    client.force_login(consent.asked_by)
    assert client.get(address).status_code == 404
    assert client.get(reverse("consents")).status_code == 404


def test_api_asks_lists_links_and_takes_back(client: Client) -> None:
    ada = make_user("ada")
    version = make_version(actor=ada)
    _, secret = make_token(ada)
    more: dict[str, Any] = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {secret}"}}
    terms = {"scopes": ["publication", "commercial-use"], "adapters": ["ada/style"], "until": None}
    body = {"email": "sam@subjects.example", "name": "Sam", "terms": terms}
    made = client.post("/api/v1/consents", body, **more)
    assert made.status_code == 201, made.content
    consent = made.json()
    assert consent["state"] == "asked"
    assert "sam@" not in made.content.decode()
    _granted(Consent.objects.get())
    address = f"/api/v1/consents/{consent['id']}"
    linked = client.post(f"{address}/versions", {"adapter": "ada/style", "version": 1}, **more)
    assert linked.status_code == 200, linked.content
    assert ConsentLink.objects.get().version == version
    assert client.post(f"{address}/withdraw", {}, **more).status_code == 409
    listed = client.get("/api/v1/consents", **more).json()
    assert [item["id"] for item in listed["items"]] == [consent["id"]]
    assert listed["next"] == ""
    wrong = client.post("/api/v1/consents", {**body, "term": {}}, **more)
    assert wrong.status_code == 400
    assert "Did you mean terms?" in wrong.content.decode()
    assert client.get(address).status_code == 401
    client.force_login(make_user("eve"))
    assert client.get(address).status_code == 404


def test_api_of_recalls_is_for_holders(client: Client) -> None:
    bob = make_user("bob")
    version = make_version(actor=make_user("ada"))
    receipt = make_receipt(version, bob)
    consent_revoke(consent=make_linked(version).consent)
    client.force_login(bob)
    (notice,) = client.get("/api/v1/recalls").json()["items"]
    assert (notice["in_force"], notice["versions"]) == (True, ["ada/style v1"])
    assert notice["receipts"] == [str(receipt.pk)]
    done = client.post(f"/api/v1/recalls/{notice['id']}", content_type="application/json")
    assert done.json()["acknowledged_at"]
    client.force_login(make_user("eve"))
    assert client.get(f"/api/v1/recalls/{notice['id']}").status_code == 404
    assert client.get("/api/v1/recalls").json()["items"] == []


def test_recall_pages_show_confirm_and_lift(client: Client) -> None:
    bob, mona = make_user("bob"), make_user("mona", is_moderator=True)
    version = make_version(actor=make_user("ada"))
    make_receipt(version, bob)
    consent = make_linked(version).consent
    consent_revoke(consent=consent)
    client.force_login(bob)
    listed = client.get(reverse("my_recalls")).content.decode()
    assert "to do" in listed
    address = re.search(r"/account/recalls/[0-9a-f-]{36}", listed)
    assert address is not None
    client.post(address[0])
    assert "bob confirmed on" in client.get(address[0]).content.decode()
    client.force_login(make_user("eve"))
    assert client.get(address[0]).status_code == 404
    client.force_login(mona)
    one = re.search(r"/moderation/recalls/[0-9a-f-]{36}", client.get(reverse("recalls")).content.decode())
    assert one is not None
    assert "1, of whom 1 confirmed" in client.get(one[0]).content.decode()
    given = {"ground": "live-again", "public_reasoning": "Sam granted again."}
    refused = client.post(one[0], given)
    assert refused.status_code == 422
    assert "No consent of that person" in refused.content.decode()
    consent.refresh_from_db()
    _granted(consent)
    client.post(one[0], given)
    version.refresh_from_db()
    assert version.state == "published"
    client.force_login(bob)
    assert "Sam granted again." in client.get(address[0]).content.decode()


def test_webhook_pages_are_for_owners(client: Client, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    eve, mel = make_user("eve"), make_user("mel")
    make_organisation(eve, "studio", {"maintainer": mel})
    address = reverse("webhooks", args=["studio"])
    client.force_login(mel)
    assert client.get(address).status_code == 403
    client.force_login(eve)
    refused = client.post(address, {"url": "https://10.0.0.1/hook", "topics": ["recall"]})
    assert refused.status_code == 422
    assert "public internet" in refused.content.decode()
    made = client.post(address, {"url": "http://127.0.0.1:1/hook", "topics": ["version"]}).content.decode()
    assert "whsec_" in made
    assert "whsec_" not in client.get(address).content.decode()
    one = re.search(r"/orgs/studio/webhooks/[0-9a-f-]{36}", made)
    assert one is not None
    client.post(f"{one[0]}/test")
    page = client.get(one[0]).content.decode()
    assert "webhook.test" in page
    assert "whsec_" in client.post(f"{one[0]}/secret").content.decode()
    client.post(f"{one[0]}/disable")
    assert "Switched off." in client.get(one[0]).content.decode()
    message = re.search(r"msg_([0-9a-f-]{36})", page)
    assert message is not None
    client.post(f"{one[0]}/messages/{message[1]}/replay")
    assert "not needed any more" in client.get(one[0]).content.decode()


def test_mails_of_a_request_carry_no_secret_in_the_database() -> None:
    make_asked(make_user("ada"))
    row = Mail.objects.values().get()
    assert not any(isinstance(value, str) and len(value) >= 43 for value in row.values())
