"""Any picture becomes pixels alone: upright, RGB, without metadata; and its measures tell sharp from soft."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

from moderation.matching.decoding import MAX_PIXELS, PictureUnreadable
from registry.pictures import PictureRefused, picture_open
from tests.factories.optout import make_picture, picture_bytes
from training.reporting.pixels import prepare, sharpness


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def kept(picture: Image.Image, side: int = 2048) -> Image.Image:
    return opened(prepare(picture, side=side).content)


def sent(picture: Image.Image, form: str, **options: object) -> Image.Image:
    """As it comes out of the safe decoder."""
    return picture_open(picture_bytes(picture, form, **options))


def test_place_and_camera_are_left_out() -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    content = picture_bytes(make_picture(1), "JPEG", exif=exif, comment=b"shot at home")
    assert opened(content).getexif().get_ifd(0x8825), "the place is in what was sent"
    made = opened(prepare(picture_open(content), side=2048).content)
    assert not made.getexif()
    assert set(made.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(("turn", "size"), [(1, (320, 240)), (3, (320, 240)), (6, (240, 320)), (8, (240, 320))])
def test_picture_is_turned_as_its_exif_says(turn: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    plain = make_picture(1)
    made = prepare(sent(plain, "PNG", exif=exif), side=2048)
    assert (made.width, made.height) == size == opened(made.content).size
    turned = {1: plain, 3: plain.rotate(180), 6: plain.rotate(-90, expand=True), 8: plain.rotate(90, expand=True)}[turn]
    assert np.array_equal(np.asarray(opened(made.content)), np.asarray(turned))


def test_transparency_becomes_white() -> None:
    picture = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 16, 32))
    made = kept(sent(picture, "PNG"))
    assert made.mode == "RGB"
    assert made.getpixel((4, 4)) == (0, 0, 200)
    assert made.getpixel((28, 4)) == (255, 255, 255)


def test_palette_with_a_transparent_colour_becomes_rgb() -> None:
    picture = Image.new("P", (32, 32), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.paste(2, (0, 0, 16, 32))
    made = kept(sent(picture, "PNG", transparency=1))
    assert made.getpixel((4, 4)) == (0, 0, 255)
    assert made.getpixel((28, 4)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGBA", "P"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = make_picture(2).convert("L").convert(mode) if mode in {"1", "LA"} else make_picture(2).convert(mode)
    assert kept(sent(picture, "PNG")).mode == "RGB"


def test_sixteen_bits_are_brought_to_eight_and_not_clipped() -> None:
    levels = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    made = np.asarray(kept(sent(Image.fromarray(levels), "PNG")))
    assert made[0, 0, 0] == 0
    assert made[-1, -1, 0] == 255
    assert abs(int(made[32, 0, 0]) - 128) <= 2


def test_cmyk_becomes_the_colours_that_it_shows() -> None:
    picture = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    red = kept(sent(picture, "JPEG", quality=95)).getpixel((16, 16))
    assert red[0] > 200
    assert max(red[1], red[2]) < 60


def test_colours_of_a_wide_profile_are_brought_to_srgb() -> None:
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.new("RGB", (32, 32), (180, 60, 60))
    same = kept(sent(picture, "PNG", icc_profile=plain)).getpixel((3, 3))
    assert np.abs(np.subtract(same, (180, 60, 60))).max() <= 1
    changed = kept(sent(picture, "PNG", icc_profile=_exchanged(plain)))
    assert "icc_profile" not in changed.info
    assert np.abs(np.subtract(changed.getpixel((3, 3)), (60, 180, 60))).max() <= 2


def _exchanged(profile: bytes) -> bytes:
    """The profile with its red and green primaries exchanged: what it calls red is green."""
    changed = bytearray(profile)
    entries = {bytes(profile[at : at + 4]): at + 4 for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    changed[red : red + 8], changed[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    return bytes(changed)


def test_broken_profile_leaves_the_numbers_as_they_are() -> None:
    made = kept(sent(Image.new("RGB", (32, 32), (180, 60, 60)), "PNG", icc_profile=b"no profile at all"))
    assert made.getpixel((3, 3)) == (180, 60, 60)


def test_large_picture_is_made_smaller_and_keeps_its_measures() -> None:
    made = prepare(sent(make_picture(1, (1200, 800)), "JPEG"), side=600)
    assert (made.width, made.height) == (1200, 800)
    assert opened(made.content).size == (600, 400)
    assert opened(made.thumb).size == (384, 256)


@pytest.mark.parametrize(("form", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "jpg")])
def test_lossless_stays_lossless(form: str, ending: str) -> None:
    assert prepare(sent(make_picture(1), form), side=2048).ending == ending


def test_lossless_pixels_are_the_same() -> None:
    picture = make_picture(4)
    assert np.array_equal(np.asarray(kept(sent(picture, "PNG"))), np.asarray(picture))


def test_sharpness_falls_with_blur_and_hardly_with_size() -> None:
    picture = make_picture(1, (1024, 768))
    blurred = picture.filter(ImageFilter.GaussianBlur(6))
    assert sharpness(blurred) < 0.1 * sharpness(picture)
    smaller = picture.resize((512, 384), Image.Resampling.LANCZOS)
    assert sharpness(smaller) == pytest.approx(sharpness(picture), rel=0.15)
    assert sharpness(Image.new("RGB", (2, 2))) == 0.0
    assert sharpness(Image.new("RGB", (64, 64), "white")) == 0.0


def test_bomb_is_refused_by_its_header() -> None:
    small = bytearray(picture_bytes(Image.new("1", (8, 8)), "PNG"))
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(PictureRefused):
        picture_open(bytes(small))


def test_more_pixels_than_are_decoded_are_refused() -> None:
    picture = Image.new("1", (8, 8))
    picture._size = (MAX_PIXELS, 2)
    with pytest.raises(PictureUnreadable):
        prepare(picture, side=64)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_truncated_picture_is_refused(form: str) -> None:
    content = picture_bytes(make_picture(1), form)
    with pytest.raises(PictureRefused):
        picture_open(content[: len(content) // 2])
