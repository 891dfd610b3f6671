"""A restored backup does not bring back what somebody had deleted."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from governance.verification import audit_check
from moderation.likeness_consent import current_consent
from moderation.models import (
    ActsAs,
    DeletionProof,
    DeletionVia,
    FaceTemplate,
    IdentityStatus,
    ProtectedIdentity,
)
from moderation.services.deletions import JournalUnreadable, deletions_keep, journal_path, journal_read
from moderation.services.enrolment import template_add
from moderation.services.likeness import identity_enrol, identity_erase, identity_withdraw, templates_delete
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, made_face

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_keys(settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path / "keys"


@pytest.fixture
def identity() -> ProtectedIdentity:
    made = identity_enrol(user=make_user("ada"), name="Ada", acts_as=ActsAs.SELF, consent=current_consent())
    _template(made)
    return made


def _template(identity: ProtectedIdentity) -> FaceTemplate:
    return template_add(identity=identity, face=made_face(seed=1), reader=OtherReader(), consent_reference="enrolment")


class Backup:
    """The rows of one identity as they are now, and back again later: the proofs of deletion are younger."""

    def __init__(self, identity: ProtectedIdentity) -> None:
        self.identity = ProtectedIdentity.objects.get(pk=identity.pk)
        self.templates = list(identity.templates.all())

    def restore(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # as pg_restore does: no trigger runs
            cursor.execute("DELETE FROM moderation_deletionproof")
            cursor.execute("SET LOCAL session_replication_role = origin")
        self.identity.save()
        for template in self.templates:
            template.save(force_insert=True)


def test_withdrawal_survives_an_older_backup(identity: ProtectedIdentity) -> None:
    backup = Backup(identity)
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    assert deletions_keep() == 0
    backup.restore()
    assert FaceTemplate.objects.count() == 1
    assert deletions_keep() == 1
    assert not FaceTemplate.objects.exists()
    identity.refresh_from_db()
    assert (identity.status, identity.key_wrapped) == (IdentityStatus.WITHDRAWN, None)
    assert DeletionProof.objects.get().via == "retention"
    assert deletions_keep() == 0


def test_deleted_templates_survive_an_older_backup_and_the_identity_stays(identity: ProtectedIdentity) -> None:
    backup = Backup(identity)
    templates_delete(identity=identity, via=DeletionVia.ACCOUNT)
    deletions_keep()
    backup.restore()
    assert deletions_keep() == 1
    assert not FaceTemplate.objects.exists()
    identity.refresh_from_db()
    assert identity.status == IdentityStatus.ENROLLED


def test_erasure_survives_an_older_backup(identity: ProtectedIdentity) -> None:
    backup = Backup(identity)
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    deletions_keep()
    identity_erase(identity=identity, via=DeletionVia.MODERATOR)  # a while after the withdrawal
    deletions_keep()
    backup.restore()
    assert deletions_keep() == 1
    identity.refresh_from_db()
    assert (identity.name, identity.user, identity.email_sealed) == ("", None, None)


def test_what_is_enrolled_is_left_alone(identity: ProtectedIdentity) -> None:
    templates_delete(identity=identity, via=DeletionVia.ACCOUNT)
    identity.refresh_from_db()
    new = _template(identity)
    for _ in range(2):
        assert deletions_keep() == 0
    assert FaceTemplate.objects.get() == new
    assert audit_check().faults == ()


def test_journal_names_nobody_and_repeats_nothing(identity: ProtectedIdentity) -> None:
    assert deletions_keep() == 0
    assert not journal_path().exists()
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    for _ in range(3):
        deletions_keep()
    (line,) = journal_path().read_text().splitlines()
    kept = json.loads(line)
    assert set(kept) == {"proof", "identity", "templates", "went"}
    for public_id in (str(identity.public_id), *kept["templates"], kept["proof"]):
        line = line.replace(public_id, "")  # hexadecimal digits may spell her name
    assert "ada" not in line.casefold()
    assert journal_path().stat().st_mode & 0o077 == 0 or journal_path().parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"proof": 1}'])
def test_broken_journal_is_named_and_not_passed_over(line: str) -> None:
    journal_path().parent.mkdir()
    journal_path().write_text(line)
    with pytest.raises(JournalUnreadable, match="line 1"):
        journal_read()
