"""The gate: every answer on record, acceptance of exact terms, receipts that verify, links that end."""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.utils import timezone

from accounts.models import User
from governance.errors import GovernanceRefused
from governance.handles import handle_of
from governance.models import AuditEntry, DecisionRecord
from governance.policy import Outcome, Use
from governance.signing import receipt_valid
from registry.errors import AcceptanceNeeded, LinkExpired, NotAvailable
from registry.models import Acceptance, Adapter, Receipt, TermsText, Version
from registry.services.delivery import SALT, gate_accept, gate_ask, link_redeem, link_token
from registry.services.states import version_transition
from registry.services.versions import version_withdraw
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def _asked(actor: User, version: Version, use: Use = Use.PERSONAL, organisation: Any = None) -> dict[str, Any]:
    return {"actor": actor, "organisation": organisation, "version": version, "use": use}


def _accepted(actor: User, version: Version, **more: Any) -> Receipt:
    asked = _asked(actor, version, **more)
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


def test_question_is_put_on_record_and_delivers_nothing(version: Version, bob: User) -> None:
    answer = gate_ask(**_asked(bob, version))
    record = DecisionRecord.objects.get(pk=answer.record.pk)
    assert (record.actor, record.action, record.outcome) == (bob, "personal", "allow")
    assert (record.subject_type, record.subject_id) == ("registry.version", str(version.pk))
    assert not Receipt.objects.exists()
    assert Adapter.objects.get().download_count == 0


@pytest.mark.django_db(transaction=True)
def test_refusal_is_on_record_although_it_is_raised(bob: User) -> None:
    version = make_version(actor=make_user("ada"), declared={"commercial_use": ()})
    with pytest.raises(GovernanceRefused) as refused:
        gate_accept(**_asked(bob, version, Use.SELLING_WEIGHTS), accepted_terms="0" * 64)
    record = DecisionRecord.objects.get(actor=bob, action="selling-weights")
    assert record == refused.value.record
    assert record.outcome == Outcome.DENY
    assert record.reasons
    assert AuditEntry.objects.filter(action="decision.deny", actor=handle_of(bob)).exists()
    assert not Acceptance.objects.exists()


def test_refused_use_is_refused_with_the_right_digest_too(bob: User) -> None:
    version = make_version(actor=make_user("ada"), declared={"commercial_use": ()})
    asked = _asked(bob, version, Use.SELLING_WEIGHTS)
    with pytest.raises(GovernanceRefused):
        gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


@pytest.mark.parametrize("digest", ["", "0" * 64, "x"])
def test_terms_that_were_not_accepted_are_named_and_nothing_is_handed_out(
    version: Version, bob: User, digest: str
) -> None:
    with pytest.raises(AcceptanceNeeded) as needed:
        gate_accept(**_asked(bob, version), accepted_terms=digest)
    terms = TermsText.objects.get(digest=needed.value.data["terms"])
    assert needed.value.data["text"] == terms.text
    assert hashlib.sha256(terms.text.encode()).hexdigest() == terms.digest
    assert not Receipt.objects.exists()


def test_terms_of_another_use_are_not_those_of_this_one(version: Version, bob: User) -> None:
    digest = gate_ask(**_asked(bob, version, Use.RESEARCH)).terms.digest
    with pytest.raises(AcceptanceNeeded):
        gate_accept(**_asked(bob, version, Use.PERSONAL), accepted_terms=digest)


def test_digest_of_terms_that_have_changed_since_is_stale(version: Version, bob: User) -> None:
    digest = gate_ask(**_asked(bob, version)).terms.digest
    Version.objects.filter(pk=version.pk).update(credit_required=False)
    with pytest.raises(AcceptanceNeeded):
        gate_accept(**_asked(bob, Version.objects.select_related("adapter__owner").get()), accepted_terms=digest)


def test_acceptance_names_who_accepted_which_text_for_what(version: Version, bob: User) -> None:
    studio = make_organisation(bob, "studio")
    receipt = _accepted(bob, version, use=Use.RESEARCH, organisation=studio)
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.organisation, acceptance.version) == (bob, studio, version)
    assert acceptance.use == "research"
    assert "use: research" in acceptance.terms.text
    assert acceptance.decision.outcome == "allow"
    assert acceptance.terms_id == receipt.body["terms_sha256"]


def test_receipt_verifies_and_any_change_breaks_it(version: Version, bob: User) -> None:
    body = _accepted(bob, version).body
    assert receipt_valid(body)
    for name, value in body.items():
        changed = {**body, name: [value, "changed"]}
        assert not receipt_valid(changed), f"{name} can be changed unnoticed"
    assert not receipt_valid({name: value for name, value in body.items() if name != "use"})


def test_receipt_says_what_was_delivered_to_whom(version: Version, bob: User) -> None:
    receipt = _accepted(bob, version)
    file = version.files.get()
    body = receipt.body
    assert body["file"] == {"path": file.path, "sha256": file.sha256, "size": file.size}
    assert (body["adapter"], body["version"], body["recipient"]) == ("ada/style", 1, "bob")
    assert body["decision"] == str(receipt.acceptance.decision.public_id)
    assert body["notice_sha256"] == hashlib.sha256(receipt.notice.encode()).hexdigest()
    assert Receipt.objects.get().body == body


def test_notice_names_makers_licences_and_what_is_passed_on(bob: User) -> None:
    version = make_version(actor=make_user("ada"), title="Old Photos", declared={"licence_id": "cc-by-4.0"})
    notice = _accepted(bob, version).notice
    assert notice.startswith("NOTICE")
    for part in ("Old Photos", "ada/style v1", "cc-by-4.0", "apache-2.0", version.base_model.name):
        assert part in notice
    assert re.search(r"^\* .*credit|^\* .*attribut", notice, re.IGNORECASE | re.MULTILINE)


def test_every_passed_gate_counts_and_gives_a_receipt_of_its_own(version: Version, bob: User) -> None:
    receipts = {_accepted(bob, version).pk for _ in range(3)}
    assert len(receipts) == 3
    assert Adapter.objects.get().download_count == 3
    assert AuditEntry.objects.filter(action="gate.accepted", actor=handle_of(bob)).count() == 3


@pytest.mark.parametrize("state", ["quarantined", "withdrawn", "taken-down", "in-review"])
def test_gate_is_shut_for_what_is_not_published(version: Version, bob: User, state: str) -> None:
    digest = gate_ask(**_asked(bob, version)).terms.digest
    records = DecisionRecord.objects.count()
    version_transition(version=version, to=VersionState(state), actor=None)
    with pytest.raises(NotAvailable):
        gate_ask(**_asked(bob, version))
    with pytest.raises(NotAvailable):
        gate_accept(**_asked(bob, version), accepted_terms=digest)
    assert DecisionRecord.objects.count() == records


def test_version_quarantined_between_answer_and_receipt_is_not_handed_out(version: Version, bob: User) -> None:
    stale = Version.objects.select_related("adapter__owner", "created_by", "base_model").get()
    digest = gate_ask(**_asked(bob, version)).terms.digest
    version_transition(version=version, to=VersionState.QUARANTINED, actor=None)
    with pytest.raises(NotAvailable):
        gate_accept(**_asked(bob, stale), accepted_terms=digest)
    assert not Receipt.objects.exists()
    assert Adapter.objects.get().download_count == 0


# Links


def test_link_leads_to_the_file_and_notes_the_first_delivery_once(version: Version, bob: User) -> None:
    receipt = _accepted(bob, version)
    token = link_token(receipt=receipt)
    assert link_redeem(token=token) == version.files.get()
    first = Receipt.objects.get().first_delivered_at
    assert first is not None
    link_redeem(token=token)
    assert Receipt.objects.get().first_delivered_at == first


def test_link_ends_after_its_lifetime(version: Version, bob: User, settings: Any) -> None:
    token = link_token(receipt=_accepted(bob, version))
    settings.DOWNLOAD_URL_LIFETIME = timedelta(seconds=-1)
    with pytest.raises(LinkExpired):
        link_redeem(token=token)


@pytest.mark.parametrize("state", ["quarantined", "taken-down"])
def test_link_ends_with_the_publication_and_lives_again_with_it(version: Version, bob: User, state: str) -> None:
    token = link_token(receipt=_accepted(bob, version))
    version_transition(version=version, to=VersionState(state), actor=None)
    with pytest.raises(NotAvailable):
        link_redeem(token=token)
    assert Receipt.objects.get().first_delivered_at is None


def test_link_to_a_withdrawn_version_is_dead_while_a_newer_one_is_served(version: Version, bob: User) -> None:
    from tests.safetensors_bytes import lora_bytes

    old = link_token(receipt=_accepted(bob, version))
    newer = make_version(actor=version.created_by, content=lora_bytes(seed=2))
    new = link_token(receipt=_accepted(bob, newer))
    version_withdraw(version=version, actor=version.created_by, reason="Old.")
    with pytest.raises(NotAvailable):
        link_redeem(token=old)
    assert link_redeem(token=new) == newer.files.get()


def _forged(receipt: Receipt) -> list[str]:
    token = link_token(receipt=receipt)
    flipped = ("A" if token[0] != "A" else "B") + token[1:]
    return [
        str(receipt.pk), "", "x", flipped, token[:-1], token.rsplit(":", 1)[0],
        signing.dumps(str(receipt.pk), salt="another"),
        signing.dumps(str(receipt.pk), salt=SALT, key="another key that is long enough to be one"),
        signing.dumps("00000000-0000-4000-8000-000000000000", salt=SALT),
    ]  # fmt: skip


def test_forged_link_leads_nowhere(version: Version, bob: User) -> None:
    for token in _forged(_accepted(bob, version)):
        with pytest.raises(LinkExpired):
            link_redeem(token=token)
    assert timezone.now() > Receipt.objects.get().issued_at
