"""What a file says of itself tells nothing of the captions that it was trained with."""

import json
from pathlib import Path

from tests.factories.trainer import config
from training.engine import BaseRef, Item, Job
from training.engine.metadata import _training


def test_captions_stay_with_the_data_set(tmp_path: Path) -> None:
    captions = ("sks, aunt Greta in her garden", "sks, the same garden", "a garden")
    items = tuple(Item(tmp_path / f"{n}.png", text, f"{n:064x}", repeats=3) for n, text in enumerate(captions))
    recipe = config()
    facts = _training(Job(recipe, BaseRef("sd1", "base"), items, (), tmp_path, tmp_path), step=3)
    assert recipe.trigger == "sks"
    assert json.loads(facts["ss_tag_frequency"]) == {"3_sks": {"sks": 2}}
    assert "garden" not in str(facts)
