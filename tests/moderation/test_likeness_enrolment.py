"""From a photograph to a sealed template: one large, sharp face of one person, and the photograph is gone."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from moderation.errors import EnrolmentRefused
from moderation.likeness_consent import current_consent
from moderation.likeness_keys import key_open, picture_open
from moderation.matching.faces import Face
from moderation.models import (
    DeletionVia,
    EnrolmentPicture,
    EnrolmentState,
    FaceTemplate,
    IdentityStatus,
    ProtectedIdentity,
)
from moderation.selectors.likeness import Standing, standing_of
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
    identity_withdraw,
)
from moderation.tasks import read_enrolment_picture
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, descriptor_at, encoded, face_bytes, face_picture, made_face
from tests.factories.likeness import READER, make_identity, make_template, make_waiting

pytestmark = pytest.mark.django_db


def test_another_person_is_not_taken_into_an_identity() -> None:
    identity = make_identity()
    with pytest.raises(EnrolmentRefused, match="does not look like the one"):
        make_template(identity, made_face(seed=2))
    assert identity.templates.count() == 1


def test_template_needs_a_consent() -> None:
    identity = make_identity(seed=None)
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
    identity = make_identity(seed=None)
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
    identity = make_identity(seed=None)
    with pytest.raises(EnrolmentRefused, match=text):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins"), content]))
    assert not EnrolmentPicture.objects.exists()


@pytest.mark.parametrize("count", [0, 6])
def test_one_to_five_pictures_at_once(count: int) -> None:
    with pytest.raises(EnrolmentRefused, match=f"{count} pictures were sent"):
        pictures_receive(identity=make_identity(seed=None), pictures=PicturesSent.read([face_bytes("collins")] * count))


def test_more_than_ten_are_refused() -> None:
    identity = make_identity(seed=None)
    for _ in range(2):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")] * 5))
    with pytest.raises(EnrolmentRefused, match="10 pictures are enrolled or wait"):
        pictures_receive(identity=identity, pictures=PicturesSent.read([face_bytes("collins")]))


def test_where_it_was_taken_is_not_kept() -> None:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "at home"
    Image.open(io.BytesIO(face_bytes("collins"))).save(out, "JPEG", exif=exif)
    identity = make_identity(seed=None)
    (picture,) = pictures_receive(identity=identity, pictures=PicturesSent.read([out.getvalue()]))
    kept = picture_open(key_open(identity), picture)
    assert b"at home" in out.getvalue()
    assert b"at home" not in kept


def test_picture_that_cannot_be_used_says_why_and_is_gone() -> None:
    identity = make_identity(seed=None)
    picture = make_waiting(identity)
    picture_read(picture_id=picture.pk, reader=OtherReader(faces=()))
    picture.refresh_from_db()
    assert (picture.state, picture.sealed) == (EnrolmentState.REFUSED, None)
    assert "No face was found" in picture.reason


def test_picture_that_kills_its_worker_is_given_up() -> None:
    class Dies(OtherReader):
        def read(self, picture: Any) -> tuple[Face, ...]:
            raise SystemExit

    picture = make_waiting(make_identity(seed=None))
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            picture_read(picture_id=picture.pk, reader=Dies())
    picture_read(picture_id=picture.pk, reader=Dies())
    picture.refresh_from_db()
    assert (picture.state, picture.sealed) == (EnrolmentState.REFUSED, None)


def test_picture_read_after_the_withdrawal_adds_nothing() -> None:
    identity = make_identity(seed=None)
    picture = make_waiting(identity)

    class Withdraws(OtherReader):
        def read(self, picture: Any) -> tuple[Face, ...]:
            identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT)
            return (made_face(seed=1),)

    picture_read(picture_id=picture.pk, reader=Withdraws())
    assert not FaceTemplate.objects.exists()
    assert not EnrolmentPicture.objects.exists()


def test_sweep_hands_out_what_waits_and_deletes_what_waited_too_long() -> None:
    identity = make_identity(seed=None)
    fresh, lost, old = (make_waiting(identity) for _ in range(3))
    now = timezone.now()
    EnrolmentPicture.objects.filter(pk=lost.pk).update(created_at=now - timedelta(minutes=2))
    EnrolmentPicture.objects.filter(pk=old.pk).update(created_at=now - timedelta(hours=25))
    assert enrolments_due() == [lost.pk]
    states = dict(EnrolmentPicture.objects.values_list("pk", "state"))
    assert states == {fresh.pk: "waiting", lost.pk: "waiting", old.pk: "refused"}
    assert EnrolmentPicture.objects.get(pk=old.pk).sealed is None


@pytest.mark.parametrize(
    ("status", "templates", "waiting", "standing"),
    [
        (IdentityStatus.INVITED, 0, 0, Standing.INVITED),
        (IdentityStatus.ENROLLED, 0, 2, Standing.READING),
        (IdentityStatus.ENROLLED, 0, 0, Standing.EMPTY),
        (IdentityStatus.ENROLLED, 1, 2, Standing.PROTECTED),
        (IdentityStatus.WITHDRAWN, 0, 0, Standing.WITHDRAWN),
    ],
)
def test_who_has_no_template_is_not_said_to_be_protected(
    status: IdentityStatus, templates: int, waiting: int, standing: Standing
) -> None:
    assert standing_of(ProtectedIdentity(status=status), templates=templates, waiting=waiting) is standing


def test_refused_photographs_leave_an_enrolment_that_says_so_and_what_to_do(client: Client) -> None:
    ada, mo = make_user("ada"), make_user("mo", is_moderator=True)
    identity = make_identity(ada, seed=None)
    picture = make_waiting(identity)
    client.force_login(ada)
    page = f"/likeness/{identity.public_id}"
    assert "photographs being read" in client.get(page).content.decode()
    picture_read(picture_id=picture.pk, reader=OtherReader())  # it finds no face
    shown = client.get(page).content.decode()
    assert "no template: not protected" in shown
    assert "Not protected: there is no template." in shown
    assert "No face was found" in shown
    assert "at least 80 pixels wide" in shown
    assert ">enrolled<" not in shown
    assert "no template: not protected" in client.get("/likeness").content.decode()
    client.force_login(mo)
    assert "no template: not protected" in client.get("/moderation/identities").content.decode()
    make_template(identity, made_face(seed=1))
    client.force_login(ada)
    assert "not protected" not in client.get(page).content.decode().lower()
