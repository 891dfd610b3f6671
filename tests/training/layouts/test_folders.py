"""The layouts of the field, each read as its own trainers read it."""

from pathlib import Path

import pytest

from training.layouts.errors import EntryRefused
from training.layouts.folders import Plan, plan_of
from training.layouts.trees import Files, clean_path


def plan(tmp_path: Path, files: dict[str, str | bytes]) -> Plan:
    places = {}
    for number, (path, body) in enumerate(files.items()):
        place = tmp_path / str(number)
        place.write_bytes(body.encode() if isinstance(body, str) else body)
        places[path] = place
    return plan_of(Files(places))


def test_sidecars_are_captions_on_one_line(tmp_path: Path) -> None:
    found = plan(tmp_path, {"a.png": "", "a.txt": " a  red\n circle ", "b.jpg": "", "b.caption": "blue"})
    assert [(one.path, one.caption, one.caption_by) for one in found.pictures] == [
        ("a.png", "a red circle", "sidecar"),
        ("b.jpg", "blue", "sidecar"),
    ]
    assert found.layout == "plain"
    assert found.remarks == []


def test_txt_goes_before_caption(tmp_path: Path) -> None:
    found = plan(tmp_path, {"a.png": "", "a.caption": "second", "a.txt": "first"})
    assert found.pictures[0].caption == "first"


@pytest.mark.parametrize("wrapper", ["", "my set/", "a/b/c/"])
def test_images_and_captions_belong_together(tmp_path: Path, wrapper: str) -> None:
    found = plan(
        tmp_path,
        {
            f"{wrapper}images/x/a.png": "",
            f"{wrapper}captions/x/a.txt": "one",
            f"{wrapper}images/b.webp": "",
            f"{wrapper}captions/b.txt": "two",
            f"{wrapper}config.json": '{"trigger": "sks", "class": "dog", "purpose": "object", "licence": "cc0-1.0"}',
        },
    )
    assert {one.path: one.caption for one in found.pictures} == {"images/x/a.png": "one", "images/b.webp": "two"}
    assert (found.layout, found.trigger, found.class_word, found.purpose) == ("images-captions", "sks", "dog", "object")
    assert found.licence_id == "cc0-1.0"


@pytest.mark.parametrize("wrapper", ["", "img/"])
def test_kohya_folders_give_repeats_token_and_class(tmp_path: Path, wrapper: str) -> None:
    found = plan(
        tmp_path,
        {
            f"{wrapper}10_sks dog/a.png": "",
            f"{wrapper}10_sks dog/a.txt": "sks dog on grass",
            f"{wrapper}10_sks dog/b.png": "",
            f"{wrapper}3_sks puppy/c.png": "",
        },
    )
    rows = {one.path.rpartition("/")[2]: (one.caption, one.caption_by, one.repeats) for one in found.pictures}
    assert rows == {
        "a.png": ("sks dog on grass", "sidecar", 10),
        "b.png": ("sks dog", "folder", 10),
        "c.png": ("sks puppy", "folder", 3),
    }
    assert (found.layout, found.trigger, found.class_word) == ("kohya", "sks", "dog")


@pytest.mark.parametrize("folder", ["reg/1_dog", "reg_dog", "class/1_dog", "regularization_images/1_dog", "Reg/1_dog"])
def test_regularisation_folders_hold_class_pictures(tmp_path: Path, folder: str) -> None:
    found = plan(tmp_path, {f"{folder}/a.png": "", "10_sks dog/b.png": ""})
    assert {one.path.rpartition("/")[2]: one.is_prior for one in found.pictures} == {"a.png": True, "b.png": False}
    assert found.trigger == "sks"


def test_one_kohya_folder_alone_keeps_its_meaning(tmp_path: Path) -> None:
    found = plan(tmp_path, {"100_zwx style/a.png": "", "100_zwx style/b.png": ""})
    assert [one.repeats for one in found.pictures] == [100, 100]


def test_absurd_repeats_are_brought_into_bounds(tmp_path: Path) -> None:
    found = plan(tmp_path, {"999999_a b/a.png": "", "0_a b/b.png": ""})
    assert sorted(one.repeats for one in found.pictures) == [1, 1000]


def test_hub_metadata_gives_captions_and_names_bad_lines(tmp_path: Path) -> None:
    lines = '{"file_name": "a.png", "text": "an  apple"}\nnot json\n{"file_name": 3, "text": "x"}\n'
    found = plan(tmp_path, {"a.png": "", "metadata.jsonl": lines})
    assert found.pictures[0].caption == "an apple"
    assert found.layout == "hub"
    assert [remark.what for remark in found.remarks] == [
        "Line 2 has no file_name and text.",
        "Line 3 has no file_name and text.",
    ]


def test_config_says_things_of_single_pictures(tmp_path: Path) -> None:
    config = (
        '{"pictures": {"a.png": {"caption": "from config", "repeats": 4, "source": "https://x.org", "licence": "mit",'
        ' "depicts_person": true, "protection": "glaze", "class_picture": true}}}'
    )
    one = plan(tmp_path, {"a.png": "", "a.txt": "sidecar", "config.json": config}).pictures[0]
    assert (one.caption, one.caption_by, one.repeats, one.source) == ("from config", "config", 4, "https://x.org")
    assert (one.licence_id, one.depicts_person, one.protection, one.is_prior) == ("mit", True, "glaze", True)


@pytest.mark.parametrize("config", ["", "[]", "{", "null", '{"pictures": []}', "[" * 5000])
def test_config_that_is_no_object_is_said_and_left(tmp_path: Path, config: str) -> None:
    found = plan(tmp_path, {"a.png": "", "config.json": config})
    assert len(found.pictures) == 1
    assert bool(found.remarks) == (config != '{"pictures": []}')


def test_unknown_settings_are_named(tmp_path: Path) -> None:
    found = plan(tmp_path, {"a.png": "", "config.json": '{"resolution": 512, "trigger": "sks"}'})
    assert "resolution" in found.remarks[0].what
    assert found.trigger == "sks"


@pytest.mark.parametrize(
    ("name", "protection"),
    [
        ("cat-glazed-intensity-High.png", "glaze"),
        ("cat-nightshade-intensity-DEFAULT-V1.png", "nightshade"),
        ("cat_nightshaded.png", "nightshade"),
        ("glazed donut.png", "glaze"),  # a person says otherwise with one click; the other way round cost an artist
        ("unglazed.png", ""),
        ("cat.png", ""),
    ],
)
def test_protected_pictures_are_known_by_what_their_programs_write(tmp_path: Path, name: str, protection: str) -> None:
    assert plan(tmp_path, {name: ""}).pictures[0].protection == protection


def test_captions_without_pictures_are_kept_for_those_that_are_there(tmp_path: Path) -> None:
    found = plan(tmp_path, {"captions/a.txt": "new words"})
    assert found.pictures == []
    assert found.loose == {"a": "new words"}


def test_what_is_no_picture_is_said_with_what_to_do(tmp_path: Path) -> None:
    found = plan(tmp_path, {"a.gif": "", "b.zip": "", "c.exe": "", "d.npz": ""})
    assert {remark.path: remark.what for remark in found.remarks} == {
        "a.gif": "GIF pictures are not taken.",
        "b.zip": "An archive inside is not opened.",
        "c.exe": "It is neither a picture nor a caption, and was left out.",
    }


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("bär".encode(), "bär"),
        ("bär".encode("utf-8-sig"), "bär"),
        ("bär".encode("cp1252"), "bär"),
        ("bär".encode("utf-16"), "bär"),
        (b"a\x00b\x1b[31m", "ab[31m"),
    ],
)
def test_captions_in_other_encodings_are_read(tmp_path: Path, content: bytes, text: str) -> None:
    assert plan(tmp_path, {"a.png": "", "a.txt": content}).pictures[0].caption == text


def test_caption_beyond_its_bound_is_said(tmp_path: Path) -> None:
    found = plan(tmp_path, {"a.png": "", "a.txt": "x" * 70_000})
    assert found.pictures[0].caption == ""
    assert "not read" in found.remarks[0].what


@pytest.mark.parametrize("path", ["/a", "C:\\a", "a/../b", "..", "", "///", "a\0b", "x" * 301])
def test_path_that_cannot_be_kept_is_refused(path: str) -> None:
    with pytest.raises(EntryRefused):
        clean_path(path)


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("a\\b.png", "a/b.png"), ("./a//b.png", "a/b.png"), ("a\u0308.png", "ä.png"), ("a\u202eb", "ab")],
)
def test_path_is_cleaned(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned
