"""Enrolment to withdrawal: templates are sealed, compared, and gone when somebody says so; nothing of them leaks."""

import io
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from django.core import serializers
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from governance.models import AuditEntry
from governance.verification import audit_check
from moderation.errors import EnrolmentRefused, IdentityLinkInvalid, NotEnrolled
from moderation.likeness_consent import current_consent
from moderation.likeness_keys import key_open, picture_open, template_open
from moderation.matching.faces import Face, distance
from moderation.models import (
    ActsAs,
    DeletionProof,
    DeletionVia,
    EnrolmentPicture,
    EnrolmentState,
    FaceTemplate,
    IdentityLink,
    IdentityStatus,
    ProtectedIdentity,
)
from moderation.sealing import SealBroken
from moderation.selectors.likeness import identity_page, match_faces
from moderation.services.enrolment import (
    MAX_ATTEMPTS,
    PicturesSent,
    enrolments_due,
    picture_read,
    pictures_receive,
    template_add,
    usable_face,
)
from moderation.services.likeness import (
    deletion_digest,
    identity_accept,
    identity_enrol,
    identity_erase,
    identity_invite,
    identity_verify,
    identity_withdraw,
    link_digest,
    link_open,
    manage_link_renew,
    templates_delete,
)
from moderation.tasks import read_enrolment_picture
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, descriptor_at, encoded, face_bytes, face_picture, made_face

pytestmark = pytest.mark.django_db
READER = OtherReader()


def _identity(user: User | None = None, *, seed: int | None = 1, name: str = "Ada Example") -> ProtectedIdentity:
    identity = identity_enrol(
        user=user or make_user("ada"), name=name, acts_as=ActsAs.SELF, consent=current_consent(), aliases=["AdaX"]
    )
    if seed is not None:
        _template(identity, made_face(seed=seed))
    return identity


def _template(identity: ProtectedIdentity, face: Face, reader: OtherReader = READER) -> FaceTemplate:
    return template_add(identity=identity, face=face, reader=reader, consent_reference="enrolment 2026-11")


def _match(*faces: Face) -> list[tuple[int, ProtectedIdentity, bool]]:
    report = match_faces(descriptors=[face.descriptor for face in faces], reader=READER)
    return [(match.face, match.identity, match.sure) for match in report.matches]


def test_enrolled_face_is_found_again() -> None:
    identity = _identity()
    _identity(make_user("eve"), seed=2, name="Eve")
    report = match_faces(descriptors=[descriptor_at(seed=9), descriptor_at(seed=1, away=0.3)], reader=READER)
    (match,) = report.matches
    assert (match.face, match.identity, match.distance, match.sure) == (1, identity, 0.3, True)
    assert (report.compared, report.not_comparable) == (2, 0)


@pytest.mark.parametrize(("away", "found"), [(0.45, [True]), (0.55, [False]), (0.65, [])])
def test_distance_decides_whether_it_is_sure_doubtful_or_nobody(away: float, found: list[bool]) -> None:
    _identity()
    assert [sure for _, _, sure in _match(made_face(seed=1, away=away))] == found


def test_identity_is_named_once_for_each_face_by_its_nearest_template() -> None:
    identity = _identity()
    _template(identity, made_face(seed=1, away=0.2))
    report = match_faces(descriptors=[descriptor_at(seed=1, away=0.21)] * 2, reader=READER)
    assert [(match.face, match.identity, match.distance) for match in report.matches] == [
        (0, identity, 0.01),
        (1, identity, 0.01),
    ]


def test_templates_of_another_reader_are_counted_and_not_compared() -> None:
    identity = _identity()
    _template(identity, made_face(seed=1), OtherReader(model="other-2"))
    report = match_faces(descriptors=[descriptor_at(seed=1)], reader=OtherReader(model="other-3"))
    assert (report.matches, report.compared, report.not_comparable) == ((), 0, 2)


def test_template_that_does_not_open_is_an_error_and_no_miss() -> None:
    template = _identity().templates.get()
    changed = bytearray(template.ciphertext)
    changed[-1] ^= 1
    FaceTemplate.objects.filter(pk=template.pk).update(ciphertext=bytes(changed))
    with pytest.raises(SealBroken):
        _match(made_face(seed=5))


def test_template_of_another_identity_does_not_open_in_its_place() -> None:
    one, other = _identity(), _identity(make_user("eve"), seed=2)
    FaceTemplate.objects.filter(identity=one).update(ciphertext=bytes(other.templates.get().ciphertext))
    with pytest.raises(SealBroken):
        _match(made_face(seed=2))


def test_another_person_is_not_taken_into_an_identity() -> None:
    identity = _identity()
    with pytest.raises(EnrolmentRefused, match="does not look like the one"):
        _template(identity, made_face(seed=2))
    assert identity.templates.count() == 1


def test_template_needs_a_consent() -> None:
    identity = _identity(seed=None)
    with pytest.raises(EnrolmentRefused, match="consent"):
        template_add(identity=identity, face=made_face(seed=1), reader=READER, consent_reference="")
    with pytest.raises(IntegrityError), transaction.atomic():
        FaceTemplate.objects.create(
            identity=identity, ciphertext=b"x", key_id="", model="m", consent_reference="", face_size=1, sharpness=1
        )


def _holds(faces: list[Face], text: str) -> None:
    with pytest.raises(EnrolmentRefused, match=text):
        usable_face(faces)


def test_only_one_large_sharp_face_makes_a_template() -> None:
    good = made_face(seed=1)
    _holds([], "No face was found")
    _holds([good, made_face(seed=2)], "2 faces were found")
    _holds([made_face(seed=1, size=60)], "60 pixels wide; 80 are needed")
    _holds([Face((0, 0, 200, 200), descriptor_at(seed=1), 200, 3.0)], "blurred")
    assert usable_face([good]) is good


# From the picture to the template, by the reader that ships


def test_picture_becomes_a_template_and_is_gone(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    identity = _identity(seed=None)
    with django_capture_on_commit_callbacks() as news:
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("obama-1")]))
    picture = identity.pictures.get()
    assert b"JFIF" not in bytes(picture.sealed)
    assert len(news) == 1
    read_enrolment_picture(picture.pk)
    picture.refresh_from_db()
    assert (picture.state, picture.sealed, picture.reason) == (EnrolmentState.TAKEN, None, "")
    template = identity.templates.get()
    assert template.consent_reference == current_consent().reference
    assert template.model == "dlib-resnet-v1"
    read_enrolment_picture(picture.pk)  # delivered twice
    assert identity.templates.count() == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no picture"),
        (b"GIF89a" + b"\0" * 40, "no picture"),
        (face_bytes("collins")[:4000], "no picture"),
        (b"\0" * (20 * 1024**2 + 1), "20 MB"),
        (encoded(Image.new("1", (8000, 5001)), "PNG"), "40 million pixels"),
        (encoded(face_picture("collins"), "TIFF"), "JPEG, PNG and WebP can"),
    ],
    ids=["empty", "cut", "truncated", "large", "many pixels", "TIFF"],
)
def test_file_that_is_no_picture_is_refused_and_nothing_is_kept(content: bytes, text: str) -> None:
    identity = _identity(seed=None)
    with pytest.raises(EnrolmentRefused, match=text):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins"), content]))
    assert not EnrolmentPicture.objects.exists()


@pytest.mark.parametrize("count", [0, 6])
def test_one_to_five_pictures_at_once(count: int) -> None:
    with pytest.raises(EnrolmentRefused, match=f"{count} pictures were sent"):
        pictures_receive(identity=_identity(seed=None), pictures=PicturesSent.read([face_bytes("collins")] * count))


def test_more_than_ten_are_refused() -> None:
    identity = _identity(seed=None)
    for _ in range(2):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")] * 5))
    with pytest.raises(EnrolmentRefused, match="10 pictures are enrolled or wait"):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))


def test_where_it_was_taken_is_not_kept() -> None:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "at home"
    Image.open(io.BytesIO(face_bytes("collins"))).save(out, "JPEG", exif=exif)
    identity = _identity(seed=None)
    (picture,) = pictures_receive(identity=identity, pictures=PicturesSent.read([out.getvalue()]))
    kept = picture_open(key_open(identity), picture)
    assert b"at home" in out.getvalue()
    assert b"at home" not in kept


def _waiting(identity: ProtectedIdentity) -> EnrolmentPicture:
    (picture,) = pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))
    return picture


def test_picture_that_cannot_be_used_says_why_and_is_gone() -> None:
    identity = _identity(seed=None)
    picture = _waiting(identity)
    picture_read(picture_id=picture.pk, reader=OtherReader(faces=()))
    picture.refresh_from_db()
    assert (picture.state, picture.sealed) == (EnrolmentState.REFUSED, None)
    assert "No face was found" in picture.reason


def test_picture_that_kills_its_worker_is_given_up() -> None:
    class Dies(OtherReader):
        def read(self, picture: Any) -> tuple[Face, ...]:
            raise SystemExit

    picture = _waiting(_identity(seed=None))
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            picture_read(picture_id=picture.pk, reader=Dies())
    picture_read(picture_id=picture.pk, reader=Dies())
    picture.refresh_from_db()
    assert (picture.state, picture.sealed) == (EnrolmentState.REFUSED, None)


def test_picture_read_after_the_withdrawal_adds_nothing() -> None:
    identity = _identity(seed=None)
    picture = _waiting(identity)

    class Withdraws(OtherReader):
        def read(self, picture: Any) -> tuple[Face, ...]:
            identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
            return (made_face(seed=1),)

    picture_read(picture_id=picture.pk, reader=Withdraws())
    assert not FaceTemplate.objects.exists()
    assert not EnrolmentPicture.objects.exists()


def test_sweep_hands_out_what_waits_and_deletes_what_waited_too_long() -> None:
    identity = _identity(seed=None)
    fresh, lost, old = (_waiting(identity) for _ in range(3))
    now = timezone.now()
    EnrolmentPicture.objects.filter(pk=lost.pk).update(created_at=now - timedelta(minutes=2))
    EnrolmentPicture.objects.filter(pk=old.pk).update(created_at=now - timedelta(hours=25))
    assert enrolments_due() == [lost.pk]
    states = dict(EnrolmentPicture.objects.values_list("pk", "state"))
    assert states == {fresh.pk: "waiting", lost.pk: "waiting", old.pk: "refused"}
    assert EnrolmentPicture.objects.get(pk=old.pk).sealed is None


# Withdrawal, deletion and erasure


def test_withdrawal_deletes_all_and_proves_it() -> None:
    identity = _identity()
    _template(identity, made_face(seed=1, away=0.1))
    _waiting(identity)
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
    assert _match(made_face(seed=1)) == []


def test_copy_of_a_deleted_template_does_not_open_any_more() -> None:
    """A backup of the table alone, put back after the withdrawal, is unreadable: the key is gone."""
    identity = _identity()
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
    identity = _identity()
    assert templates_delete(identity=identity, via=DeletionVia.ACCOUNT).count == 1
    identity.refresh_from_db()
    assert identity.status == IdentityStatus.ENROLLED
    _template(identity, made_face(seed=3))
    assert [found for _, found, _ in _match(made_face(seed=3))] == [identity]


def test_withdrawn_identity_takes_nothing_more() -> None:
    identity = _identity()
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    with pytest.raises(NotEnrolled):
        _template(identity, made_face(seed=1))
    with pytest.raises(NotEnrolled):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))
    with pytest.raises(NotEnrolled, match="withdrawn before"):
        identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
    assert DeletionProof.objects.count() == 1


def test_withdrawal_works_without_the_master_key(settings: Any) -> None:
    """To delete needs no key: a lost one must not keep anybody's face in the table."""
    identity = _identity()
    settings.DATA_KEYS = ["b3RoZXIta2V5LXRoYXQtb3BlbnMtbm90aGluZy1oZXI"]
    assert identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT).count == 1
    assert not FaceTemplate.objects.exists()


def test_erasure_forgets_the_person_and_keeps_the_proof() -> None:
    identity = _identity()
    identity_erase(identity=identity, via=DeletionVia.MODERATOR, actor=make_user("mo", is_moderator=True))
    identity.refresh_from_db()
    assert (identity.name, identity.aliases, identity.user, identity.email_sealed) == ("", [], None, None)
    assert identity.email_digest == ""
    proof = DeletionProof.objects.get(identity_ref=identity.public_id)
    assert (proof.count, proof.via) == (1, "moderator")
    assert audit_check().faults == ()


def test_database_refuses_a_withdrawn_identity_with_a_key() -> None:
    identity = _identity()
    with pytest.raises(IntegrityError, match="identity_status_holds"), transaction.atomic():
        ProtectedIdentity.objects.filter(pk=identity.pk).update(status="withdrawn", withdrawn_at=timezone.now())


@pytest.mark.parametrize("change", [lambda rows: rows.update(count=0), lambda rows: rows.delete()])
def test_proof_is_neither_changed_nor_removed(change: Any) -> None:
    identity_withdraw(identity=_identity(), via=DeletionVia.ACCOUNT)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(DeletionProof.objects.all())


@pytest.mark.django_db(transaction=True)
def test_withdrawal_at_the_moment_of_a_reading_leaves_nothing() -> None:
    """Whichever of the two comes first, no template is there afterwards, and every proof counts what it deleted."""
    user = make_user("ada")
    for _ in range(6):
        identity = _identity(user, seed=None)
        picture = _waiting(identity)
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


# Links of people without an account


@pytest.fixture
def moderator() -> User:
    return make_user("mo", is_moderator=True)


def _accept(secret: str) -> tuple[ProtectedIdentity, str]:
    return identity_accept(digest=link_digest(secret), name="Ada", acts_as=ActsAs.SELF, consent=current_consent())


def test_invitation_enrols_once(moderator: User) -> None:
    invited, secret = identity_invite(moderator=moderator, name="Ada", contact_email="ada@example.org")
    assert invited.status == IdentityStatus.INVITED
    identity, manage = _accept(secret)
    assert identity == invited
    assert identity.status == IdentityStatus.ENROLLED
    assert identity.consent_sha256 == current_consent().sha256
    with pytest.raises(IdentityLinkInvalid):
        _accept(secret)
    assert link_open(digest=link_digest(manage), purpose=IdentityLink.Purpose.MANAGE).identity == identity
    with pytest.raises(IdentityLinkInvalid):
        link_open(digest=link_digest(manage), purpose=IdentityLink.Purpose.ENROL)


def test_invitation_runs_out(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    IdentityLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(IdentityLinkInvalid):
        _accept(secret)


def test_renewed_link_replaces_the_lost_one(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    identity, lost = _accept(secret)
    new = manage_link_renew(identity=identity, moderator=moderator)
    assert link_open(digest=link_digest(new), purpose=IdentityLink.Purpose.MANAGE).identity == identity
    with pytest.raises(IdentityLinkInvalid):
        link_open(digest=link_digest(lost), purpose=IdentityLink.Purpose.MANAGE)


def test_secret_of_a_link_is_not_kept(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    assert secret not in json.dumps(list(IdentityLink.objects.values()), default=str)


def test_verification_is_on_record(moderator: User) -> None:
    identity = identity_verify(identity=_identity(), moderator=moderator)
    assert identity.is_verified
    (entry,) = AuditEntry.objects.filter(action="likeness.verified")
    assert entry.actor


# What nobody may learn


def _whole_life(moderator: User) -> ProtectedIdentity:
    identity = _identity()
    _match(made_face(seed=1))
    identity_verify(identity=identity, moderator=moderator)
    templates_delete(identity=identity, via=DeletionVia.ACCOUNT)
    identity.refresh_from_db()
    _template(identity, made_face(seed=1))
    return identity


def _traces(descriptor: np.ndarray) -> list[str]:
    """How a descriptor would look where it is written out."""
    first = [float(value) for value in descriptor[:4]]
    return [descriptor.tobytes().hex()[:16], *(str(abs(value))[:9] for value in first)]


def test_descriptor_is_in_no_row_log_record_or_export(
    moderator: User, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    identity = _whole_life(moderator)
    print(
        identity,
        repr(identity),
        identity.templates.all(),
        match_faces(descriptors=[descriptor_at(seed=1)], reader=READER),
    )
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names():
            if table.startswith(("moderation_", "governance_")):
                cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
                rows += [text for (text,) in cursor.fetchall()]
    dumped = serializers.serialize("json", [identity, *identity.templates.all(), *DeletionProof.objects.all()])
    written = capsys.readouterr()
    everywhere = "\n".join([*rows, dumped, caplog.text, written.out, written.err])
    assert str(identity.public_id) in everywhere
    for trace in _traces(descriptor_at(seed=1)):
        assert trace not in everywhere


def test_rows_show_no_bytes_and_no_person_when_printed(moderator: User) -> None:
    identity = _whole_life(moderator)
    template = identity.templates.get()
    picture = _waiting(identity)
    for row in (identity, template, picture, DeletionProof.objects.get(), identity.links.model(identity=identity)):
        for shown in (repr(row), str(row)):
            assert "Ada Example" not in shown
            assert bytes(template.ciphertext).hex() not in shown
            assert len(shown) < 120


def test_audit_log_holds_ids_and_codes_alone(moderator: User) -> None:
    identity = _whole_life(moderator)
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT, actor=identity.user)
    entries = AuditEntry.objects.filter(subject_type="moderation.protectedidentity")
    assert {entry.action for entry in entries} >= {"likeness.enrolled", "likeness.withdrawn"}
    text = json.dumps([entry.data for entry in entries])
    for personal in ("Ada Example", "AdaX", "example.org", identity.email_digest):
        assert personal not in text


def test_match_gives_out_no_descriptor(moderator: User) -> None:
    _identity()
    (match,) = match_faces(descriptors=[descriptor_at(seed=1, away=0.12345)], reader=READER).matches
    assert match.distance == 0.12
    assert not [value for value in vars(match).values() if isinstance(value, np.ndarray | bytes)]


def test_sealed_template_is_what_was_enrolled() -> None:
    identity = _identity()
    opened = template_open(key_open(identity), identity.templates.get())
    assert distance(opened, descriptor_at(seed=1)) == 0
