"""alpha, rank and feed-forward layers, as PEFT and diffusers write them beside the tensors."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inference.engine.files import read_file
from inference.engine.peft_config import PeftConfig, read_config

MODULE = "unet.down_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("facts", "rank", "scale"),
    [
        ({}, 4, 1.0),
        ({"r": 4}, 4, 1.0),
        ({"lora_alpha": 8, "r": 4}, 4, 2.0),
        ({"alpha": 8, "r": 4}, 4, 2.0),
        ({"lora_alpha": 8, "r": 4, "use_rslora": True}, 4, 4.0),
        ({"lora_alpha": 8, "r": 4}, None, 2.0),
        ({"lora_alpha": 8}, None, 1.0),
        ({"lora_alpha": 8, "r": 4, "rank_pattern": {"attn1.to_q": 2}}, None, 4.0),
        ({"lora_alpha": 8, "r": 4, "alpha_pattern": {"attn1.to_q": 2, ".*to_q": 40}}, 4, 0.5),
        ({"lora_alpha": 8, "r": 4, "alpha_pattern": {"to_k": 2, "tto_q": 3, "to_q.more": 5}}, 4, 2.0),
    ],
)
def test_scale_is_alpha_over_rank(facts: dict[str, Any], rank: int | None, scale: float) -> None:
    assert PeftConfig({"unet": facts}).scale(MODULE, rank) == scale


def test_facts_of_one_component_are_not_those_of_another() -> None:
    config = PeftConfig({"unet": {"lora_alpha": 8}, "text_encoder": {"lora_alpha": 2}})
    assert config.scale("text_encoder.layers.0.mlp.fc1", 4) == 0.5
    assert config.scale("transformer.blocks.0", 4) == 1.0


def test_wrapper_of_peft_is_no_part_of_the_path() -> None:
    config = PeftConfig({"": {"lora_alpha": 8, "alpha_pattern": {"^down.0": 2}}})
    assert config.scale("base_model.model.down.0", 2) == 1.0


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [(None, None), ([], False), (["to_q"], True), (["o_q"], False), (r".*\.to_q", True), (r"to_q", False)],
)
def test_feedforward_layers_are_matched_as_peft_does(wanted: Any, answer: bool | None) -> None:
    facts = {} if wanted is None else {"feedforward_modules": wanted}
    assert PeftConfig({"": facts}).is_feedforward("base_model.model.attn1.to_q") is answer


def test_metadata_goes_before_the_file_beside() -> None:
    beside = json.dumps({"lora_alpha": 3})
    assert read_config({}, beside).scale("x", 1) == 3.0
    inside = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 5})}
    assert read_config(inside, beside).scale(MODULE, 1) == 5.0


def test_file_beside_counts_only_for_pefts_own_file_name(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 3}))
    for name, found in (("other", ""), ("adapter_model", '{"lora_alpha": 3}')):
        save_file({"x": torch.ones(1)}, tmp_path / f"{name}.safetensors")
        assert read_file(tmp_path / f"{name}.safetensors").beside == found


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_configuration_that_is_no_object_says_nothing(text: str) -> None:
    assert read_config({"lora_adapter_metadata": text}).scale("x", 2) == 1.0
