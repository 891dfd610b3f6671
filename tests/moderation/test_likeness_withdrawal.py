"""Withdrawal, deletion and erasure: at once, complete, with a proof that anybody can check."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from governance.models import AuditEntry
from governance.verification import audit_check
from moderation.errors import NotEnrolled
from moderation.likeness_keys import key_open, template_open
from moderation.models import (
    DeletionProof,
    DeletionVia,
    EnrolmentPicture,
    EnrolmentState,
    FaceTemplate,
    IdentityStatus,
    ProtectedIdentity,
)
from moderation.selectors.likeness import identity_page
from moderation.services.enrolment import (
    PicturesSent,
    picture_read,
    pictures_receive,
)
from moderation.services.likeness import (
    deletion_digest,
    identity_erase,
    identity_withdraw,
    templates_delete,
)
from registry.sealing import SealBroken
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, face_bytes, made_face
from tests.factories.likeness import make_identity, make_template, make_waiting, matched

pytestmark = pytest.mark.django_db


def test_withdrawal_deletes_all_and_proves_it() -> None:
    identity = make_identity()
    make_template(identity, made_face(seed=1, away=0.1))
    make_waiting(identity)
    kept = [bytes(row.ciphertext) for row in identity.templates.order_by("public_id")]
    names = [str(row.public_id) for row in identity.templates.order_by("public_id")]
    proof = identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT, actor=identity.user)
    assert not FaceTemplate.objects.exists()
    assert not EnrolmentPicture.objects.exists()
    identity.refresh_from_db()
    assert (identity.status, identity.key_wrapped) == (IdentityStatus.WITHDRAWN, None)
    assert (proof.count, proof.templates, proof.actor) == (2, names, identity.user)
    assert proof.digest == deletion_digest(salt=proof.salt, ciphertexts=kept)
    assert proof.digest != deletion_digest(salt=proof.salt, ciphertexts=kept[:1])
    (shown,) = identity_page(identity=identity).proofs
    assert (shown.proof, shown.still_there) == (proof, 0)
    assert matched(made_face(seed=1)) == []


def test_copy_of_a_deleted_template_does_not_open_any_more() -> None:
    """A backup of the table alone, put back after the withdrawal, is unreadable: the key is gone."""
    identity = make_identity()
    copy = identity.templates.get()
    wrapped = bytes(identity.key_wrapped)
    templates_delete(identity=identity, via=DeletionVia.ACCOUNT)
    copy.save(force_insert=True)
    identity.refresh_from_db()
    assert bytes(identity.key_wrapped) != wrapped
    with pytest.raises(SealBroken):
        template_open(key_open(identity), copy)
    (shown,) = identity_page(identity=identity).proofs
    assert shown.still_there == 1  # and the page says so


def test_templates_can_be_deleted_and_enrolled_anew() -> None:
    identity = make_identity()
    assert templates_delete(identity=identity, via=DeletionVia.ACCOUNT).count == 1
    identity.refresh_from_db()
    assert identity.status == IdentityStatus.ENROLLED
    make_template(identity, made_face(seed=3))
    assert [found for _, found, _ in matched(made_face(seed=3))] == [identity]


def test_withdrawn_identity_takes_nothing_more() -> None:
    identity = make_identity()
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    with pytest.raises(NotEnrolled):
        make_template(identity, made_face(seed=1))
    with pytest.raises(NotEnrolled):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))
    with pytest.raises(NotEnrolled, match="withdrawn before"):
        identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    assert DeletionProof.objects.count() == 1


def test_withdrawal_works_without_the_master_key(settings: Any) -> None:
    """To delete needs no key: a lost one must not keep anybody's face in the table."""
    identity = make_identity()
    settings.DATA_KEYS = ["b3RoZXIta2V5LXRoYXQtb3BlbnMtbm90aGluZy1oZXI"]
    assert identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT).count == 1
    assert not FaceTemplate.objects.exists()


def test_erasure_forgets_the_person_and_keeps_the_proof() -> None:
    identity = make_identity()
    identity_erase(identity=identity, via=DeletionVia.MODERATOR, actor=make_user("mo", is_moderator=True))
    identity.refresh_from_db()
    assert (identity.name, identity.aliases, identity.user, identity.email_sealed) == ("", [], None, None)
    assert identity.email_digest == ""
    proof = DeletionProof.objects.get(identity_ref=identity.public_id)
    assert (proof.count, proof.via) == (1, "moderator")
    assert audit_check().faults == ()


def test_database_refuses_a_withdrawn_identity_with_a_key() -> None:
    identity = make_identity()
    with pytest.raises(IntegrityError, match="identity_status_holds"), transaction.atomic():
        ProtectedIdentity.objects.filter(pk=identity.pk).update(status="withdrawn", withdrawn_at=timezone.now())


@pytest.mark.parametrize("change", [lambda rows: rows.update(count=0), lambda rows: rows.delete()])
def test_proof_is_neither_changed_nor_removed(change: Any) -> None:
    identity_withdraw(identity=make_identity(), via=DeletionVia.ACCOUNT)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(DeletionProof.objects.all())


@pytest.mark.django_db(transaction=True)
def test_withdrawal_at_the_moment_of_a_reading_leaves_nothing() -> None:
    """Whichever of the two comes first, no template is there afterwards, and every proof counts what it deleted."""
    user = make_user("ada")
    for _ in range(6):
        identity = make_identity(user, seed=None)
        picture = make_waiting(identity)
        both = Barrier(2)

        def reads(pk: int = picture.pk, both: Barrier = both) -> None:
            _apart(both, lambda: picture_read(picture_id=pk, reader=OtherReader(faces=(made_face(seed=1),))))

        def withdraws(identity: ProtectedIdentity = identity, both: Barrier = both) -> None:
            _apart(both, lambda: identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT))

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(reads), pool.submit(withdraws)]:
                done.result()
        added = AuditEntry.objects.filter(action="likeness.template-added", subject_id=str(identity.public_id))
        proof = DeletionProof.objects.get(identity_ref=identity.public_id)
        assert proof.count == added.count()
        assert not FaceTemplate.objects.exists()
        assert not EnrolmentPicture.objects.filter(state=EnrolmentState.WAITING).exists()
    assert audit_check().faults == ()


def _apart(both: Barrier, work: Callable[[], Any]) -> None:
    """In a thread with a connection of its own, at the same moment as the other one."""
    try:
        both.wait()
        work()
    finally:
        connection.close()
