"""Every kind that PEFT writes, against PEFT's own forward pass, with its configuration beside or inside the file."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from inference.engine import applied, read_adapter
from tests.inference.engine.test_factors import assert_close, example_input

LINEAR, FORWARD = (
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.2",
)
CONV = "down_blocks.1.resnets.0.conv1"
LAYERS = (LINEAR, FORWARD, CONV)
TARGETS = list(LAYERS)

Config = Callable[[], Any]
CONFIGS: dict[str, Config] = {
    "lora": lambda: peft.LoraConfig(r=4, lora_alpha=6, target_modules=TARGETS),
    "lora-rank-stabilised": lambda: peft.LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=TARGETS),
    "lora-patterns": lambda: peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=TARGETS, rank_pattern={"ff.net.2": 2}, alpha_pattern={"attn2.to_k": 3}
    ),
    "dora": lambda: peft.LoraConfig(r=4, lora_alpha=6, use_dora=True, target_modules=TARGETS),
    "loha": lambda: peft.LoHaConfig(r=4, alpha=6, target_modules=TARGETS),
    "loha-effective": lambda: peft.LoHaConfig(r=4, alpha=6, target_modules=TARGETS, use_effective_conv2d=True),
    "lokr": lambda: peft.LoKrConfig(r=2, alpha=3, target_modules=TARGETS, decompose_factor=4),
    "lokr-both": lambda: peft.LoKrConfig(r=1, alpha=3, target_modules=TARGETS, decompose_both=True, decompose_factor=4),
    "lokr-whole": lambda: peft.LoKrConfig(r=32, alpha=48, target_modules=TARGETS, decompose_factor=4),
    "lokr-effective": lambda: peft.LoKrConfig(
        r=2, alpha=3, target_modules=TARGETS, decompose_factor=4, use_effective_conv2d=True
    ),
    "ia3": lambda: peft.IA3Config(target_modules=TARGETS, feedforward_modules=[FORWARD]),
}


def _randomised(unet: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "magnitude" in name or "ia3" in name:
                parameter.mul_(1 + 0.3 * torch.rand(parameter.shape, generator=generator))
            elif any(part in name for part in ("lora_", "hada_", "lokr_")):
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return unet


def _reference(pipe: Any, config: Any) -> nn.Module:
    return _randomised(peft.inject_adapter_in_model(config, copy.deepcopy(pipe.unet)))


def _saved(unet: nn.Module, config: Any, folder: Path) -> Path:
    """As PeftModel.save_pretrained writes it."""
    # Not by get_peft_model_state_dict, which warns of every bias that it finds in a LoRA.
    state = {name.replace(".default", ""): value for name, value in unet.named_parameters() if ".default" in name}
    tensors = {f"base_model.model.{key}": value.detach().clone().contiguous() for key, value in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    facts = {key: list(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    (folder / "adapter_config.json").write_text(json.dumps(facts, default=str))
    return folder / "adapter_model.safetensors"


def _assert_same_outputs(pipe: Any, reference: nn.Module, path: Path, strength: float = 1.0) -> None:
    def outputs(unet: Any) -> list[Tensor]:
        with torch.no_grad():
            return [unet.get_submodule(layer)(example_input(pipe.unet.get_submodule(layer))) for layer in LAYERS]

    plain, wanted = outputs(pipe.unet), outputs(reference)
    with applied(pipe, read_adapter(path), strength) as report:
        found = outputs(pipe.unet)
    assert sorted(report.applied) == sorted(f"unet.{layer}" for layer in LAYERS)
    assert report.skipped == []
    for before, ours, theirs in zip(plain, found, wanted, strict=True):
        assert_close(ours, theirs)
        assert not torch.allclose(ours, before, rtol=1e-3, atol=1e-4), "the reference itself changes nothing"


@pytest.mark.parametrize("kind", CONFIGS)
def test_kind_equals_peft_forward(sd: Any, tmp_path: Path, kind: str) -> None:
    config = CONFIGS[kind]()
    reference = _reference(sd, config)
    _assert_same_outputs(sd, reference, _saved(reference, config, tmp_path))


@pytest.mark.parametrize("strength", [0.6, -0.5, 1.7])
@pytest.mark.parametrize("kind", ["lora", "lora-patterns", "dora", "loha", "lokr"])
def test_strength_equals_peft_scale(sd: Any, tmp_path: Path, kind: str, strength: float) -> None:
    config = CONFIGS[kind]()
    reference = _reference(sd, config)
    path = _saved(reference, config, tmp_path)
    for layer in LAYERS:
        reference.get_submodule(layer).scale_layer(strength)
    _assert_same_outputs(sd, reference, path, strength)


def test_bias_of_the_up_matrix_equals_peft(sd: Any, tmp_path: Path) -> None:
    config = peft.LoraConfig(r=4, lora_alpha=6, lora_bias=True, target_modules=[FORWARD])
    reference = _reference(sd, config)
    x = example_input(sd.unet.get_submodule(FORWARD))
    with torch.no_grad():
        wanted = reference.get_submodule(FORWARD)(x)
    with applied(sd, read_adapter(_saved(reference, config, tmp_path))), torch.no_grad():
        assert_close(sd.unet.get_submodule(FORWARD)(x), wanted)


def test_embedding_layer_equals_peft(sd: Any, tmp_path: Path) -> None:
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["token_embedding"])
    reference = _randomised(peft.inject_adapter_in_model(config, copy.deepcopy(sd.text_encoder)))
    ids = torch.tensor([[3, 40, 7]])
    with torch.no_grad():
        wanted = reference(ids).last_hidden_state
        plain = sd.text_encoder(ids).last_hidden_state
        with applied(sd, read_adapter(_saved(reference, config, tmp_path))):
            found = sd.text_encoder(ids).last_hidden_state
    assert_close(found, wanted)
    assert not torch.allclose(found, plain, rtol=1e-3, atol=1e-4)


def test_configuration_in_the_files_own_metadata_counts(sd: Any, tmp_path: Path) -> None:
    config = CONFIGS["lora-patterns"]()
    reference = _reference(sd, config)
    state = get_peft_model_state_dict(reference)
    facts = {"r": 4, "lora_alpha": 6, "rank_pattern": {"ff.net.2": 2}, "alpha_pattern": {"attn2.to_k": 3}}
    path = tmp_path / "pytorch_lora_weights.safetensors"
    described = {"lora_adapter_metadata": json.dumps({f"unet.{key}": value for key, value in facts.items()})}
    save_file({f"unet.{key}": value.detach().clone() for key, value in state.items()}, path, described)
    _assert_same_outputs(sd, reference, path)
