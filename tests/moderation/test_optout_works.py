"""Works: from the uploaded picture to the hit, and no picture of it left behind."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from PIL import Image, ImageOps

from moderation.matching.pictures import DEFAULT, PictureUnusable, describe
from moderation.models import OptOutClaim, OptOutEntry, OptOutHolder, OptOutPicture, WorkFeatures, WorkHash
from moderation.optout_pictures import picture_check, thumbnail_unsealed
from moderation.selectors.optout import works_found
from moderation.services.optout import claims_withdraw, optout_register, pictures_due
from moderation.services.works import ATTEMPTS, picture_prepare
from registry.pictures import PIXELS_MAX, PictureRefused
from tests.factories.accounts import make_user
from tests.factories.optout import (
    csv_of,
    hashes,
    make_import,
    make_picture,
    picture_bytes,
    prepare,
    register_as,
    register_by_mail,
    submission,
)

pytestmark = pytest.mark.django_db


def _cropped(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 10, height // 10, width - width // 10, height - height // 10))


def _files() -> list[Path]:
    folder = Path(default_storage.path("optout"))
    return [path for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: picture,
        _cropped,
        ImageOps.mirror,
        lambda picture: picture.rotate(90, expand=True),
        lambda picture: ImageOps.grayscale(picture),
        lambda picture: picture.resize((200, 150)),
    ],
    ids=["same", "cropped", "mirrored", "turned", "grey", "half"],
)
def test_copies_of_a_registered_work_are_found(changed: object) -> None:
    ada = make_user("ada")
    picture = make_picture()
    register_as(ada, pictures={"Shore": picture_bytes(picture), "Other": picture_bytes(make_picture(2))})
    copy = picture_bytes(changed(picture).convert("RGB"), "JPEG", quality=40)  # type: ignore[operator]
    [hit] = works_found(copy)
    assert (hit.title, hit.verified, hit.holders) == ("Shore", False, (ada.pk,))
    assert hit.entry_id == str(OptOutEntry.objects.get(text="Shore").public_id)
    assert hit.inliers is not None
    assert hit.evidence == "geometry"


def test_other_pictures_are_not_found() -> None:
    register_as(make_user(), pictures={"Shore": picture_bytes(make_picture())})
    for seed in range(2, 8):
        assert works_found(picture_bytes(make_picture(seed))) == ()


def test_unconfirmed_and_withdrawn_works_are_not_found() -> None:
    content = picture_bytes(make_picture())
    register_by_mail(pictures={"Shore": content}, confirm=False)
    assert WorkFeatures.objects.count() == 1  # worked out already, so that the picture does not lie about
    assert works_found(content) == ()
    ada = make_user("ada")
    register_as(ada, pictures={"Shore": content})
    assert len(works_found(content)) == 1
    claims_withdraw(holder=OptOutHolder.objects.get(user=ada), entry=OptOutEntry.objects.get(), actor=ada)
    assert works_found(content) == ()


def test_picture_is_sealed_while_it_waits() -> None:
    content = picture_bytes(make_picture())
    made = optout_register(submission=submission(pictures={"Shore": content}), user=make_user())
    picture = made.pictures.get()
    file = Path(default_storage.path(picture.storage_key))
    assert content[:200] not in file.read_bytes()  # sealed while it waits
    prepare(made)
    picture.refresh_from_db()
    assert (picture.storage_key, file.exists()) == ("", True)  # the file goes when the transaction has committed


@pytest.mark.django_db(transaction=True)
def test_file_is_gone_after_the_commit_and_the_thumbnail_is_small() -> None:
    before = _files()
    register_as(make_user(), pictures={"Shore": picture_bytes(make_picture(size=(1200, 900)))})
    assert _files() == before
    features = WorkFeatures.objects.get()
    sealed = bytes(features.thumbnail_sealed or b"")
    small = Image.open(io.BytesIO(thumbnail_unsealed(sealed, entry=features.entry.public_id)))
    assert (small.format, small.size, features.width) == ("JPEG", (320, 240), 1200)
    assert b"JFIF" not in sealed


def test_failed_registration_leaves_no_file() -> None:
    ada = make_user()
    register_as(ada, pictures={"Shore": picture_bytes(make_picture())})
    before = _files()
    OptOutHolder.objects.update(blocked_at="2026-01-01T00:00Z")
    with pytest.raises(Exception, match="blocked"):
        register_as(ada, pictures={"Other": picture_bytes(make_picture(2))})
    assert _files() == before


def test_same_work_of_two_holders_is_one_entry() -> None:
    content = picture_bytes(make_picture())
    register_as(make_user("ada"), pictures={"Shore": content})
    register_as(make_user("ben"), pictures={"Copied": content})
    assert OptOutEntry.objects.get().text == "Shore"
    assert OptOutClaim.objects.count() == 2
    assert (WorkFeatures.objects.count(), WorkHash.objects.count()) == (1, 1)


def test_uploaded_work_and_its_hash_on_a_list_are_one_entry() -> None:
    content = picture_bytes(make_picture())
    register_as(make_user(), pictures={"Shore": content})
    digits = bytes(WorkHash.objects.get().bits).hex()
    report = make_import(csv_of(f"work,{digits},pdq,,,x1"))
    assert (report.added, OptOutEntry.objects.count()) == (1, 1)
    assert OptOutEntry.objects.get().verified  # a list stands behind it now


def test_bare_hash_of_a_list_decides_at_the_strict_threshold() -> None:
    described = describe(make_picture())
    for algorithm, hashed in (("pdq", described.pdqs[0]), ("phash", described.phashes[0])):
        bits = getattr(DEFAULT, algorithm)
        OptOutEntry.objects.all().delete()
        near, far = bytearray(hashed.tobytes()), bytearray(hashed.tobytes())
        for place in range(bits):
            near[place // 8] ^= 128 >> place % 8
        for place in range(bits + 1):
            far[place // 8] ^= 128 >> place % 8
        register_as(make_user(algorithm), *hashes(f"{algorithm}:{near.hex()} Near", f"{algorithm}:{far.hex()} Far"))
        [hit] = works_found(picture_bytes(make_picture()))
        assert (hit.title, hit.evidence, hit.distance, hit.inliers) == ("Near", "list", bits, None)


def test_listed_file_is_found_by_its_digest_alone() -> None:
    import hashlib

    content = picture_bytes(make_picture())
    register_as(make_user(), *hashes(f"sha256:{hashlib.sha256(content).hexdigest()} File"))
    [hit] = works_found(content)
    assert (hit.title, hit.evidence, hit.distance) == ("File", "file", 0)
    assert works_found(picture_bytes(make_picture(), "JPEG")) == ()


def test_surest_hit_comes_first() -> None:
    whole, part = make_picture(), make_picture(2, (200, 150))
    register_as(make_user(), pictures={"Whole": picture_bytes(whole), "Part": picture_bytes(part)})
    both = whole.resize((800, 600))
    both.paste(part, (30, 30))
    hits = works_found(picture_bytes(both))
    assert [hit.title for hit in hits] == ["Whole", "Part"]
    assert (hits[0].inliers or 0) > (hits[1].inliers or 0)


# Pictures that are no good


def _png(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no JPEG, PNG or WebP"),
        (SVG, "no JPEG, PNG or WebP"),
        (b"GIF89a" + bytes(40), "no JPEG, PNG or WebP"),
        (_png(60_000, 60_000), "million pixels"),  # 3.6 gigapixels in 70 bytes
        (_png(30_000, 10), "million pixels"),
        (_png(5_000, 5_000, bytes(25_005_000)), ""),  # a bomb within the limits: 25 MB out of 25 kB
        (_png(300, 300, b"\0" * 100), "damaged"),
        (picture_bytes(make_picture())[:-4000], "damaged"),
        (picture_bytes(make_picture(), "JPEG")[:4000], "damaged"),
        (picture_bytes(make_picture(), "WEBP")[:3000], "damaged"),
        (bytes(16 * 1024**2), "larger than 15 MiB"),
    ],
    ids=["empty", "svg", "gif", "giga", "long", "bomb", "short", "png", "jpeg", "webp", "heavy"],
)
def test_bad_pictures_are_refused_with_the_reason(content: bytes, told: str) -> None:
    if told:
        with pytest.raises(PictureRefused, match=told):
            picture_check(content)
    else:
        assert picture_check(content).content == content


def test_limit_of_pixels_is_where_it_says() -> None:
    assert PIXELS_MAX == 5_000 * 8_000
    assert picture_check(_png(8_000, 5_000, b"".join(b"\0" + bytes(8_000) for _ in range(5_000))))
    with pytest.raises(PictureRefused, match="40 million pixels"):
        picture_check(_png(8_001, 5_000))


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA", "1", "I;16", "LA"])
def test_every_mode_of_colour_is_taken(mode: str) -> None:
    picture = make_picture()
    if mode == "I;16":
        changed = Image.frombytes(
            "I;16", picture.size, picture.convert("L").tobytes("raw", "L").hex().encode()[: 2 * 320 * 240]
        )
    elif mode == "P":
        changed = picture.quantize(64)
    else:
        changed = picture.convert(mode)
    content = picture_bytes(changed, "JPEG" if mode == "CMYK" else "PNG")
    register_as(make_user(), pictures={"Shore": content})
    assert [hit.title for hit in works_found(content)] == ["Shore"]


@pytest.mark.parametrize(
    "content", [picture_bytes(Image.new("RGB", (300, 300), "teal")), picture_bytes(make_picture(size=(20, 20)))]
)
def test_picture_that_cannot_be_told_from_others_is_refused_with_the_reason(content: bytes) -> None:
    register_as(make_user(), pictures={"Plain": content})
    picture = OptOutPicture.objects.get()
    assert (picture.state, picture.entry) == ("refused", None)
    assert "Send" in picture.reason
    assert not OptOutEntry.objects.exists()
    with pytest.raises(PictureUnusable):  # and asking about it is not answered with a pass
        works_found(content)


def test_unreadable_picture_is_no_pass() -> None:
    with pytest.raises(PictureRefused):
        works_found(SVG)


# Jobs


def test_lost_picture_is_handed_out_again_until_it_is_given_up() -> None:
    made = optout_register(submission=submission(pictures={"Shore": picture_bytes(make_picture())}), user=make_user())
    picture = made.pictures.get()
    assert pictures_due() == [picture.pk]
    OptOutPicture.objects.update(leased_until="2100-01-01T00:00Z")
    assert pictures_due() == []
    picture_prepare(picture_id=picture.pk)  # somebody else has it
    assert not WorkHash.objects.exists()
    OptOutPicture.objects.update(
        leased_until="2000-01-01T00:00Z", attempts=ATTEMPTS
    )  # their worker died, once too often
    picture_prepare(picture_id=picture.pk)
    picture.refresh_from_db()
    assert (picture.state, pictures_due()) == ("refused", [])
    assert "several attempts" in picture.reason


def test_prepared_twice_is_prepared_once() -> None:
    made = register_as(make_user(), pictures={"Shore": picture_bytes(make_picture())})
    prepare(made)
    assert (OptOutEntry.objects.count(), OptOutClaim.objects.count(), WorkHash.objects.count()) == (1, 1, 1)
