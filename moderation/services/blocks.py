"""Blocks of what was removed: made with the decision, described by a task, lifted when an appeal is granted.

Copies that are here already are held back at once, each with a case of its own.
"""

import hashlib
import io
from collections.abc import Iterable

from django.db.models import Q
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from governance.services import audit_append, audited
from moderation.models import Block, BlockKind, Case, CaseEvidence, CaseKind, CaseSource
from moderation.selectors.blocks import blocks_in_force
from moderation.services.cases import case_open
from moderation.services.evidence import file_of
from registry.models import SamplePicture, SampleState, Version, VersionImage
from registry.services.holding import version_quarantine
from registry.states import VersionState

COPY_OF_REMOVED = "copy-of-removed"
CIRCULATING = (VersionState.PUBLISHED, VersionState.IN_REVIEW)
DESCRIBED_AT_ONCE = 50  # pictures that one run of the task describes


@audited()
def blocks_add(*, case: Case, actor: User, evidence: Iterable[CaseEvidence] = ()) -> list[Block]:
    """Block the files, tensors and pictures of the case's version, and these pictures of its evidence."""
    made = [_add(case, actor, kind, value, source) for kind, value, source in _digests(case, evidence)]
    return [block for block in made if block is not None]


def _digests(case: Case, evidence: Iterable[CaseEvidence]) -> Iterable[tuple[BlockKind, str, str]]:
    for file in case.version.files.all():
        yield BlockKind.FILE, file.sha256, ""
        if file.tensors_digest:
            yield BlockKind.TENSORS, file.tensors_digest, ""
    for image in case.version.images.all():
        yield BlockKind.PICTURE, image.sha256, f"image:{image.pk}"
    for sample in case.version.samples.all():
        yield BlockKind.PICTURE, sample.sha256, f"sample:{sample.pk}"
    for picture in evidence:
        yield BlockKind.PICTURE, picture.sha256, f"evidence:{picture.public_id}"


def _add(case: Case, actor: User, kind: BlockKind, value: str, source: str) -> Block | None:
    own = source.startswith("evidence:")
    block, created = Block.objects.get_or_create(
        kind=kind,
        value=value,
        lifted_at=None,
        defaults={"case": case, "version": None if own else case.version, "source": source},
    )
    if not created:
        return None
    data = {"case": str(case.public_id), "kind": kind.value}
    audit_append(actor=actor, action="block.added", subject=("moderation.block", str(block.public_id)), data=data)
    return block


@audited()
def blocks_lift(*, case: Case, actor: User) -> int:
    """Lift what the decision of `case` blocked; the number of blocks."""
    lifted = 0
    for block in blocks_in_force().select_for_update(no_key=True).filter(case=case):
        block.lifted_at = timezone.now()
        block.save(update_fields=["lifted_at"])
        audit_append(actor=actor, action="block.lifted", subject=("moderation.block", str(block.public_id)))
        lifted += 1
    return lifted


def copies_in_circulation(version: Version, pictures: Iterable[str] = ()) -> list[Version]:
    """Other versions with the same file, the same tensors or one of `pictures` (SHA-256) that people can get, or are
    about to."""
    own = list(version.files.values_list("sha256", "tensors_digest"))
    same = Q(files__sha256__in=[sha256 for sha256, _ in own])
    same |= Q(files__tensors_digest__in=[digest for _, digest in own if digest])
    same |= Q(pk__in=_showing(list(pictures)))
    found = Version.objects.filter(same, state__in=CIRCULATING).exclude(pk=version.pk).distinct()
    return list(found.select_related("adapter__owner").order_by("pk"))


def _showing(pictures: list[str]) -> set[int]:
    """The versions that show one of these pictures, byte for byte."""
    attached = SamplePicture.objects.filter(sha256__in=pictures).exclude(state=SampleState.REMOVED)
    rendered = VersionImage.objects.filter(sha256__in=pictures)
    return {*attached.values_list("version_id", flat=True), *rendered.values_list("version_id", flat=True)}


@audited()
def copies_hold(*, case: Case) -> list[Case]:
    """Hold back every copy of what `case` removed, also of a picture alone; a moderator decides about each."""
    pictures = blocks_in_force().filter(case=case, kind=BlockKind.PICTURE).values_list("value", flat=True)
    return [_hold(copy, case) for copy in copies_in_circulation(case.version, pictures)]


def _hold(copy: Version, removed: Case) -> Case:
    version_quarantine(
        version=copy,
        actor=None,
        code=COPY_OF_REMOVED,
        what="It is held back until a moderator has looked at it.",
        why="Its file, its tensors or a picture is the same as in a version that was removed.",
        remedy="A moderator decides; you need not do anything. The decision names its reasons.",
    )
    return case_open(
        kind=CaseKind.COPY,
        version=copy,
        source=CaseSource.SYSTEM,
        summary="The same file, tensors or picture as in a version that was taken down.",
        details={"codes": [COPY_OF_REMOVED], "removed_case": str(removed.public_id), "removed_kind": removed.kind},
        severity=removed.severity,
    )


def blocks_undescribed() -> list[int]:
    """Picture blocks that only find identical copies so far."""
    waiting = blocks_in_force().filter(kind=BlockKind.PICTURE, features=b"").exclude(source="")
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:DESCRIBED_AT_ONCE])


def block_describe(block_id: int) -> None:
    """Work out what finds near-identical copies of a blocked picture. Loads the picture matching: for tasks only."""
    block = Block.objects.select_related("case").get(pk=block_id)
    if bytes(block.features) or not block.source:
        return
    from PIL import Image

    from moderation.matching.pictures.description import describe
    from moderation.matching.pictures.raster import PictureUnusable

    features = b""
    try:
        content = file_of(case=block.case, key=block.source).content
        # Of an attached picture the digest is that of the file as it was uploaded, which is not kept.
        if block.source.startswith("sample:") or hashlib.sha256(content).hexdigest() == block.value:
            with Image.open(io.BytesIO(content)) as picture:
                features = describe(picture).to_bytes()
    except (NotFound, FileNotFoundError, PictureUnusable):
        pass  # the picture is gone, or has nothing to recognise: identical copies are found by its digest all the same
    Block.objects.filter(pk=block_id).update(features=features, source=block.source if features else "")
