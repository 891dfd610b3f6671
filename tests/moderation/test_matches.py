"""Matches side by side: what the screening found, opened by a moderator of this case alone, each look on record."""

import hashlib
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import User
from governance.models import AuditEntry
from moderation.models import Block, BlockKind, Case, CaseKind, CheckState, PictureMatch, Round, Screening, WorkFeatures
from registry.models import SamplePicture, Version, VersionImage
from tests.factories.accounts import make_user
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.optout import register_as
from tests.factories.registry import make_version
from tests.moderation.test_blocks import as_bytes, drawing
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def mo(client: Client) -> User:
    moderator = make_user("mo", is_moderator=True)
    client.force_login(moderator)
    return moderator


def _image(version: Version, seed: int) -> VersionImage:
    content = as_bytes(drawing(seed))
    return VersionImage.objects.create(
        version=version, row=0, column=0, prompt="p", seed=1, steps=1, guidance=1, strength=1, base_model="tinybase",
        width=256, height=256, storage_key=default_storage.save(f"images/{seed}.png", ContentFile(content)),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def _sample(version: Version, seed: int) -> SamplePicture:
    content = as_bytes(drawing(seed), "JPEG")
    return SamplePicture.objects.create(
        version=version, kind="training", width=256, height=256, added_by=version.created_by,
        storage_key=default_storage.save(f"samples/{seed}.jpg", ContentFile(content)),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


def _found(version: Version, picture: str, against: str, **given: Any) -> PictureMatch:
    screening = version.screenings.filter(round=Round.INTAKE).first() or Screening.objects.create(
        version=version, round=Round.INTAKE, state="done"
    )
    check = screening.checks.create(name=f"c{screening.checks.count()}", place=1, state=CheckState.FLAGGED)
    return PictureMatch.objects.create(check_row=check, version=version, picture=picture, against=against, **given)


def _removed(mo: User) -> Block:
    """The block of a picture whose version was taken down."""
    version = make_version(actor=make_user("eve"), name="bad", content=lora_bytes(seed=9))
    _image(version, 1)
    report, _ = make_report(version, CaseKind.INTIMATE)
    decide(report.case, mo, "take-down", block_copies=True)
    return Block.objects.get(kind=BlockKind.PICTURE)


def test_match_shows_both_pictures_blurred_and_opens_each_on_record(client: Client, mo: User) -> None:
    block = _removed(mo)
    version = make_version(actor=make_user("ada"))
    sample = _sample(version, 1)
    _found(
        version, f"sample:{sample.pk}", f"block:{block.pk}", caption="A copy of a removed picture", score="12 points"
    )
    case = make_case(version, kind=CaseKind.COPY)
    at = case.get_absolute_url()
    page = client.get(at).content.decode()
    for key in (f"sample:{sample.pk}", f"block:{block.pk}"):
        assert f'src="{at}/blurred/{key}"' in page
        assert f'href="{at}/files/{key}"' in page
    assert "A copy of a removed picture" in page
    assert "12 points" in page
    assert client.get(f"{at}/blurred/block:{block.pk}")["Content-Type"] == "image/png"
    assert client.get(f"{at}/files/block:{block.pk}").content == as_bytes(drawing(1))
    assert client.get(f"{at}/files/sample:{sample.pk}")["Content-Type"] == "image/jpeg"
    assert AuditEntry.objects.filter(action="case.viewed").count() == 2


def test_picture_that_was_not_matched_here_stays_shut(client: Client, mo: User) -> None:
    block = _removed(mo)
    version, other = (
        make_version(actor=make_user("ada")),
        make_version(actor=make_user("ben"), name="o", content=lora_bytes(seed=3)),
    )
    mine, theirs = _image(version, 2), _image(other, 3)
    _found(other, f"image:{theirs.pk}", f"block:{block.pk}")
    at = make_case(version, kind=CaseKind.SPAM).get_absolute_url()
    for key in (f"block:{block.pk}", f"image:{theirs.pk}", "block:x", "block:", "work:nothing", "sample:nothing"):
        assert client.get(f"{at}/files/{key}").status_code == 404, key
    assert client.get(f"{at}/files/image:{mine.pk}").status_code == 200
    assert AuditEntry.objects.filter(action="case.viewed").count() == 1


def test_registered_work_is_shown_by_its_small_picture(client: Client, mo: User) -> None:
    register_as(make_user("rita"), pictures={"Shores": as_bytes(drawing(4))})
    entry = WorkFeatures.objects.get().entry
    version = make_version(actor=make_user("ada"))
    image = _image(version, 4)
    _found(version, f"image:{image.pk}", f"work:{entry.public_id}", caption="Shores")
    at = make_case(version, kind=CaseKind.OPT_OUT).get_absolute_url()
    assert f'href="{at}/files/work:{entry.public_id}"' in client.get(at).content.decode()
    opened = client.get(f"{at}/files/work:{entry.public_id}")
    assert opened["Content-Type"] == "image/jpeg"
    assert AuditEntry.objects.filter(action="case.viewed").count() == 1


def test_likeness_has_no_second_picture(client: Client, mo: User) -> None:
    version = make_version(actor=make_user("ada"))
    image = _image(version, 5)
    _found(
        version, f"image:{image.pk}", "identity:00000000-0000-4000-8000-000000000000", caption="A protected likeness"
    )
    page = client.get(make_case(version, kind=CaseKind.LIKENESS).get_absolute_url()).content.decode()
    assert "No picture of a protected likeness is kept." in page
    assert Case.objects.count() == 1
