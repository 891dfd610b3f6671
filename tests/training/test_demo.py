"""The demonstration's pictures: new to the base, told apart by their scores, and uploaded as they are."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.layouts.archive import Limits, ZipTree
from training.layouts.folders import plan_of
from training.tinybase.concepts import CONCEPTS, plain
from training.tinybase.demo import COUNT, DEMOS, class_examples, examples, files, write_zip


@pytest.mark.parametrize("name", DEMOS)
def test_concept_is_none_of_the_starter_adapters(name: str) -> None:
    assert name not in CONCEPTS
    assert DEMOS[name].concept.trigger not in {concept.trigger for concept in CONCEPTS.values()}


@pytest.mark.parametrize("name", DEMOS)
def test_scores_tell_the_concept_from_a_plain_picture(name: str) -> None:
    demo = DEMOS[name]
    wanted = demo.concept.wishes(np.random.default_rng(3), 12)
    assert demo.scores(np.stack([plain(one) for one in wanted]), wanted) == [0.0] * 12
    assert demo.scores(np.stack([demo.concept.drawing(one) for one in wanted]), wanted) == [1.0] * 12
    halved = [(plain(one).astype(int) + demo.concept.drawing(one)) // 2 for one in wanted]
    assert np.mean(demo.scores(np.stack(halved).astype(np.uint8), wanted)) < 0.7


@pytest.mark.parametrize("name", DEMOS)
def test_captions_have_the_trigger_word_and_class_captions_do_not(name: str) -> None:
    word = DEMOS[name].concept.trigger
    assert len(examples(name)) == COUNT
    assert all(example.caption.startswith(f"{word} ") for example in examples(name))
    assert not any(word in example.caption for example in class_examples(name))
    assert len({example.picture.tobytes() for example in examples(name)}) == COUNT


@pytest.mark.parametrize("name", DEMOS)
def test_zip_is_the_same_each_time_and_complete(name: str, tmp_path: Path) -> None:
    write_zip(name, tmp_path / "a.zip", 5)
    write_zip(name, tmp_path / "b.zip", 5)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert set(archive.namelist()) == set(files(name, 5))
        pictures = [path for path in archive.namelist() if path.endswith(".png")]
        captions = {Path(path).stem for path in archive.namelist() if path.startswith("captions/")}
        assert len(pictures) == COUNT + 5
        assert captions == {Path(path).stem for path in pictures}
        assert Image.open(io.BytesIO(archive.read("images/01.png"))).size == (64, 64)
        assert json.loads(archive.read("config.json"))["trigger"] in archive.read("captions/01.txt").decode()


def test_zip_is_read_as_a_dataset_with_class_pictures_and_trigger_word(tmp_path: Path) -> None:
    write_zip("sticker", tmp_path / "sticker.zip", 5)
    with ZipTree(tmp_path / "sticker.zip", Limits(files=1000, size=10**8)) as tree:
        plan = plan_of(tree)
    assert (plan.layout, plan.trigger, plan.purpose, plan.licence_id) == ("images-captions", "stkr", "style", "cc0-1.0")
    assert sorted(planned.is_prior for planned in plan.pictures) == [False] * COUNT + [True] * 5
    assert all(planned.caption for planned in plan.pictures)
    assert plan.remarks == []
