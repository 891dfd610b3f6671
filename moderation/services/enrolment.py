"""From an uploaded picture to a sealed template. The picture lies sealed until a worker reads it, and is then gone."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from PIL import Image, UnidentifiedImageError

from governance.services import audit_append, audited
from moderation.errors import EnrolmentRefused
from moderation.likeness_keys import key_open, picture_open, picture_seal, template_open, template_seal
from moderation.matching.decoding import PictureUnreadable, upright
from moderation.matching.faces import Face, FaceReader, distance
from moderation.models import EnrolmentPicture, EnrolmentState, FaceTemplate, IdentityStatus, ProtectedIdentity
from moderation.services.likeness import SUBJECT, enrolled_locked
from moderation.signals import enrolment_picture_received
from registry.sealing import RecordKey

PICTURES_AT_ONCE = 5
TEMPLATES_MOST = 10  # of one identity
PICTURE_BYTES = 20 * 1024**2
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 40_000_000  # of one picture: what is decoded takes three bytes of each in the web process
KEPT_SIDE = 1920  # pixels; more is not needed to read a face
MAX_ATTEMPTS = 3
PATIENCE = timedelta(hours=24)  # a picture is not kept longer, read or not

FACE_SIZE = 80  # pixels; below it pairs of one person drift apart
SHARPNESS = 15.0
WORKER_DIED = "The picture could not be read. Send it again, or another one."
TOO_OLD = "Nobody read the picture in time, so it was deleted. Send it again."


@dataclass(frozen=True)
class PicturesSent:
    """One to five pictures that were looked at: upright JPEGs of bounded size, without any metadata."""

    jpegs: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def read(cls, contents: Sequence[bytes]) -> "PicturesSent":
        """EnrolmentRefused where there are too many, or one is no picture."""
        if not 1 <= len(contents) <= PICTURES_AT_ONCE:
            raise EnrolmentRefused(f"{len(contents)} pictures were sent.")
        return cls(tuple(_stripped(content) for content in contents))


@transaction.atomic
def pictures_receive(*, identity: ProtectedIdentity, pictures: PicturesSent) -> list[EnrolmentPicture]:
    """Keep pictures, sealed, until a worker has read them; EnrolmentRefused where they would be too many."""
    identity = enrolled_locked(identity)
    have = identity.templates.count() + identity.pictures.filter(state=EnrolmentState.WAITING).count()
    if have + len(pictures.jpegs) > TEMPLATES_MOST:
        raise EnrolmentRefused(
            f"{have} pictures are enrolled or wait already, and {TEMPLATES_MOST} are the most.",
            remedy="Delete the templates first if you want to begin anew.",
        )
    key = key_open(identity)
    return [_keep(identity, key, content) for content in pictures.jpegs]


def _keep(identity: ProtectedIdentity, key: RecordKey, content: bytes) -> EnrolmentPicture:
    picture = EnrolmentPicture(identity=identity)
    picture.sealed = picture_seal(key, picture, content)
    picture.save()
    transaction.on_commit(
        lambda: enrolment_picture_received.send(sender=EnrolmentPicture, picture_id=picture.pk)  # type: ignore[func-returns-value]
    )
    return picture


def _stripped(content: bytes) -> bytes:
    """The picture alone as a JPEG, upright, at most KEPT_SIDE wide: where and when it was taken does not come along."""
    if len(content) > PICTURE_BYTES:
        raise EnrolmentRefused(f"A picture may have {PICTURE_BYTES // 1024**2} MB.")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise EnrolmentRefused(f"A picture may have {MOST_PIXELS // 10**6} million pixels.")
            opened.draft("RGB", (KEPT_SIDE, KEPT_SIDE))  # a large JPEG is decoded at a half or a quarter of its size
            shown = upright(opened)
    except (UnidentifiedImageError, PictureUnreadable, Image.DecompressionBombError, OSError, ValueError) as error:
        raise EnrolmentRefused("A file is no picture that can be read. JPEG, PNG and WebP can.") from error
    shown.thumbnail((KEPT_SIDE, KEPT_SIDE))
    out = io.BytesIO()
    shown.save(out, "JPEG", quality=95)
    return out.getvalue()


def picture_read(*, picture_id: int, reader: FaceReader) -> None:
    """Make a template of a waiting picture, or say why not; either way the picture is gone then. Safe to repeat."""
    found = _take(picture_id)
    if found is None:
        return
    picture, content = found
    try:
        with Image.open(io.BytesIO(content)) as opened:
            face = usable_face(reader.read(upright(opened)))
    except (EnrolmentRefused, PictureUnreadable) as error:
        _refuse(picture, f"{getattr(error, 'detail', error)}")
        return
    _add(picture, face, reader)


def _take(picture_id: int) -> tuple[EnrolmentPicture, bytes] | None:
    """The picture and its bytes. Each attempt is counted first: what kills a worker is not tried for ever."""
    with transaction.atomic():
        rows = EnrolmentPicture.objects.select_for_update(skip_locked=True).filter(pk=picture_id)
        picture = rows.filter(state=EnrolmentState.WAITING).first()
        if picture is None or picture.sealed is None:
            return None
        if picture.attempts >= MAX_ATTEMPTS:
            _settle(picture, EnrolmentState.REFUSED, WORKER_DIED)
            return None
        EnrolmentPicture.objects.filter(pk=picture.pk).update(attempts=F("attempts") + 1)
        return picture, picture_open(key_open(picture.identity), picture)


def usable_face(faces: Sequence[Face]) -> Face:
    """The one face that a template can be made of; EnrolmentRefused says what is wrong with the picture."""
    if not faces:
        raise EnrolmentRefused("No face was found. Take one from the front, in even light.")
    if len(faces) > 1:
        raise EnrolmentRefused(f"{len(faces)} faces were found. Cut the picture so that it shows one person alone.")
    (face,) = faces
    if face.size < FACE_SIZE:
        raise EnrolmentRefused(f"The face is {face.size} pixels wide; {FACE_SIZE} are needed. Send a larger picture.")
    if face.sharpness < SHARPNESS:
        raise EnrolmentRefused("The face is blurred. Send a sharper picture.")
    return face


@audited()
def _add(picture: EnrolmentPicture, face: Face, reader: FaceReader) -> None:
    identity = ProtectedIdentity.objects.select_for_update().get(pk=picture.identity_id)
    waiting = EnrolmentPicture.objects.select_for_update().filter(pk=picture.pk, state=EnrolmentState.WAITING).first()
    if waiting is None or identity.status != IdentityStatus.ENROLLED:
        return  # withdrawn, or read by another worker, meanwhile
    try:
        template_add(identity=identity, face=face, reader=reader, consent_reference=_reference(identity))
    except EnrolmentRefused as error:
        _settle(waiting, EnrolmentState.REFUSED, error.detail)
    else:
        _settle(waiting, EnrolmentState.TAKEN, "")


@audited()
def template_add(
    *, identity: ProtectedIdentity, face: Face, reader: FaceReader, consent_reference: str
) -> FaceTemplate:
    """Seal a face as a template of the identity; EnrolmentRefused where it is another person than its other ones."""
    identity = enrolled_locked(identity)
    if not consent_reference:
        raise EnrolmentRefused("A template needs the consent that it rests on.")
    key = key_open(identity)
    others = [template_open(key, row) for row in identity.templates.filter(model=reader.model)]
    if others and min(distance(face.descriptor, other) for other in others) > reader.look:
        raise EnrolmentRefused("The face does not look like the one in your other pictures.")
    template = FaceTemplate(
        identity=identity,
        key_id=key.id.hex(),
        model=reader.model,
        consent_reference=consent_reference,
        face_size=face.size,
        sharpness=face.sharpness,
    )
    template.ciphertext = template_seal(key, template, face.descriptor)
    template.save()
    audit_append(
        actor=identity.user,
        action="likeness.template-added",
        subject=(SUBJECT, str(identity.public_id)),
        data={"template": str(template.public_id), "model": reader.model, "consent": consent_reference},
    )
    return template


def enrolments_due() -> list[int]:
    """Pictures that wait longer than a message takes, to be handed out again; those that nobody read are deleted."""
    now = timezone.now()
    with transaction.atomic():
        waiting = EnrolmentPicture.objects.select_for_update(skip_locked=True).filter(state=EnrolmentState.WAITING)
        for picture in waiting.filter(created_at__lt=now - PATIENCE):
            _settle(picture, EnrolmentState.REFUSED, TOO_OLD)
    due = EnrolmentPicture.objects.filter(state=EnrolmentState.WAITING, created_at__lt=now - timedelta(seconds=30))
    return list(due.values_list("pk", flat=True)[:100])


def _refuse(picture: EnrolmentPicture, reason: str) -> None:
    with transaction.atomic():
        rows = EnrolmentPicture.objects.select_for_update().filter(pk=picture.pk, state=EnrolmentState.WAITING)
        for waiting in rows:
            _settle(waiting, EnrolmentState.REFUSED, reason)


def _settle(picture: EnrolmentPicture, state: EnrolmentState, reason: str) -> None:
    picture.state, picture.reason, picture.sealed, picture.read_at = state, reason[:300], None, timezone.now()
    picture.save(update_fields=["state", "reason", "sealed", "read_at"])


def _reference(identity: ProtectedIdentity) -> str:
    return f"enrolment {identity.consent_edition} {identity.consent_sha256[:16]}"
