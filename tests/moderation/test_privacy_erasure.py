"""An erased account: nothing in the database names the person but what docs/privacy.md says, and the chain is whole."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.db import DatabaseError, connection, transaction

from accounts.models import ApiToken, Membership, User
from accounts.services import SlugTaken, member_add, token_create, user_register
from governance.handles import actor_names, actors_of
from governance.models import ActorHandle, AuditEntry, DecisionRecord
from governance.redaction import Redaction, rows_redact
from governance.services import actor_profile_update
from governance.signing import receipt_valid
from moderation.errors import ErasureBlocked
from moderation.likeness_consent import current_consent
from moderation.models import (
    ActsAs,
    Case,
    CaseEvent,
    CaseEvidence,
    CaseKind,
    ConsentEvent,
    ErasedVia,
    ErasureRecord,
    OptOutEntry,
    Report,
)
from moderation.services.cases import case_assign
from moderation.services.data_erasure import Choices, erasures_finish, user_erase
from moderation.services.data_export import export_ask, export_make
from moderation.services.evidence import Upload as File
from moderation.services.likeness import identity_enrol
from registry.models import Acceptance, Adapter, Lineage, Receipt, TermsText, Version
from registry.services.ratings import adapter_rate
from tests.factories.accounts import PASSWORD, make_organisation, make_user
from tests.factories.consents import make_asked, make_consent, make_receipt
from tests.factories.moderation import CONTACT, decide, make_case, make_report
from tests.factories.optout import addresses, make_picture, names, picture_bytes, register_as
from tests.factories.registry import make_version, stored_file
from tests.governance.tampering import tamper, verify
from tests.moderation.dumping import tables_with
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db

NAME, EMAIL, SHOWN = "zelda-quixote", "zelda.q@distinct.example", "Zelda Quixote"
WORDS = (NAME, EMAIL, SHOWN, "zeldas", "zelda")
# What other people accepted, word for word, and their receipts: docs/privacy.md.
OTHERS = frozenset({"registry_termstext", "registry_receipt"})


@dataclass
class House:
    zelda: User
    bob: User
    mo: User
    left: Version  # public, and stays so
    gone: Version  # public, and is withdrawn
    own: Version  # nobody else sees it


@pytest.fixture
def house() -> House:
    """Somebody with a name that is found nowhere else, who has done a bit of everything."""
    zelda = user_register(username=NAME, email=EMAIL, password=PASSWORD, display_name=SHOWN)
    bob, mo = make_user("bob"), make_user("mo", is_moderator=True)
    left = make_version(actor=zelda, name="style")
    gone = make_version(actor=zelda, name="zeldas-other", content=lora_bytes(seed=2))
    secret = {"training_sources": "Photographs of Zelda.", "trigger_words": ("zeldas-face",), "notes": "By Zelda."}
    own = make_version(
        actor=zelda, name="zeldas-face", content=lora_bytes(seed=3), filename="zelda-face.safetensors",
        visibility="private", title="Zelda", description="The face of Zelda", declared=secret,
    )  # fmt: skip
    return House(zelda, bob, mo, left, gone, own)


@pytest.fixture
def busy(house: House) -> House:
    zelda, bob, mo = house.zelda, house.bob, house.mo
    studio = make_organisation(bob)
    member_add(actor=bob, organisation=studio, user=zelda, role="owner")
    token_create(user=zelda, name="zeldas laptop", scopes=["read"])
    actor_profile_update(actor=zelda, organisation=None, facts={"annual_revenue_usd": 1234})
    theirs = make_version(actor=bob, name="hers", content=lora_bytes(seed=4))
    for version, user in ((theirs, zelda), (house.own, zelda), (house.left, bob), (house.gone, bob)):
        make_receipt(version, user)
    adapter_rate(actor=zelda, adapter=theirs.adapter, stars=4)
    child = make_version(actor=bob, name="child", content=lora_bytes(seed=5))
    Lineage.objects.create(child=child, parent=house.left, relation="merge")
    make_receipt(child, mo)
    told = replace(CONTACT, name=SHOWN, email=EMAIL, signature=SHOWN)
    report, _ = make_report(theirs, contact=told, account=zelda)
    decide(report.case, mo, "dismiss")
    make_report(house.left, text=f"{NAME}/style is my work, write to {EMAIL}.")
    case = make_case(house.gone, kind=CaseKind.QUALITY, summary=f"About {NAME}/zeldas-other v1")
    decide(case, mo, "dismiss")
    make_consent(zelda, adapters=frozenset({f"{NAME}/style"}))
    make_asked(zelda, email="tom@subjects.example", message=f"{NAME}/style")
    register_as(zelda, *names("Zelda Quixote"))
    identity_enrol(user=zelda, name=SHOWN, acts_as=ActsAs.SELF, consent=current_consent())
    export_make(export_id=export_ask(user=zelda).pk)
    return house


def _erase(house: House) -> ErasureRecord:
    choices = Choices(left_public=frozenset({house.left.adapter_id}))
    return user_erase(user=house.zelda, choices=choices, via=ErasedVia.ACCOUNT)


def test_erased_person_is_found_nowhere_but_in_the_documents_of_others(busy: House) -> None:
    assert {"accounts_user", "governance_decisionrecord", "registry_receipt"} <= tables_with(*WORDS).keys()
    assert tables_with(*WORDS).get("governance_auditentry") is None  # it never named anybody
    assert "the chain is whole" in verify()
    _erase(busy)
    assert tables_with(*WORDS, but=OTHERS) == {}
    assert "the chain is whole" in verify()


def test_only_documents_that_others_accepted_still_name_the_person(busy: House) -> None:
    _erase(busy)
    naming = tables_with(*WORDS)
    assert naming.keys() == OTHERS
    for receipt in Receipt.objects.all():
        others = receipt.acceptance.user_id != busy.zelda.pk
        assert (NAME in json.dumps(receipt.body)) <= others
    accepted = set(Acceptance.objects.exclude(user=busy.zelda).values_list("terms_id", flat=True))
    assert {terms.pk for terms in TermsText.objects.filter(text__icontains="zelda")} <= accepted


def test_own_receipts_name_the_pseudonym_and_their_signature_fits(busy: House) -> None:
    _erase(busy)
    user = User.objects.get(pk=busy.zelda.pk)
    mine = Receipt.objects.filter(acceptance__user=user)
    assert {receipt.body["recipient"] for receipt in mine} == {user.username}
    assert all(receipt_valid(receipt.body) for receipt in Receipt.objects.all())


def test_account_is_emptied_and_cannot_be_signed_in_to(busy: House) -> None:
    _erase(busy)
    user = User.objects.get(pk=busy.zelda.pk)
    assert (user.is_active, user.has_usable_password(), user.display_name) == (False, False, "")
    assert user.email.endswith("@erased.invalid")
    assert not ApiToken.objects.filter(user=user).exists()
    assert not Membership.objects.filter(user=user).exists()


def test_chain_does_not_lead_to_the_person_any_more(busy: House) -> None:
    handle = actors_of(busy.zelda)[0]
    assert AuditEntry.objects.filter(actor=handle).exists()
    assert actor_names([handle]) == {handle: NAME}
    _erase(busy)
    assert actor_names([handle]) == {}
    assert not ActorHandle.objects.filter(user=busy.zelda).exists()


def test_published_adapter_stays_under_the_pseudonym_or_is_withdrawn_as_chosen(busy: House) -> None:
    _erase(busy)
    left, gone, own = (Version.objects.get(pk=version.pk) for version in (busy.left, busy.gone, busy.own))
    assert (left.state, gone.state, own.state) == ("published", "withdrawn", "withdrawn")
    assert str(left.adapter).startswith("erased-")
    assert left.adapter.listed
    assert (own.adapter.title, own.adapter.description, own.training_sources) == ("Erased", "", "Erased.")


def test_files_of_what_is_not_left_public_are_deleted(house: House, django_capture_on_commit_callbacks: Any) -> None:
    paths = [stored_file(version) for version in (house.left, house.gone, house.own)]
    with django_capture_on_commit_callbacks(execute=True):
        _erase(house)
    assert [path.exists() for path in paths] == [True, False, False]


def test_export_of_before_is_deleted_with_the_account(house: House, django_capture_on_commit_callbacks: Any) -> None:
    export = export_ask(user=house.zelda)
    export_make(export_id=export.pk)
    export.refresh_from_db()
    assert default_storage.exists(export.storage_key)
    with django_capture_on_commit_callbacks(execute=True):
        _erase(house)
    assert not default_storage.exists(export.storage_key)


def test_nobody_gets_the_name_again(house: House) -> None:
    _erase(house)
    for name in (NAME, "zelda.quixote"):
        with pytest.raises(SlugTaken):
            user_register(username=name, email="other@example.org", password=PASSWORD)


def test_only_owner_of_an_organisation_has_to_hand_it_over_first(house: House) -> None:
    studio = make_organisation(house.zelda)
    before = AuditEntry.objects.count()
    with pytest.raises(ErasureBlocked, match="only owner of Studio"):
        _erase(house)
    assert AuditEntry.objects.count() == before
    assert User.objects.get(pk=house.zelda.pk).username == NAME
    member_add(actor=house.zelda, organisation=studio, user=house.bob, role="owner")
    _erase(house)
    assert [row.user for row in studio.memberships.all()] == [house.bob]


def test_erasing_twice_is_refused(house: House) -> None:
    _erase(house)
    with pytest.raises(ErasureBlocked, match="already"):
        _erase(house)


def test_evidence_of_an_open_case_stays_until_it_is_decided(
    house: House, django_capture_on_commit_callbacks: Any
) -> None:
    case = make_case(house.gone, kind=CaseKind.RIGHTS)
    path = stored_file(house.gone)
    with django_capture_on_commit_callbacks(execute=True):
        record = _erase(house)
    assert record.counts["waiting"] == [house.gone.adapter_id]
    assert path.exists()
    assert erasures_finish() == 0
    decide(case, house.mo, "dismiss")
    with django_capture_on_commit_callbacks(execute=True):
        assert erasures_finish() == 1
    assert not path.exists()
    assert tables_with(*WORDS, but=OTHERS) == {}
    assert erasures_finish() == 0
    assert "the chain is whole" in verify()


def test_contact_in_a_report_stays_sealed_until_the_decision(house: House) -> None:
    theirs = make_version(actor=house.bob, name="hers", content=lora_bytes(seed=4))
    report, _ = make_report(theirs, account=house.zelda)
    _erase(house)
    assert bytes(Report.objects.get(pk=report.pk).contact)
    decide(report.case, house.mo, "dismiss")
    assert erasures_finish() == 1
    assert (bytes(Report.objects.get(pk=report.pk).contact), Report.objects.get(pk=report.pk).contact_digest) == (
        b"",
        "",
    )


def test_moderator_who_leaves_locks_no_case(house: House) -> None:
    case = make_case(house.left, kind=CaseKind.QUALITY)
    Case.objects.filter(pk=case.pk).update(assignee=house.mo)
    user_erase(user=house.mo, choices=Choices(), via=ErasedVia.OPERATOR)
    assert Case.objects.get(pk=case.pk).assignee is None


def test_name_that_is_a_common_word_changes_nothing_else() -> None:
    """Whatever somebody is called: folders, types of files and addresses of others are not theirs."""
    user, bob, mo = make_user("image"), make_user("bob"), make_user("mo", is_moderator=True)
    version = make_version(actor=user, name="png")
    make_receipt(version, bob)
    theirs = make_version(actor=bob, name="x", content=lora_bytes(seed=2), description="image/png and image/png.")
    told = (
        'https://pictures.example.org/image/png-files, https://pictures.example.org/image/png, "image", see image/png'
    )
    report, _ = make_report(theirs, text=told, files=[File("a.png", picture_bytes(make_picture()))])
    case_assign(case=report.case, actor=mo, assignee=mo)
    register_as(bob, *addresses("https://pictures.example.org/image/png"))
    before = CaseEvidence.objects.values().get(), OptOutEntry.objects.values().get()
    left = Choices(left_public=frozenset({version.adapter_id}))
    pseudonym = User.objects.get(pk=user_erase(user=user, choices=left, via=ErasedVia.ACCOUNT).user_id).username
    assert (CaseEvidence.objects.values().get(), OptOutEntry.objects.values().get()) == before
    assert Report.objects.get().text == told.removesuffix("image/png") + f"{pseudonym}/png"
    assert Adapter.objects.get(pk=theirs.adapter_id).description == f"{pseudonym}/png and {pseudonym}/png."
    user_erase(user=mo, choices=Choices(), via=ErasedVia.OPERATOR)
    assert not CaseEvent.objects.filter(text="mo").exists()


def test_consent_for_an_adapter_that_was_never_made_does_not_name_the_person(house: House) -> None:
    asked = make_consent(house.zelda, adapters=frozenset({f"{NAME}/not-yet"}))
    _erase(house)
    asked.refresh_from_db()
    assert asked.adapters[0].startswith("erased-")
    assert asked.adapters[0].endswith("/not-yet")
    assert tables_with(NAME) == {}


def test_redaction_is_on_record_and_any_other_change_of_the_row_is_a_fault(busy: House) -> None:
    _erase(busy)
    entry = AuditEntry.objects.filter(action="privacy.redacted").latest("sequence")
    hidden = entry.data["redacted"][0]
    assert hidden["was"]
    assert "zelda" not in json.dumps(entry.data).lower()
    redacted = [row for told in AuditEntry.objects.filter(action="privacy.redacted") for row in told.data["redacted"]]
    key = next(row["pk"] for row in redacted if row["table"] == "governance.decisionrecord")
    tamper("governance_decisionrecord", f"UPDATE governance_decisionrecord SET private_notes = 'x' WHERE id = {key}")
    with pytest.raises(CommandError, match=f"the row {key} of .* was changed"):
        verify()


def test_append_only_rows_refuse_a_change_outside_of_a_redaction(busy: House) -> None:
    record = DecisionRecord.objects.filter(subject_label__contains=NAME).first()
    assert record is not None
    rows_redact(
        redactions=[Redaction(record, {"subject_label": "somebody"})], actor=None, subject=("t", "1"), ground="test"
    )
    for change in (
        lambda: DecisionRecord.objects.update(subject_label="x"),
        lambda: ConsentEvent.objects.update(data={}),
        lambda: TermsText.objects.update(text="x"),
        lambda: Receipt.objects.update(notice="x"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_audit_entry_is_not_changed_even_by_a_redaction(house: House) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('governance.redaction', 'on', true)")
    for change in (lambda: AuditEntry.objects.update(actor="x"), lambda: AuditEntry.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert AuditEntry.objects.exists()
