"""Reservations in a picture's own metadata: every standard in every format, and nothing broken passes."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.engine import Certificate, make_local_certificate
from moderation.matching.reservations import Reservation, from_picture
from moderation.matching.reservations.containers import kind_of
from moderation.matching.reservations.credentials import from_manifests
from tests.moderation.matching.reservations.pictures import (
    FORMATS,
    described,
    iptc,
    packet,
    picture,
    signed,
    with_chunk,
    with_segment,
    with_xmp,
)

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
FORBIDDEN = {"entries": {"cawg.ai_generative_training": {"use": "notAllowed"}}}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_local_certificate(Path(tmp_path_factory.mktemp("keys")) / "c2pa")


def found(data: bytes) -> set[tuple[str, str]]:
    return {(each.signal, each.outcome) for each in from_picture(data)}


@pytest.mark.parametrize("form", FORMATS)
def test_picture_without_reservation_has_no_finding(form: str, certificate: Certificate) -> None:
    harmless = described('plus:Version="2.0" dc:format="image/png"', "<dc:title>A train in the rain, no aim</dc:title>")
    assert from_picture(picture(form)) == ()
    assert from_picture(with_xmp(form, harmless)) == ()
    assert from_picture(signed(picture(form), form, {}, certificate)) == ()


@pytest.mark.parametrize("standard", ["c2pa", "cawg"])
@pytest.mark.parametrize("use", ["notAllowed", "constrained"])
@pytest.mark.parametrize("key", ["data_mining", "ai_training", "ai_generative_training", "ai_inference", "later_use"])
def test_every_entry_that_is_not_allowed_blocks(standard: str, use: str, key: str) -> None:
    data = {"entries": {f"{standard}.{key}": {"use": use, "constraint_info": "ask me"}}}
    manifest = {"assertions": [{"label": f"{standard}.training-mining", "data": data}]}
    (one,) = from_manifests({"active_manifest": "a", "manifests": {"a": manifest}})
    assert (one.signal, one.outcome) == (standard, "block")
    assert f"{standard}.{key} is {use}" in one.detail


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("label", "entries", "expected"),
    [
        ("cawg.training-mining", FORBIDDEN, {("cawg", "block")}),
        ("c2pa.training-mining", {"entries": {"c2pa.ai_training": {"use": "constrained"}}}, {("c2pa", "block")}),
        ("c2pa.training-mining", {"entries": {"c2pa.ai_training": {"use": "allowed"}}}, set()),
        ("cawg.training-mining", {"entries": {"cawg.ai_training": {"use": "perhaps"}}}, {("cawg", "review")}),
        ("cawg.training-mining", {"entries": {}}, {("unreadable", "review")}),
    ],
)
def test_signed_assertion_is_read(
    form: str, label: str, entries: Any, expected: set[tuple[str, str]], certificate: Certificate
) -> None:
    assert found(signed(picture(form), form, {label: entries}, certificate)) == expected


def test_reservation_of_an_ingredient_counts(certificate: Certificate) -> None:
    source = signed(picture(), "JPEG", {"cawg.training-mining": FORBIDDEN}, certificate)
    made = signed(picture(), "JPEG", {}, certificate, ingredient=source)
    (one,) = from_picture(made)
    assert (one.signal, one.outcome) == ("cawg", "block")
    assert "ingredient" in one.where


def test_broken_signature_does_not_lift_the_reservation(certificate: Certificate) -> None:
    content = signed(picture("PNG"), "PNG", {"cawg.training-mining": FORBIDDEN}, certificate)
    place = content.index(b"IDAT") + 8
    changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    assert ("cawg", "block") in found(changed)


def test_damaged_credentials_are_a_finding(certificate: Certificate) -> None:
    content = bytearray(signed(picture(), "JPEG", {"cawg.training-mining": FORBIDDEN}, certificate))
    place = content.index(b"jumd")
    content[place + 4 : place + 60] = bytes(56)
    assert found(bytes(content)) & {("unreadable", "review"), ("cawg", "block")}


@pytest.mark.parametrize(
    "store", [{}, {"manifests": []}, {"manifests": {"a": 1}}, {"manifests": {"a": {"assertions": 2}}}]
)
def test_manifests_of_another_form_are_a_finding(store: Any) -> None:
    assert {each.signal for each in from_manifests(store)} == {"unreadable"}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("DMI-PROHIBITED", "block"),
        ("DMI-PROHIBITED-AIMLTRAINING", "block"),
        ("DMI-PROHIBITED-GENAIMLTRAINING", "block"),
        ("DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", "block"),
        ("DMI-PROHIBITED-SEECONSTRAINT", "review"),
        ("DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", "review"),
        ("DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", "review"),
        ("DMI-SOMETHING-NEW", "review"),
        ("DMI-ALLOWED", None),
        ("DMI-UNSPECIFIED", None),
    ],
)
def test_plus_data_mining_is_read(form: str, term: str, expected: str | None) -> None:
    as_attribute = described(f'plus:DataMining="{VOCABULARY}{term}"')
    as_element = described("", f"<plus:DataMining>{VOCABULARY}{term}</plus:DataMining>")
    as_resource = described("", f'<plus:DataMining rdf:resource="{VOCABULARY}{term}"/>')
    for xmp in (as_attribute, as_element, as_resource):
        assert found(with_xmp(form, xmp)) == ({("plus", expected)} if expected else set())


@pytest.mark.parametrize("form", FORMATS)
def test_other_marks_in_xmp_are_read(form: str) -> None:
    assert found(with_xmp(form, described('tdm:reservation="1" tdm:policy="https://x.example/p.json"'))) == {
        ("tdm", "block")
    }
    assert found(with_xmp(form, described('tdm:reservation="0"'))) == set()
    assert found(with_xmp(form, described('tdm:reservation="yes"'))) == {("tdm", "review")}
    subjects = "<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>NoAI</rdf:li></rdf:Bag></dc:subject>"
    assert found(with_xmp(form, described("", subjects))) == {("noai", "block")}
    assert found(with_xmp(form, described('dcterms:provenance="https://x.example/m.c2pa"'))) == {("c2pa", "review")}


MARK = b"sea, noimageai"
MARKED = described('dc:title="sea, noimageai"')


@pytest.mark.parametrize(
    "data",
    [
        with_segment(picture(), 0xFE, MARK),
        with_segment(picture(), 0xED, iptc(25, MARK)),
        with_chunk(picture("PNG"), b"tEXt", b"Comment\0" + MARK),
        with_chunk(picture("PNG"), b"zTXt", b"Comment\0\0" + zlib.compress(MARK)),
        with_chunk(picture("PNG"), b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(MARK)),
        with_chunk(picture("PNG"), b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(MARKED)),
        with_chunk(picture("PNG"), b"tEXt", b"Raw profile type iptc\0\niptc\n 40\n" + iptc(25, MARK).hex().encode()),
    ],
    ids=["jpeg-comment", "iptc-keyword", "png-text", "png-packed", "png-itxt", "png-packed-xmp", "png-raw-profile"],
)  # fmt: skip
def test_noai_is_found_in_every_sort_of_text(data: bytes) -> None:
    assert found(data) == {("noai", "block")}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("tag", "value"), [(270, "noai"), (33432, "(c) me, noai"), (40094, "sea;noai".encode("utf-16-le"))]
)
def test_noai_is_found_in_exif(form: str, tag: int, value: Any) -> None:
    exif = Image.Exif()
    exif[tag] = value
    assert found(picture(form, exif=exif)) == {("noai", "block")}


@pytest.mark.parametrize("prefix", [b"ASCII\0\0\0noai", b"UNICODE\0" + "noai".encode("utf-16-be")])
def test_noai_is_found_in_a_user_comment(prefix: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[37510] = prefix
    assert found(picture("JPEG", exif=exif)) == {("noai", "block")}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("No AI training", "block"),
        ("Not for use in AI training.", "block"),
        ("AI training prohibited", "block"),
        ("May not be used to train AI models", "block"),
        ("must not be used for machine learning", "block"),
        ("Text and data mining rights reserved", "block"),
        ("TDM reserved", "block"),
        ("do not train on this", "block"),
        ("machine learning is strictly forbidden", "block"),
        ("made by hand, no AI", "review"),
        ("no-ai", "block"),
        ("AI training allowed", None),
        ("a train to Mainz, casino air, domain", None),
        ("trained on my own AI pictures", None),
        ("All rights reserved", None),
    ],
)
def test_reservation_in_plain_words(text: str, outcome: str | None) -> None:
    got = {each.outcome for each in from_picture(with_segment(picture(), 0xFE, text.encode()))}
    assert got == ({outcome} if outcome else set())


def test_extended_xmp_is_put_together() -> None:
    xmp = described('plus:DataMining="DMI-PROHIBITED"')
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"G" * 32 + len(xmp).to_bytes(4, "big")
    data = with_segment(picture(), 0xE1, head + (300).to_bytes(4, "big") + xmp[300:])
    data = with_segment(data, 0xE1, head + (0).to_bytes(4, "big") + xmp[:300])
    assert found(data) == {("plus", "block")}


def test_packet_where_the_format_has_none_is_found() -> None:
    assert found(picture() + described('plus:DataMining="DMI-PROHIBITED"')) == {("plus", "block")}


UNREADABLE = [
    b"<x:xmpmeta",
    packet("<rdf:Description>"),
    b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    b"\xff\xfe\x00",
    b'<?xml version="1.0" encoding="nonsense"?><a/>',
]


@pytest.mark.parametrize(("form", "xmp"), [*((form, xmp) for form in FORMATS for xmp in UNREADABLE), ("PNG", b"")])
def test_unreadable_xmp_is_a_finding(form: str, xmp: bytes) -> None:
    assert found(with_xmp(form, xmp)) == {("unreadable", "review")}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"plain text",
        picture()[:40],
        picture("PNG")[:-12],
        picture("PNG")[:50],
        with_segment(picture(), 0xE1, b"Exif\0\0nonsense"),
        with_segment(picture(), 0xED, iptc(25, MARK)[:-6]),
        with_chunk(picture("PNG"), b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 99)[:-8]),
        with_chunk(picture("PNG"), b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000))),
        with_chunk(picture("PNG"), b"tEXt", b"Raw profile type exif\0\nexif\n 4\nzz"),
        picture("WEBP")[:-30],
        picture("TIFF")[:20],
    ],
)
def test_broken_file_is_a_finding(data: bytes) -> None:
    assert ("unreadable", "review") in found(data)


@pytest.mark.parametrize(
    "xmp",
    [
        packet('<plus:DataMining xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">' * 3000),
        packet("<a>" * 150_000 + "</a>" * 150_000),
        packet('<plus:X xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">' * 30_000 + "</plus:X>" * 30_000),
        b"<x:xmpmeta" * 200_000,
        packet("<b/>" * 250_000),
    ],
    ids=["unclosed", "deep", "deep-plus", "many-starts", "many"],
)
def test_hostile_xmp_ends_soon(xmp: bytes) -> None:
    """Quadratic work over these would take minutes."""
    for form in ("PNG", "JPEG"):
        data = with_xmp(form, xmp) if form == "PNG" else picture() + xmp
        assert all(isinstance(each, Reservation) for each in from_picture(data))


def test_directories_that_repeat_a_large_value_are_a_finding() -> None:
    """4,000 entries that each claim the whole file as their text."""
    size = 200_000
    entry = b"\x0e\x01\x02\0" + size.to_bytes(4, "little") + b"\0\0\0\0"
    data = b"II*\0\x08\0\0\0" + (4000).to_bytes(2, "little") + entry * 4000
    assert ("unreadable", "review") in found(data + bytes(size))


def test_finding_shows_foreign_text_short_and_printable() -> None:
    (one,) = from_picture(with_xmp("PNG", described(f'tdm:reservation="{"a" * 5000}&#x202e;"')))
    assert len(one.detail) < 300
    assert one.detail.isprintable()


@pytest.fixture(scope="module")
def samples(certificate: Certificate) -> list[bytes]:
    xmp = described('plus:DataMining="DMI-PROHIBITED"', "<dc:title>noai</dc:title>")
    exif = Image.Exif()
    exif[270] = "noai"
    some = [with_xmp(form, xmp) for form in FORMATS] + [picture(form, exif=exif) for form in FORMATS]
    forbidden = signed(picture(), "JPEG", {"cawg.training-mining": FORBIDDEN}, certificate)
    return [*some, with_segment(picture(), 0xED, iptc(25, MARK)), forbidden]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_never_raise(samples: list[bytes], data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        content = content or bytearray(b"x")
    for each in from_picture(bytes(content)):
        assert isinstance(each, Reservation)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_picture_cut_off_in_its_metadata_is_a_finding(samples: list[bytes], data: st.DataObject) -> None:
    """Wherever the file ends before its picture does, either the reservation is still seen or a person looks."""
    content = data.draw(st.sampled_from([each for each in samples if kind_of(each) in {"image/jpeg", "image/png"}]))
    end = data.draw(st.integers(0, content.rindex(b"\xff\xda" if content[:1] == b"\xff" else b"IDAT")))
    assert from_picture(content[:end])


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"II*\0", b"MM\0*"]),
)
def test_noise_behind_a_first_mark_never_raises(noise: bytes, start: bytes) -> None:
    for each in from_picture(start + noise):
        assert isinstance(each, Reservation)
