"""Evidence: files sealed at rest, and pictures of a case, each view of which is on the audit log."""

import hashlib
import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import default_storage
from PIL import Image, ImageFilter, UnidentifiedImageError

from accounts.errors import NotFound
from accounts.models import User
from governance.services import audited
from moderation.errors import EvidenceRefused
from moderation.models import Block, Case, CaseEvidence, EventKind, PictureMatch, WorkFeatures
from moderation.optout_pictures import thumbnail_unsealed
from moderation.services.history import case_log
from registry.models import SamplePicture, VersionImage
from registry.sealing import seal, unseal
from registry.storage import store_bytes

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
MAX_PIXELS = 50_000_000  # of a picture that is opened here
BLURRED_SIDE, SHOWN_SIDE = 16, 320  # pixels: what is left of a blurred picture, and how large that is shown


@dataclass(frozen=True)
class Upload:
    """A file as it was sent."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Opened:
    """A file of a case as it is shown."""

    content: bytes
    content_type: str
    name: str


def content_type_of(upload: Upload) -> str:
    """What the bytes are, whatever they are called; raises EvidenceRefused for what is not taken."""
    if not upload.content:
        raise EvidenceRefused(f"{upload.name} is empty.")
    if len(upload.content) > settings.EVIDENCE_MAX_BYTES:
        limit = settings.EVIDENCE_MAX_BYTES // 1024**2
        raise EvidenceRefused(f"{upload.name} is larger than {limit} MiB.")
    if upload.content.startswith(b"%PDF-"):
        return "application/pdf"
    if picture := _picture_type(upload.content):
        return picture
    try:
        text = upload.content.decode()
    except UnicodeDecodeError as error:
        raise EvidenceRefused(f"{upload.name} is neither a picture nor a PDF nor plain text.") from error
    if "\0" in text:
        raise EvidenceRefused(f"{upload.name} is neither a picture nor a PDF nor plain text.")
    return "text/plain; charset=utf-8"


def _picture_type(content: bytes) -> str:
    """Empty where it is no picture of a format that is taken."""
    try:
        with Image.open(io.BytesIO(content), formats=list(FORMATS)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise EvidenceRefused("The picture has too many pixels.", remedy="Send a smaller copy of it.")
            picture.load()
            return FORMATS[str(picture.format)]
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return ""
    except (OSError, SyntaxError, ValueError) as error:
        raise EvidenceRefused("The picture is cut short or damaged.", remedy="Send it again.") from error


def _context(evidence: CaseEvidence) -> str:
    return f"case evidence {evidence.public_id}"


@audited()
def evidence_add(*, case: Case, upload: Upload, actor: User | None) -> CaseEvidence:
    """Keep a file sealed with the case; raises EvidenceRefused."""
    content_type = content_type_of(upload)
    evidence = CaseEvidence(
        case=case,
        name=upload.name.replace("\0", "")[-200:] or "file",
        content_type=content_type,
        size=len(upload.content),
        sha256=hashlib.sha256(upload.content).hexdigest(),
        added_by=actor,
    )
    evidence.storage_key = f"evidence/{case.public_id}/{evidence.public_id}"
    store_bytes(content=seal(upload.content, context=_context(evidence)), key=evidence.storage_key)
    evidence.save(force_insert=True)
    data = {"evidence": str(evidence.public_id)}
    case_log(case=case, kind=EventKind.EVIDENCE, actor=actor, data=data)
    return evidence


def evidence_content(evidence: CaseEvidence) -> bytes:
    """The file in the clear, for tasks and for `picture_view`; raises SealBroken."""
    return unseal(_stored(evidence.storage_key), context=_context(evidence))


def _of_evidence(case: Case, name: str) -> Opened | None:
    found = case.evidence.filter(public_id=_uuid(name)).first()
    return Opened(evidence_content(found), found.content_type, found.name) if found else None


def _of_image(case: Case, name: str) -> Opened | None:
    """A preview that the house rendered."""
    found = VersionImage.objects.filter(version=case.version_id, pk=_uuid(name)).first()
    return Opened(_stored(found.storage_key), "image/png", f"{found.pk}.png") if found else None


def _of_sample(case: Case, name: str) -> Opened | None:
    """A picture that the uploader attached."""
    found = SamplePicture.objects.filter(version=case.version_id, pk=_uuid(name)).first()
    return _picture(_stored(found.storage_key), f"sample-{found.pk}") if found else None


def _of_work(case: Case, name: str) -> Opened | None:
    """The small picture of a registered work that a picture of this version was matched with."""
    matched = PictureMatch.objects.filter(version=case.version_id, against=f"work:{name}").exists()
    features = WorkFeatures.objects.filter(entry__public_id=_uuid(name)).first() if matched else None
    if features is None or features.thumbnail_sealed is None:
        return None
    return _picture(thumbnail_unsealed(bytes(features.thumbnail_sealed), entry=_uuid(name)), f"work-{name}")


def _of_block(case: Case, name: str) -> Opened | None:
    """The removed picture that a picture of this version was matched with."""
    matched = (
        name.isdecimal() and PictureMatch.objects.filter(version=case.version_id, against=f"block:{name}").exists()
    )
    block = Block.objects.select_related("case__version").filter(pk=int(name)).first() if matched else None
    return file_of(case=block.case, key=block.source) if block and block.source else None


def _stored(key: str) -> bytes:
    with default_storage.open(key, "rb") as file:
        return bytes(file.read())


def _picture(content: bytes, name: str) -> Opened:
    return Opened(content, _picture_type(content) or "application/octet-stream", name)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)


# Where pictures and files of a case come from, by the first part of their key `<source>:<name>`. The keys of the
# screening's matches are of the same form.
SOURCES: dict[str, Callable[[Case, str], Opened | None]] = {
    "evidence": _of_evidence,
    "image": _of_image,
    "sample": _of_sample,
    "work": _of_work,
    "block": _of_block,
}


def file_of(*, case: Case, key: str) -> Opened:
    """The file of a case under `<source>:<name>`, without a trace: for tasks. Raises NotFound."""
    source, _, name = key.partition(":")
    found = SOURCES[source](case, name) if source in SOURCES else None
    if found is None:
        raise NotFound("There is no such file in this case.")
    return found


@audited()
def file_view(*, case: Case, key: str, actor: User) -> Opened:
    """The file for a moderator's eyes; that they looked is on record."""
    opened = file_of(case=case, key=key)
    case_log(case=case, kind=EventKind.VIEWED, actor=actor, data={"file": key})
    return opened


def file_blurred(*, case: Case, key: str) -> bytes:
    """A PNG of a picture in which nothing can be made out: 16 pixels wide, drawn large. Raises NotFound."""
    opened = file_of(case=case, key=key)
    try:
        with Image.open(io.BytesIO(opened.content), formats=list(FORMATS)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise NotFound("The picture is too large to be shown.")
            small = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise NotFound("This file is no picture.") from error
    small.thumbnail((BLURRED_SIDE, BLURRED_SIDE))
    factor = SHOWN_SIDE // max(small.size)
    large = small.resize((small.width * factor, small.height * factor), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    large.filter(ImageFilter.GaussianBlur(factor / 2)).save(out, "PNG")
    return out.getvalue()
