"""After a rotation everything opens with the new key alone; what is cut off in between loses nothing."""

import base64
import io
import os
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection

from moderation.contacts import email_unsealed
from moderation.likeness_consent import current_consent
from moderation.likeness_keys import email_context, key_open, template_open
from moderation.models import ActsAs, Case, CaseEvidence, CaseKind, ProtectedIdentity
from moderation.services import key_rotation
from moderation.services.enrolment import template_add
from moderation.services.key_rotation import keys_rotate
from moderation.services.likeness import identity_enrol
from registry.sealing import SealBroken, seal, unseal
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, descriptor_at, made_face
from tests.factories.registry import make_submitted

pytestmark = pytest.mark.django_db


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


OLD, NEW = _key(), _key()


@pytest.fixture
def identity(settings: Any) -> ProtectedIdentity:
    settings.DATA_KEYS = [OLD]
    made = identity_enrol(user=make_user("ada"), name="Ada", acts_as=ActsAs.SELF, consent=current_consent())
    template_add(identity=made, face=made_face(seed=1), reader=OtherReader(), consent_reference="enrolment")
    return made


def _opens(identity: ProtectedIdentity) -> bool:
    identity.refresh_from_db()
    opened = template_open(key_open(identity), identity.templates.get())
    address = email_unsealed(bytes(identity.email_sealed or b""), context=email_context(identity))
    return (opened == descriptor_at(seed=1)).all() and address == "ada@example.org"


def _moved() -> dict[str, int]:
    return {place.place: place.moved for place in keys_rotate() if place.moved}


def test_everything_opens_with_the_new_key_alone(identity: ProtectedIdentity, settings: Any) -> None:
    ciphertext = bytes(identity.templates.get().ciphertext)
    settings.DATA_KEYS = [NEW, OLD]
    assert _opens(identity)
    assert _moved() == {
        "moderation.ProtectedIdentity.email_sealed": 1,
        "moderation.ProtectedIdentity.key_wrapped": 1,
    }
    settings.DATA_KEYS = [NEW]
    assert _opens(identity)
    assert bytes(identity.templates.get().ciphertext) == ciphertext  # under the record's key, which stayed
    assert _moved() == {}


def test_without_rotation_the_new_key_alone_opens_nothing(identity: ProtectedIdentity, settings: Any) -> None:
    settings.DATA_KEYS = [NEW]
    with pytest.raises(SealBroken, match="which DATA_KEYS does not hold"):
        _opens(identity)


def test_files_of_evidence_are_brought_along(settings: Any) -> None:
    settings.DATA_KEYS = [OLD]
    evidence = _evidence()
    former = evidence.storage_key
    settings.DATA_KEYS = [NEW, OLD]
    assert _moved() == {"files of evidence": 1}
    settings.DATA_KEYS = [NEW]
    evidence.refresh_from_db()
    with default_storage.open(evidence.storage_key) as file:
        assert unseal(file.read(), context="test") == b"what somebody sent"
    assert not default_storage.exists(former)
    assert _moved() == {}


def _evidence() -> CaseEvidence:
    version = make_submitted(actor=make_user("eve"))
    case = Case.objects.create(kind=CaseKind.RIGHTS, source="report", version=version, due_at=version.submitted_at)
    key = default_storage.save("evidence/test", ContentFile(seal(b"what somebody sent", context="test")))
    return CaseEvidence.objects.create(
        case=case, storage_key=key, name="a.txt", content_type="text/plain", size=1, sha256="0" * 64
    )


def test_row_that_changed_meanwhile_is_not_overwritten(
    identity: ProtectedIdentity, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody withdraws between the reading and the writing of the row: the key must not come back."""
    settings.DATA_KEYS = [NEW, OLD]

    def withdrawn_meanwhile(sealed: bytes) -> bytes:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE moderation_protectedidentity SET email_sealed = NULL")
        return key_rotation_rewrap(sealed)

    key_rotation_rewrap = key_rotation.rewrap
    monkeypatch.setattr(key_rotation, "rewrap", withdrawn_meanwhile)
    assert "moderation.ProtectedIdentity.email_sealed" not in _moved()
    identity.refresh_from_db()
    assert identity.email_sealed is None


def test_command_says_that_the_former_key_can_go(identity: ProtectedIdentity, settings: Any) -> None:
    settings.DATA_KEYS = [NEW, OLD]
    out = io.StringIO()
    call_command("data_keys_rotate", stdout=out)
    assert "ProtectedIdentity.key_wrapped: 1 brought under the first key, 0 left" in out.getvalue()
    assert "can be taken out of DATA_KEYS" in out.getvalue()


def test_command_says_what_cannot_be_read(identity: ProtectedIdentity, settings: Any) -> None:
    settings.DATA_KEYS = [NEW, OLD]
    broken = bytearray(identity.key_wrapped or b"")
    broken[30] ^= 1
    ProtectedIdentity.objects.update(key_wrapped=bytes(broken))
    with pytest.raises(CommandError, match=r"was changed.*DATA_KEYS has to hold every key"):
        call_command("data_keys_rotate", stdout=io.StringIO())
