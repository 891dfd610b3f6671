"""The end of a consent holds back what rests on it and recalls it from who holds a receipt; and the way back."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry
from governance.policy import Use
from moderation.consent_terms import ConsentScope, ConsentState, EndReason
from moderation.errors import RecallStands
from moderation.models import Consent, Mail, Recall, RecallNotice, RecallVersion
from moderation.selectors.consents import live_consents, missing_consents
from moderation.selectors.recall import access_notice, notices_of, unanswered_recalls
from moderation.services.consent_answers import consent_grant, consent_narrow, consent_revoke
from moderation.services.consent_ends import consent_end, consents_expire, uncovered_withhold
from moderation.services.consents import consent_link
from moderation.services.recall import Held, notice_acknowledge, recall_hand_out, recall_write, recalls_waiting
from moderation.services.recall_lifting import Ground, recall_reverse
from registry.errors import ConflictOfInterest, NotAvailable
from registry.models import Version
from registry.services.delivery import gate_ask
from registry.services.versions import Parent, version_withdraw
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_consent, make_linked, make_receipt, terms
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
S = ConsentScope


def _state(version: Version) -> str:
    return Version.objects.values_list("state", flat=True).get(pk=version.pk)


def _fresh(version: Version) -> Version:
    return Version.objects.select_related("adapter__owner", "created_by").get(pk=version.pk)


def test_holder_is_told_on_every_page_and_at_the_gate_until_they_confirm(client: Client) -> None:
    version, bob = make_version(actor=make_user("ada"), declared={"commercial_use": ()}), make_user("bob")
    link = make_linked(version)
    make_receipt(version, bob)
    client.force_login(bob)
    home, told = reverse("home"), "Something that you downloaded was recalled."
    assert told not in client.get(home).content.decode()
    consent_revoke(consent=link.consent)
    assert told in client.get(home).content.decode()
    refused = client.get(reverse("gate", args=["ada", "style", 1]))
    text = refused.content.decode()
    assert refused.status_code == 410
    assert "has revoked it" in text
    assert told in text
    assert "“My recalls” under your account" in text
    assert told not in client.get(reverse("my_recalls")).content.decode()
    assert told not in Client().get(home).content.decode()
    notice_acknowledge(notice=RecallNotice.objects.get(), actor=bob)
    assert told not in client.get(home).content.decode()


def test_owner_is_told_of_what_their_organisation_holds(client: Client) -> None:
    version, eve = make_version(actor=make_user("ada"), declared={"commercial_use": ()}), make_user("eve")
    link, studio = make_linked(version), make_organisation(eve, "studio", {"member": make_user("mel")})
    make_receipt(version, User.objects.get(username="mel"), studio)
    consent_revoke(consent=link.consent)
    client.force_login(eve)
    assert "Something that you downloaded was recalled." in client.get(reverse("home")).content.decode()


def _lifted(ground: Ground = Ground.LIVE_AGAIN) -> Recall:
    mona = make_user("mona", is_moderator=True)
    return recall_reverse(
        recall=Recall.objects.get(), actor=mona, ground=ground, public_reasoning="They granted again."
    )


def _holders(kind: str = "issued") -> set[str]:
    notices = RecallNotice.objects.filter(kind=kind).select_related("user", "organisation__namespace")
    return {notice.organisation.namespace.slug if notice.organisation else notice.user.username for notice in notices}


def test_revocation_holds_back_recalls_and_tells_each_holder_once() -> None:
    ada, bob, eve = make_user("ada"), make_user("bob"), make_user("eve")
    studio = make_organisation(eve, "studio", {"member": make_user("mel")})
    version = make_version(actor=ada)
    link = make_linked(version)
    make_receipt(version, bob)
    make_receipt(version, bob)
    make_receipt(version, eve, studio)
    make_receipt(version, studio.memberships.get(role="member").user, studio)

    consent_revoke(consent=link.consent)

    held = _fresh(version)
    assert held.state == VersionState.QUARANTINED
    assert held.state_detail["code"] == "consent-ended"
    assert "revoked" in held.state_detail["why"]
    entry = RecallVersion.objects.get()
    assert (entry.version, entry.state_before, entry.decision) == (version, "published", held.decision)
    assert entry.recall.consent == link.consent
    assert _holders() == {"bob", "studio"}
    assert recalls_waiting() == [entry.recall_id]
    out = io.StringIO()
    call_command("audit_verify", stdout=out)
    assert "the chain is whole" in out.getvalue()


def test_gate_refuses_and_links_die_with_the_reason_on_the_page(client: Any) -> None:
    ada, bob = make_user("ada"), make_user("bob")
    version = make_version(actor=ada)
    link = make_linked(version)
    make_receipt(version, bob)
    consent_revoke(consent=link.consent)
    with pytest.raises(NotAvailable, match="quarantined"):
        gate_ask(actor=bob, organisation=None, version=_fresh(version), use=Use.PERSONAL)
    client.force_login(ada)
    page = client.get("/ada/style/v/1").content.decode()
    assert "a consent that it needs does not hold any more" in page
    assert "A person whose consent it rests on has revoked it." in page
    client.force_login(bob)  # who downloaded it reads at the gate why; for others it is not there
    refused = client.get("/ada/style/v/1/download")
    assert refused.status_code == 410
    assert "A person whose consent it rests on has revoked it." in refused.content.decode()
    client.force_login(make_user("stranger"))
    assert client.get("/ada/style/v/1/download").status_code == 404
    client.force_login(bob)
    notice = RecallNotice.objects.get()
    page = client.get(f"/account/recalls/{notice.public_id}").content.decode()
    assert "A person whose consent it rests on has revoked it." in page
    assert "delete every copy" in page


def test_end_done_twice_changes_nothing() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    make_receipt(version, make_user("bob"))
    consent_end(consent=consent, why=EndReason.REVOKED)
    before = AuditEntry.objects.count()
    again = consent_end(consent=consent, why=EndReason.EXPIRED)
    assert again.state == ConsentState.REVOKED
    assert AuditEntry.objects.count() == before
    assert (Recall.objects.count(), RecallNotice.objects.count()) == (1, 1)


@pytest.mark.parametrize("table", ["moderation_recall", "moderation_recallnotice", "moderation_mail"])
def test_end_and_all_that_follows_is_one_transaction(table: str) -> None:
    """Wherever the database gives up on the way, nothing at all has happened."""
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    make_receipt(version, make_user("bob"))
    entries = AuditEntry.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$; "
            f"CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION broken();"
        )
    with pytest.raises(DatabaseError, match="no room"), transaction.atomic():
        consent_revoke(consent=consent)
    assert Consent.objects.get().state == ConsentState.GRANTED
    assert live_consents(version=version, scope="publication") == [consent]
    assert _state(version) == VersionState.PUBLISHED
    assert not Recall.objects.exists()
    assert AuditEntry.objects.count() == entries


def test_another_live_consent_of_the_same_person_keeps_the_version() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    first = make_linked(version).consent
    second = make_consent(ada)
    consent_revoke(consent=first)
    assert _state(version) == VersionState.PUBLISHED
    assert not Recall.objects.exists()
    consent_link(version=version, consent=second, actor=ada)
    consent_revoke(consent=second)
    assert _state(version) == VersionState.QUARANTINED


def test_another_persons_consent_does_not_take_its_place() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    first = make_linked(version).consent
    make_linked(version, make_consent(ada, email="other@subjects.example"))
    consent_revoke(consent=first)
    assert _state(version) == VersionState.QUARANTINED


@pytest.mark.parametrize(
    ("kept", "state"),
    [
        ({S.TRAINING, S.PREVIEW, S.PUBLICATION, S.COMMERCIAL}, "published"),
        ({S.PUBLICATION, S.COMMERCIAL}, "published"),
        ({S.PUBLICATION}, "quarantined"),  # its flags allow commercial use
        ({S.TRAINING}, "quarantined"),
    ],
)
def test_narrowing_holds_back_what_is_not_covered_any_more(kept: set[ConsentScope], state: str) -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    earlier = consent.valid_until - timedelta(days=1)
    consent_narrow(consent=consent, terms=terms(scopes=frozenset(kept), until=earlier))
    assert _state(version) == state
    assert Recall.objects.count() == (state == "quarantined")


def test_expiry_does_the_same_by_the_sweep() -> None:
    version = make_version(actor=make_user())
    make_linked(version)
    make_receipt(version, make_user("bob"))
    Consent.objects.update(valid_until=timezone.now())
    assert consents_expire() == 1
    assert _state(version) == VersionState.QUARANTINED
    assert "run out" in Recall.objects.get().public_text


def _made_from(parent: Version, actor: Any, name: str, seed: int) -> Version:
    declared = {"parents": (Parent(parent.pk, "merge"),)}
    return make_version(actor=actor, name=name, content=lora_bytes(seed=seed), declared=declared)


def test_everything_made_from_it_is_held_back_and_recalled_too() -> None:
    ada, bob, eve = make_user("ada"), make_user("bob"), make_user("eve")
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    merged = _made_from(version, bob, "merged", 5)
    grandchild = _made_from(merged, bob, "again", 6)
    assert _state(grandchild) == VersionState.PUBLISHED
    make_receipt(grandchild, eve)
    consent_revoke(consent=consent)
    assert [_state(one) for one in (version, merged, grandchild)] == ["quarantined"] * 3
    assert _holders() == {"eve"}


def test_descendant_with_a_consent_of_its_own_stays() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    merged = _made_from(version, bob, "merged", 5)
    make_linked(merged, make_consent(bob))
    leaf = _made_from(merged, make_user("eve"), "leaf", 6)
    both = make_version(
        actor=bob, name="both", content=lora_bytes(seed=7), declared={"parents": (Parent(version.pk, "merge"),)}
    )
    consent_revoke(consent=consent)
    states = [_state(one) for one in (version, merged, leaf, both)]
    assert states == ["quarantined", "published", "published", "published"]  # bob may use it in all of his
    for one in (merged, leaf, both):
        assert missing_consents(_fresh(one)) == []
        make_receipt(_fresh(one), ada)


def test_withdrawn_version_is_recalled_from_those_who_hold_it() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    make_receipt(version, bob)
    version_withdraw(version=version, actor=ada, reason="A new version follows.")
    consent_revoke(consent=consent)
    assert _state(version) == VersionState.WITHDRAWN
    assert _holders() == {"bob"}


def test_granted_again_a_moderator_lifts_the_recall_and_readers_are_told() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    make_receipt(version, make_user("bob"))
    consent = consent_revoke(consent=consent)
    with pytest.raises(RecallStands, match="No consent"), transaction.atomic():
        _lifted()
    assert _state(version) == VersionState.QUARANTINED
    consent_grant(consent=consent, terms=consent.asked_terms)
    assert _state(version) == VersionState.QUARANTINED  # a person looks before it is out again
    recall = _lifted_by_mona()
    assert recall.state == "lifted"
    held = _fresh(version)
    assert held.state == VersionState.PUBLISHED
    assert held.decision.public_reasoning == "They granted again."
    assert _holders("lifted") == {"bob"}
    with pytest.raises(RecallStands, match="already"), transaction.atomic():
        _lifted_by_mona()
    consent_revoke(consent=Consent.objects.get())
    assert _state(version) == VersionState.QUARANTINED
    assert Recall.objects.count() == 2


def _lifted_by_mona(ground: Ground = Ground.LIVE_AGAIN) -> Recall:
    from accounts.models import User

    mona = User.objects.filter(username="mona").first() or make_user("mona", is_moderator=True)
    recall = Recall.objects.order_by("pk").first()
    assert recall is not None
    return recall_reverse(recall=recall, actor=mona, ground=ground, public_reasoning="They granted again.")


def test_consent_ended_in_error_is_restored_and_its_subject_told() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    consent_revoke(consent=consent)
    _lifted(Ground.ENDED_IN_ERROR)
    assert Consent.objects.get().state == ConsentState.GRANTED
    assert _state(version) == VersionState.PUBLISHED
    assert Mail.objects.filter(kind="consent-restored", subject=consent.subject).count() == 1


def test_what_ran_out_cannot_be_restored_past_its_end() -> None:
    version = make_version(actor=make_user())
    make_linked(version)
    Consent.objects.update(valid_until=timezone.now())
    consents_expire()
    with pytest.raises(RecallStands, match="run out"), transaction.atomic():
        _lifted(Ground.ENDED_IN_ERROR)


def test_version_that_does_not_need_the_consent_is_released_from_it() -> None:
    version = make_version(actor=make_user())
    link = make_linked(version)
    consent_revoke(consent=link.consent)
    _lifted(Ground.NOT_NEEDED)
    link.refresh_from_db()
    assert link.released_by.username == "mona"
    assert Consent.objects.get().state == ConsentState.REVOKED
    assert _state(version) == VersionState.PUBLISHED
    assert uncovered_withhold() == 0


def test_recall_of_another_person_keeps_it_held_back() -> None:
    ada = make_user()
    version = make_version(actor=ada)
    first = make_linked(version).consent
    second = make_linked(version, make_consent(ada, email="other@subjects.example")).consent
    consent_revoke(consent=first)
    consent_revoke(consent=second)
    assert Recall.objects.count() == 2
    _lifted_by_mona(Ground.ENDED_IN_ERROR)
    assert _state(version) == VersionState.QUARANTINED


def test_nobody_lifts_a_recall_of_their_own_upload() -> None:
    ada = make_user(is_moderator=True)
    version = make_version(actor=ada)
    consent_revoke(consent=make_linked(version).consent)
    with pytest.raises(ConflictOfInterest):
        recall_reverse(recall=Recall.objects.get(), actor=ada, ground=Ground.NOT_NEEDED, public_reasoning="It is mine.")


def test_word_that_has_not_left_does_not_leave_after_the_recall_is_lifted() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    make_receipt(version, make_user("bob"))
    consent_revoke(consent=consent)
    recall_hand_out(recall_id=Recall.objects.get().pk)
    assert Mail.objects.get(kind="recall-issued").state == "queued"
    _lifted(Ground.ENDED_IN_ERROR)
    assert Mail.objects.get(kind="recall-issued").state == "dropped"
    recall_hand_out(recall_id=Recall.objects.get().pk)
    assert Mail.objects.get(kind="recall-lifted").state == "queued"


def test_letters_go_to_the_holder_or_to_owners_and_who_downloaded() -> None:
    ada, bob, eve, mel = (make_user(name) for name in ("ada", "bob", "eve", "mel"))
    studio = make_organisation(eve, "studio", {"member": mel, "reader": make_user("rob")})
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    make_receipt(version, bob)
    make_receipt(version, mel, studio)
    studio.memberships.filter(user=mel).delete()  # who left may hold a copy still
    consent_revoke(consent=consent)
    recall = Recall.objects.get()
    assert recall_hand_out(recall_id=recall.pk) == 2
    assert recall_hand_out(recall_id=recall.pk) == 0
    readers = Mail.objects.filter(kind="recall-issued").values_list("user__username", flat=True)
    assert sorted(readers) == ["bob", "eve", "mel"]
    assert [notices_of(actor=person).count() for person in (ada, bob, eve, mel)] == [0, 1, 1, 1]
    assert notices_of(actor=make_user("stranger")).count() == 0


def _page_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.get(reverse("my_recalls")).content.decode()


def test_holder_confirms_once_and_it_is_on_record() -> None:
    version = make_version(actor=make_user())
    bob = make_user("bob")
    make_receipt(version, bob)
    consent_revoke(consent=make_linked(version).consent)
    notice = RecallNotice.objects.get()
    assert unanswered_recalls(actor=bob) == 1
    page = _page_of(bob)
    assert "1 of them waits for your word that you have done what it asks" in page
    first = notice_acknowledge(notice=access_notice(actor=bob, public_id=notice.public_id), actor=bob)
    again = notice_acknowledge(notice=notice, actor=bob)
    assert first.acknowledged_at == again.acknowledged_at
    assert unanswered_recalls(actor=bob) == 0
    assert "wait" not in _page_of(bob)
    assert AuditEntry.objects.filter(action="recall.acknowledged").count() == 1


def test_recall_of_a_version_is_issued_once_for_a_cause() -> None:
    version = make_version(actor=make_user())
    make_receipt(version, make_user("bob"))
    asked: dict[str, Any] = {"reason_code": "unsafe", "public_text": "It was stolen.", "what_to_do": "Delete it."}
    asked["versions"] = [Held(version, version.state)]
    first = recall_write(cause="one", **asked)
    assert first is not None
    assert recall_write(cause="one", **asked) is None
    assert recall_write(cause="another", **asked) not in {None, first}
    assert RecallNotice.objects.count() == 2
    assert _state(version) == VersionState.PUBLISHED  # its state is the caller's matter


def test_net_below_holds_back_what_slipped_through() -> None:
    version = make_version(actor=make_user())
    link = make_linked(version)
    assert uncovered_withhold() == 0
    Consent.objects.update(state="revoked", ended_at=timezone.now(), end_reason="revoked")  # past the services
    assert uncovered_withhold() == 1
    assert _state(version) == VersionState.QUARANTINED
    assert Recall.objects.get().consent == link.consent
    assert uncovered_withhold() == 0
