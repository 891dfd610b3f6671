"""Marks of a picture: IPTC's source type in XMP, the settings, Content Credentials, and what damage does to them."""

import io
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import c2pa
import numpy as np
import pytest
from PIL import Image

from inference.engine import Certificate, make_local_certificate, mark_png, read_marks
from inference.picture_texts import TRAINED, XMP_KEY, parameters

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
FACTS: dict[str, Any] = {
    "prompt": "outlined, a “red” circle & <b>, 5 > 3",
    "negative": "blur\ntext",
    "steps": 20,
    "guidance": 2.5,
    "seed": 20_261,
    "width": 16,
    "height": 8,
    "base_model": "Tinybase",
    "adapter": "ada/style: v1, final",
    "strength": 0.75,
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_local_certificate(tmp_path_factory.mktemp("keys") / "c2pa")


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (8, 16, 3), np.uint8))


def test_marks_say_what_was_made_how_and_by_whom(image: Image.Image, certificate: Certificate) -> None:
    marks = read_marks(mark_png(image, FACTS, certificate))
    assert marks.source_type == TRAINED
    assert marks.source_type.endswith("/trainedAlgorithmicMedia")
    assert (marks.prompt, marks.negative) == (FACTS["prompt"], FACTS["negative"])
    assert marks.settings == {
        "Steps": "20",
        "CFG scale": "2.5",
        "Seed": "20261",
        "Size": "16x8",
        "Model": "Tinybase",
        "Adapter": "ada/style: v1, final",
        "Adapter weight": "0.75",
    }
    assert marks.credential is not None
    assert marks.credential.state == "valid"
    assert marks.credential.source_type == TRAINED
    assert marks.credential.issuer == "Adapter Registry"


def test_pixels_are_those_of_the_picture(image: Image.Image, certificate: Certificate) -> None:
    with Image.open(io.BytesIO(mark_png(image, FACTS, certificate))) as read:
        assert (np.asarray(read) == np.asarray(image)).all()


def test_prompt_and_model_are_in_the_xmp(image: Image.Image) -> None:
    with Image.open(io.BytesIO(mark_png(image, FACTS))) as read:
        (packet,) = ElementTree.fromstring(read.info[XMP_KEY]).iter(f"{{{RDF}}}Description")
    extension = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    assert packet.get(f"{extension}DigitalSourceType") == TRAINED
    assert packet.get(f"{extension}AIPromptInformation") == FACTS["prompt"]
    assert packet.get(f"{extension}AISystemUsed") == "Tinybase"


def test_marked_png_says_which_marks_it_carries(image: Image.Image, certificate: Certificate) -> None:
    assert mark_png(image, FACTS, certificate).marks == {"iptc": "trainedAlgorithmicMedia", "c2pa": True}
    plain = mark_png(image, FACTS)
    assert plain.marks == {"iptc": "trainedAlgorithmicMedia", "c2pa": False}
    assert read_marks(plain).credential is None


def test_credentials_are_those_that_c2pa_reads(image: Image.Image, certificate: Certificate) -> None:
    with c2pa.Reader("image/png", io.BytesIO(mark_png(image, FACTS, certificate))) as reader:
        store = reader.json()
        state = reader.get_validation_state()
    assert state == "Valid"
    assert "signingCredential.untrusted" in store
    assert TRAINED in store


def test_signer_is_trusted_with_its_root_only(image: Image.Image, certificate: Certificate, tmp_path: Path) -> None:
    png = mark_png(image, FACTS, certificate)
    assert read_marks(png, certificate.root).credential.state == "trusted"  # type: ignore[union-attr]
    other = make_local_certificate(tmp_path / "other")
    assert read_marks(png, other.root).credential.state != "trusted"  # type: ignore[union-attr]


def test_changed_pixel_breaks_the_credentials(image: Image.Image, certificate: Certificate) -> None:
    """The marks are taken over as they are, the picture is another."""
    png = mark_png(image, FACTS, certificate)
    pixels = np.asarray(image).copy()
    pixels[0, 0] ^= 255
    changed = io.BytesIO()
    Image.fromarray(pixels).save(changed, "PNG")
    forged = _with_pixels_of(png, changed.getvalue())
    assert (np.asarray(Image.open(io.BytesIO(forged))) == pixels).all()
    credential = read_marks(forged).credential
    assert credential is not None
    assert credential.state == "invalid"
    assert "assertion.dataHash.mismatch" in credential.problems


def test_changed_statement_breaks_the_credentials(image: Image.Image, certificate: Certificate) -> None:
    png = mark_png(image, FACTS, certificate)
    statement = next(chunk for kind, chunk in _chunks(png) if kind == b"caBX")
    body = statement[4:-4].replace(b"/trainedAlgorithmicMedia", b"/digitalCapture_________")
    forged = png.replace(statement, statement[:4] + body + zlib.crc32(body).to_bytes(4, "big"))
    assert len(forged) == len(png)
    assert forged != png
    credential = read_marks(forged).credential
    assert credential is not None
    assert credential.state == "invalid"


def _with_pixels_of(png: bytes, other: bytes) -> bytes:
    """The chunks of one PNG with the image data of another."""
    theirs = [chunk for kind, chunk in _chunks(other) if kind == b"IDAT"]
    ours = [chunk for kind, chunk in _chunks(png) if kind != b"IDAT"]
    return png[:8] + b"".join([*ours[:-1], *theirs, ours[-1]])


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big") + 12
        found.append((png[at + 4 : at + 8], png[at : at + size]))
        at += size
    return found


def test_control_characters_do_not_break_the_xmp(image: Image.Image) -> None:
    marks = read_marks(mark_png(image, {**FACTS, "prompt": "a\x00b\x1b[31mc"}))
    assert marks.source_type == TRAINED


def test_png_without_marks_has_none(image: Image.Image) -> None:
    plain = io.BytesIO()
    image.save(plain, "PNG")
    marks = read_marks(plain.getvalue())
    assert (marks.source_type, marks.prompt, marks.settings, marks.credential) == (None, "", {}, None)


def test_parameters_are_as_the_web_uis_write_them() -> None:
    assert parameters({"prompt": "a", "steps": 2, "width": 8, "height": 9, "my_fact": "x", "sampler": ""}) == (
        "a\nSteps: 2, Size: 8x9, My fact: x"
    )
