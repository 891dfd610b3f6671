"""Copies of one's data: complete, without secrets or other people, made by a task, sealed, gone after some days."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from accounts.services import token_create
from governance.models import AuditEntry
from governance.services import actor_profile_update
from moderation.contacts import email_digest
from moderation.errors import ExportUnavailable, TooManyRequests
from moderation.likeness_consent import current_consent
from moderation.models import ActsAs, DataExport, ExportState, FaceTemplate, PrivacyLink
from moderation.selectors.personal_data import ADDRESS_PARTS, USER_PARTS
from moderation.services.data_erasure import exports_delete
from moderation.services.data_export import _claim, _keep, export_ask, export_fetch, export_make, exports_due
from moderation.services.enrolment import template_add
from moderation.services.likeness import identity_enrol
from moderation.services.retention import retention_enforce
from moderation.tasks import sweep_exports
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_consent, make_receipt
from tests.factories.faces import OtherReader, made_face
from tests.factories.moderation import CONTACT, make_report
from tests.factories.optout import names, register_as, register_by_mail
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


def _made(export: DataExport, actor: User | None = None) -> dict[str, Any]:
    """What the task makes, read as the person reads it."""
    export_make(export_id=export.pk)
    export.refresh_from_db()
    with zipfile.ZipFile(io.BytesIO(export_fetch(export=export, actor=actor))) as zipped:
        assert zipped.testzip() is None
        return {Path(name).stem: json.loads(zipped.read(name)) for name in zipped.namelist() if name.endswith(".json")}


@pytest.fixture
def ada() -> User:
    """Somebody who has done much, with a likeness that is enrolled."""
    ada, bob = make_user("ada"), make_user("bob")
    make_organisation(ada)
    token_create(user=ada, name="my laptop", scopes=["read"])
    actor_profile_update(actor=ada, organisation=None, facts={"annual_revenue_usd": 1234})
    make_version(actor=ada)
    theirs = make_version(actor=bob, content=lora_bytes(seed=2))
    make_receipt(theirs, ada)
    make_report(theirs, account=ada)
    make_consent(ada)
    register_as(ada, *names("Ada Example"))
    identity = identity_enrol(user=ada, name="Ada Example", acts_as=ActsAs.SELF, consent=current_consent())
    template_add(identity=identity, face=made_face(seed=1), reader=OtherReader(), consent_reference="enrolment")
    return ada


def test_export_of_an_account_has_every_part(ada: User) -> None:
    made = _made(export_ask(user=ada), ada)
    assert made.keys() == USER_PARTS.keys()
    empty = {name for name, rows in made.items() if not rows}
    assert empty == {
        "access_requests",
        "appeals",
        "cases",
        "datasets",
        "discussions",
        "gallery_settings",
        "generations",
        "pictures",
        "ratings",
        "recalls",
        "statements_of_reasons",
        "strikes",
        "training_runs",
    }
    assert made["account"][0]["email"] == "ada@example.org"
    assert made["tokens"][0]["name"] == "my laptop"
    assert made["facts"][0]["annual_revenue_usd"] == 1234
    assert made["adapters"][0]["versions"][0]["training_sources"] == "Drawn by the author."
    assert made["downloads"][0]["receipt"]["recipient"] == "ada"
    assert made["reports"][0]["contact"]["email"] == CONTACT.email
    assert made["opt_outs"][0]["registrations"][0]["entries"][0]["entry__text"] == "Ada Example"
    assert {entry["action"] for entry in made["audit"]} >= {"user.registered", "gate.accepted"}


def test_export_has_no_hashes_of_secrets_templates_or_addresses_of_others(ada: User) -> None:
    template = FaceTemplate.objects.get()
    token = ada.api_tokens.get()
    text = json.dumps(_made(export_ask(user=ada), ada))
    for secret in (ada.password, token.digest, bytes(template.ciphertext).hex(), template.key_id):
        assert secret not in text
    assert "sam@subjects.example" not in text
    assert json.loads(text)["likeness"][0]["templates"] == 1


def test_export_holds_nothing_of_another_account_with_the_same_unconfirmed_address() -> None:
    register_by_mail(*names("Victim Victoria"), email="victim@example.org")
    eve = make_user("victim")  # signed up with that address; nobody asked whether it is theirs
    assert eve.email == "victim@example.org"
    made = _made(export_ask(user=eve), eve)
    assert made["opt_outs"] == []
    assert "Victoria" not in json.dumps(made)


def test_export_is_sealed_and_reading_it_is_on_record(ada: User) -> None:
    export = export_ask(user=ada)
    _made(export, ada)
    with default_storage.open(export.storage_key, "rb") as file:
        stored = file.read()
    assert b"PK\x03\x04" not in stored
    assert AuditEntry.objects.latest("sequence").action == "privacy.exported"


def test_asking_again_while_it_is_made_answers_the_same_and_too_often_is_refused(ada: User, settings: Any) -> None:
    settings.EXPORTS_A_DAY = 2
    first = export_ask(user=ada)
    assert export_ask(user=ada) == first
    export_make(export_id=first.pk)
    second = export_ask(user=ada)
    assert second != first
    export_make(export_id=second.pk)
    with pytest.raises(TooManyRequests):
        export_ask(user=ada)


def test_dead_worker_is_followed_by_the_next_and_its_late_file_is_not_kept(ada: User, settings: Any) -> None:
    settings.EXPORT_LEASE = timedelta(seconds=-1)
    export = export_ask(user=ada)
    assert _claim(export.pk) is not None  # and then it dies
    assert exports_due() == [export.pk]
    settings.EXPORT_LEASE = timedelta(minutes=5)
    sweep_exports()
    export_make(export_id=export.pk)
    export.refresh_from_db()
    assert (export.state, export.parts_done, export.attempts) == (ExportState.READY, len(USER_PARTS), 2)
    assert exports_due() == []
    export_make(export_id=export.pk)  # a message that came late changes nothing
    export.refresh_from_db()
    assert export.attempts == 2


def test_export_whose_person_was_erased_meanwhile_leaves_no_file(ada: User) -> None:
    export = _claim(export_ask(user=ada).pk)
    assert export is not None
    folder = f"exports/{export.public_id}"
    exports_delete([export])
    _keep(export, b"everything")
    assert not default_storage.exists(f"{folder}/{export.lease_token}")


def test_export_that_kills_every_worker_is_given_up(ada: User, settings: Any) -> None:
    settings.EXPORT_LEASE = timedelta(seconds=-1)
    export = export_ask(user=ada)
    for _ in range(3):
        assert _claim(export.pk)
    export_make(export_id=export.pk)
    export.refresh_from_db()
    assert export.state == ExportState.FAILED
    assert "Ask again" in export.problem
    with pytest.raises(ExportUnavailable):
        export_fetch(export=export, actor=ada)


def test_export_is_deleted_after_its_days(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    export = export_ask(user=ada)
    _made(export, ada)
    with django_capture_on_commit_callbacks(execute=True):
        retention_enforce(now=timezone.now() + timedelta(days=8))
    assert not default_storage.exists(export.storage_key)
    assert not DataExport.objects.exists()


def test_export_of_an_address_has_what_is_kept_outside_of_accounts() -> None:
    bob = make_user("bob")
    register_by_mail(*names("Sam Subject"), email="sam@subjects.example")
    make_consent(bob)
    link = PrivacyLink.objects.create(
        email_sealed=b"x", email_digest=email_digest("sam@subjects.example"), digest="0" * 64, expires_at=timezone.now()
    )
    made = _made(export_ask(link=link))
    assert made.keys() == ADDRESS_PARTS.keys()
    assert made["consents"][0]["consents"][0]["name"] == "Sam Subject"
    assert made["opt_outs"][0]["registrations"][0]["entries"][0]["entry__text"] == "Sam Subject"


def test_operator_exports_an_account_and_an_address(ada: User, tmp_path: Path) -> None:
    register_by_mail(*names("Sam Subject"), email="sam@subjects.example")
    for whose, part in ((["--username", "ada"], "account"), (["--email", "sam@subjects.example"], "opt_outs")):
        target = tmp_path / "out.zip"
        call_command("subject_export", *whose, str(target))
        assert target.stat().st_mode & 0o777 == 0o600
        with zipfile.ZipFile(target) as zipped:
            assert json.loads(zipped.read(f"{part}.json"))
        target.unlink()
    with pytest.raises(CommandError, match="no account nobody"):
        call_command("subject_export", "--username", "nobody", str(tmp_path / "x.zip"))
