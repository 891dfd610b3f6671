"""Blocks of what was removed: identical and near-identical copies are known again, and held where they are."""

import hashlib
import io
import random
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageDraw

from accounts.models import User
from governance.models import AuditEntry
from moderation.models import Block, BlockKind, Case, CaseKind
from moderation.selectors.blocks import blocked_copy, blocked_version
from moderation.services.blocks import block_describe, blocks_lift, blocks_undescribed
from moderation.services.evidence import Upload, evidence_add
from registry.models import Version, VersionImage
from tests.factories.accounts import make_user
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


def drawing(seed: int, size: int = 256) -> Image.Image:
    """A picture with enough in it to be recognised: shapes at random places."""
    chance = random.Random(seed)
    picture = Image.new("RGB", (size, size), tuple(chance.choices(range(256), k=3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y, w, h = (chance.randrange(size) for _ in range(4))
        shape = draw.ellipse if chance.random() < 0.5 else draw.rectangle
        shape((x, y, x + 8 + w // 5, y + 8 + h // 5), fill=tuple(chance.choices(range(256), k=3)))
    return picture


def as_bytes(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def _preview(version: Version, content: bytes) -> VersionImage:
    key = default_storage.save("images/blocked.png", ContentFile(content))
    return VersionImage.objects.create(
        version=version, row=0, column=0, prompt="p", seed=1, steps=1, guidance=1, strength=1, base_model="tinybase",
        width=256, height=256, storage_key=key, sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def _removed(version: Version, mo: User, **given: Any) -> Case:
    report, _ = make_report(version, CaseKind.INTIMATE)
    return decide(report.case, mo, "take-down", block_copies=True, **given)


def test_removed_file_and_tensors_are_known_again(version: Version, mo: User) -> None:
    file = version.files.get()
    assert blocked_copy(sha256=file.sha256, tensors_digest=file.tensors_digest, picture=None) is None
    case = _removed(version, mo)
    assert blocked_copy(sha256=file.sha256).case == case
    assert blocked_copy(tensors_digest=file.tensors_digest).kind == BlockKind.TENSORS
    assert blocked_copy(sha256="0" * 64, tensors_digest="0" * 64) is None
    assert blocked_copy() is None
    assert blocked_version(version.pk) is not None
    assert blocked_version(version.pk + 1) is None
    added = AuditEntry.objects.filter(action="block.added")
    assert added.count() == Block.objects.count()


def test_removed_file_under_another_header_is_known_by_its_tensors(version: Version, mo: User) -> None:
    _removed(version, mo)
    other = make_version(
        actor=make_user("eve"), content=lora_bytes(metadata={"ss_output_name": "renamed"}), name="renamed"
    )
    again = other.files.get()
    assert again.sha256 != version.files.get().sha256
    assert blocked_copy(sha256=again.sha256, tensors_digest=again.tensors_digest).kind == BlockKind.TENSORS


def test_dismissed_case_blocks_nothing(version: Version, mo: User) -> None:
    report, _ = make_report(version, CaseKind.INTIMATE)
    decide(report.case, mo, "dismiss", block_copies=True)
    assert not Block.objects.exists()


def test_lifted_block_is_none_and_may_come_again(version: Version, mo: User) -> None:
    case = _removed(version, mo)
    sha256 = version.files.get().sha256
    assert blocks_lift(case=case, actor=mo) == 2
    assert blocks_lift(case=case, actor=mo) == 0
    assert blocked_copy(sha256=sha256) is None
    Block.objects.create(kind=BlockKind.FILE, value=sha256, case=case)
    assert blocked_copy(sha256=sha256) is not None


def test_blocking_the_same_twice_keeps_one(version: Version, mo: User) -> None:
    _removed(version, mo)
    copy = make_version(actor=make_user("eve"), name="copy", content=lora_bytes(metadata={"a": "b"}))
    before = Block.objects.filter(kind=BlockKind.TENSORS).count()
    _removed(copy, mo)
    assert Block.objects.filter(kind=BlockKind.TENSORS).count() == before == 1


# Pictures


def test_other_adapter_that_shows_the_removed_picture_is_held_with_a_case(version: Version, mo: User) -> None:
    _preview(version, as_bytes(drawing(1)))
    other, apart = (
        make_version(actor=make_user(name), name=name, content=lora_bytes(seed=seed))
        for name, seed in (("eve", 8), ("bea", 9))
    )
    _preview(other, as_bytes(drawing(1)))
    _preview(apart, as_bytes(drawing(2)))
    _removed(version, mo)
    other.refresh_from_db()
    apart.refresh_from_db()
    assert (other.state, apart.state) == ("quarantined", "published")
    assert Case.objects.get(version=other).kind == CaseKind.COPY


def test_picture_is_known_identical_at_once_and_changed_after_the_task(version: Version, mo: User) -> None:
    shown = drawing(1)
    _preview(version, as_bytes(shown))
    _removed(version, mo)
    cropped = shown.crop((25, 25, 231, 231)).resize((180, 180))
    changed = as_bytes(cropped, "JPEG", quality=40)
    assert blocked_copy(picture=as_bytes(shown)) is not None
    assert blocked_copy(picture=changed) is None
    (waiting,) = blocks_undescribed()
    block_describe(waiting)
    assert blocks_undescribed() == []
    assert blocked_copy(picture=changed).pk == waiting
    assert blocked_copy(picture=as_bytes(shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT))).pk == waiting
    for other in (2, 3, 4):
        assert blocked_copy(picture=as_bytes(drawing(other))) is None


def test_picture_of_the_evidence_is_blocked_where_that_is_chosen(version: Version, mo: User) -> None:
    report, _ = make_report(version, CaseKind.INTIMATE)
    mine, passport = (
        evidence_add(case=report.case, upload=Upload(f"{seed}.png", as_bytes(drawing(seed))), actor=None)
        for seed in (5, 6)
    )
    decide(report.case, mo, "take-down", block_copies=True, block_evidence=(mine,))
    for block_id in blocks_undescribed():
        block_describe(block_id)
    assert blocked_copy(picture=as_bytes(drawing(5), "JPEG", quality=30)) is not None
    assert blocked_copy(picture=as_bytes(drawing(6))) is None
    assert passport.sha256 not in Block.objects.values_list("value", flat=True)


def test_picture_without_anything_in_it_is_known_by_its_digest_alone(version: Version, mo: User) -> None:
    plain = as_bytes(Image.new("RGB", (64, 64), "grey"))
    _preview(version, plain)
    _removed(version, mo)
    block_describe(blocks_undescribed()[0])
    assert blocks_undescribed() == []  # not asked for again and again
    assert blocked_copy(picture=plain) is not None
    assert blocked_copy(picture=as_bytes(Image.new("RGB", (65, 64), "grey"))) is None


def test_what_is_no_picture_is_an_error_and_no_pass(version: Version, mo: User) -> None:
    _preview(version, as_bytes(drawing(1)))
    _removed(version, mo)
    block_describe(blocks_undescribed()[0])
    with pytest.raises(OSError):
        blocked_copy(picture=b"no picture")


def test_many_blocks_still_find_the_one(version: Version, mo: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from moderation.selectors import blocks

    monkeypatch.setattr(blocks, "COMPARED_ALL", 0)
    _preview(version, as_bytes(drawing(1)))
    _removed(version, mo)
    block_describe(blocks_undescribed()[0])
    changed = drawing(1).crop((20, 20, 236, 236))
    assert blocked_copy(picture=as_bytes(changed, "JPEG", quality=40)) is not None
    assert blocked_copy(picture=as_bytes(drawing(2))) is None


# Copies that are here already


def test_copies_in_circulation_are_held_with_a_case_each(version: Version, mo: User) -> None:
    eve = make_user("eve")
    copy = make_version(actor=eve, name="copy", content=lora_bytes(metadata={"a": "b"}))
    other = make_version(actor=eve, name="other", content=lora_bytes(seed=9))
    if copy.state == "in-review":  # a copy waits for a person by itself
        decide(make_case(copy), mo, "approve")
    case = _removed(version, mo)
    copy, other = (Version.objects.get(pk=one.pk) for one in (copy, other))
    assert (copy.state, copy.state_detail["code"]) == ("quarantined", "copy-of-removed")
    assert other.state == "published"
    held = Case.objects.get(kind=CaseKind.COPY)
    assert (held.version, held.severity, held.details["removed_case"]) == (copy, case.severity, str(case.public_id))
    decide(held, mo, "take-down")
    assert Version.objects.get(pk=copy.pk).state == "taken-down"


def test_web_process_does_not_load_the_picture_matching() -> None:
    import subprocess
    import sys

    heavy = ("cv2", "faiss", "onnxruntime", "dlib", "torch")
    views = ", ".join(f"moderation.views.{name}" for name in ("cases", "reports", "appeals", "transparency"))
    code = f"import django; django.setup(); import sys, {views}; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, env=_environment())
    assert done.stdout.strip() == "[]", done.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
