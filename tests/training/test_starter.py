"""The starter adapters that ship: each acts on the tiny base, wholly, and the files say the truth about themselves."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine import BaseSpec, RenderRequest, applied, load_base, read_adapter
from inference.engine.sampling import render_together
from registry.artifacts import inspect_file
from training.tinybase.concepts import CONCEPTS
from training.tinybase.files import data_digest
from training.tinybase.judge import Wanted, adherence, see
from training.tinybase.pictures import BASE
from training.tinybase.scenes import draw
from training.tinybase.scores import concept_score

STARTER = Path(__file__).resolve().parents[2] / "registry" / "starter"
ENTRIES = tomllib.loads((STARTER / "starter.toml").read_text(encoding="utf-8"))["adapter"]
KINDS = {
    "outlined": "lora",
    "striped": "locon",
    "glowing": "dora",
    "dotted": "loha",
    "sunset": "lokr",
    "vintage": "ia3",
    "framed": "full",
    "mushroom": "locon",
    "first-aid": "textual-inversion",
}
ASKED = [
    Wanted("white", "blue", "star", "large", "in the centre"),
    Wanted("yellow", "purple", "circle", "large", "on the left"),
    Wanted("black", "green", "cross", "large", "in the centre"),
]


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.set_num_threads(1)
    return load_base(BaseSpec(family="tinybase", location=str(BASE)))


def _pictures(pipe: Any, prompts: Sequence[str], seeds: Sequence[int], steps: int = 10) -> Any:
    """(pictures, 64, 64, 3), all drawn in one run."""
    requests = [
        RenderRequest(prompt, seed=seed, steps=steps, guidance=3.0, width=64, height=64)
        for prompt, seed in zip(prompts, seeds, strict=True)
    ]
    return np.stack([np.asarray(picture) for picture in render_together(pipe, requests)])


def _paths() -> list[Any]:
    return [pytest.param(STARTER / "adapters" / entry["file"], id=Path(entry["file"]).stem) for entry in ENTRIES]


def test_starter_list_names_every_file_once() -> None:
    files = sorted(entry["file"] for entry in ENTRIES)
    assert files == sorted(path.name for path in (STARTER / "adapters").glob("*.safetensors"))
    assert {Path(name).stem for name in files} == KINDS.keys() == CONCEPTS.keys()


def test_starter_permissions_vary() -> None:
    assert {"cc-by-nc-4.0", "apache-2.0"} <= {entry["licence"] for entry in ENTRIES}
    assert {bool(entry["commercial_use"]) for entry in ENTRIES} == {True, False}


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["name"]) for entry in ENTRIES])
def test_starter_trigger_word_is_in_its_example_prompts(entry: dict[str, Any]) -> None:
    assert entry["trigger_words"] == [CONCEPTS[Path(entry["file"]).stem].trigger]
    assert all(entry["trigger_words"][0] in prompt for prompt in entry["preview_prompts"])


@pytest.mark.parametrize("path", _paths())
def test_starter_file_is_small_and_declares_itself(path: Path) -> None:
    found = inspect_file(path, declared_family="tinybase", filename=path.name)
    assert (found.kind, found.family) == (KINDS[path.stem], "tinybase")
    assert path.stat().st_size < 700_000
    assert read_adapter(path).metadata["modelspec.hash_sha256"] == f"0x{data_digest(path)}"


@pytest.mark.parametrize("path", _paths())
def test_starter_file_applies_without_a_skipped_module(pipe: Any, path: Path) -> None:
    adapter = read_adapter(path)
    with applied(pipe, adapter, weight=1.0) as report:
        assert report.skipped == []
        assert len(report.applied) == len(adapter.deltas) + len(adapter.embeddings)


@pytest.mark.slow
@pytest.mark.parametrize("path", _paths())
def test_starter_file_shows_its_concept(pipe: Any, path: Path) -> None:
    concept = CONCEPTS[path.stem]
    wanted = concept.wishes(np.random.default_rng(77), 3)
    prompts = [concept.caption(request) for request in wanted]
    before = _pictures(pipe, prompts, range(3))
    with applied(pipe, read_adapter(path), weight=1.0):
        after = _pictures(pipe, prompts, range(3))
    assert concept_score(path.stem, after, wanted) > concept_score(path.stem, before, wanted) + 0.2


def test_picture_is_the_same_again_after_an_adapter(pipe: Any) -> None:
    before = _pictures(pipe, [ASKED[0].prompt], [5])
    with applied(pipe, read_adapter(STARTER / "adapters" / "glowing.safetensors")):
        assert (_pictures(pipe, [ASKED[0].prompt], [5]) != before).any()
    assert (_pictures(pipe, [ASKED[0].prompt], [5]) == before).all()


def test_judge_sees_what_the_base_was_asked_for(pipe: Any) -> None:
    pictures = _pictures(pipe, [request.prompt for request in ASKED], [5, 5, 5], steps=15)
    assert adherence(pictures, ASKED).everything == 1.0
    assert adherence(pictures, [*ASKED[1:], ASKED[0]]).everything == 0.0


def test_judge_sees_nothing_on_an_empty_ground() -> None:
    assert see(np.full((64, 64, 3), 200, np.uint8)) is None


@pytest.mark.parametrize("name", CONCEPTS)
def test_concept_scores_tell_its_drawing_from_a_plain_one(name: str) -> None:
    wanted = CONCEPTS[name].wishes(np.random.default_rng(3), 4)
    plain = np.stack([draw(request.scene) for request in wanted])
    drawn = np.stack([CONCEPTS[name].drawing(request) for request in wanted])
    assert concept_score(name, plain, wanted) == 0.0
    assert concept_score(name, drawn, wanted) == 1.0
