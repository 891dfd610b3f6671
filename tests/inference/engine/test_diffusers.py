"""Files that diffusers itself loads correctly give the same latents through the engine.

Tolerance: 1e-4 of the largest number. diffusers adds the low-rank product to the layer's output, the engine to its
weight; in float32 the order of the sums differs, and a few denoising steps multiply that.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor

from inference.engine import applied, read_adapter
from tests.inference.engine.changes import random
from tests.inference.engine.conftest import Save, bits

ATTN = "down_blocks.1.attentions.0.transformer_blocks.0"
CLIP = "text_model.encoder.layers.1"
PROMPT = "a red circle"
TOLERANCE = 1e-4
_NOT_IN_FILE = "No LoRA keys associated to"  # of a component that the file leaves alone


def _latents(pipe: Any, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    size = {"width": 32, "height": 32, "num_inference_steps": 3, "guidance_scale": 3.0}
    return pipe(PROMPT, generator=generator, output_type="latent", **size, **options).images


def _pair(rows: int, columns: int, seed: int, *kernel: int) -> tuple[Tensor, Tensor]:
    point = [1] * len(kernel)
    return 3 * random(4, columns, *kernel, seed=seed), 3 * random(rows, 4, *point, seed=seed + 40)


def _kohya(entries: dict[str, tuple[Tensor, Tensor]], alpha: float = 2.0) -> dict[str, Tensor]:
    tensors = {}
    for name, (down, up) in entries.items():
        tensors |= {
            f"{name}.lora_down.weight": down,
            f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor(alpha),
        }
    return tensors


def _peft(entries: dict[str, tuple[Tensor, Tensor]], down: str = "lora_A", up: str = "lora_B") -> dict[str, Tensor]:
    return {
        f"{name}.{side}.weight": value
        for name, pair in entries.items()
        for side, value in zip((down, up), pair, strict=True)
    }


_UNET = {
    f"{ATTN}.attn1.to_q": _pair(32, 32, 1),
    f"{ATTN}.attn2.to_k": _pair(32, 24, 2),
    f"{ATTN}.ff.net.2": _pair(32, 128, 3),
}
_CONV = {"down_blocks.1.resnets.0.conv1": _pair(32, 16, 4, 3, 3)}
# In a text encoder diffusers 0.42 maps PEFT's names of attention only, and kohya's only where all four are there.
_TEXT = {f"{CLIP}.mlp.fc1": _pair(48, 24, 5)}
_TEXT_PEFT = {f"{CLIP}.self_attn.q_proj": _pair(24, 24, 5)}


def _flat(prefix: str, entries: dict[str, tuple[Tensor, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    return {f"{prefix}{name.replace('.', '_')}": pair for name, pair in entries.items()}


def _dotted(prefix: str, entries: dict[str, tuple[Tensor, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    return {f"{prefix}{name}": pair for name, pair in entries.items()}


_SDXL_UNET = {
    "input_blocks_3_1_transformer_blocks_1_attn2_to_k": _pair(32, 40, 6),
    "input_blocks_3_0_in_layers_2": _pair(32, 16, 12, 3, 3),
}
_FLUX = {"transformer_blocks.0.attn.to_q": _pair(32, 32, 7), "single_transformer_blocks.1.proj_mlp": _pair(128, 32, 8)}
FILES: dict[str, tuple[str, dict[str, Tensor]]] = {
    "sd-kohya": ("sd", _kohya({**_flat("lora_unet_", _UNET), **_flat("lora_te_", _TEXT)})),
    "sd-kohya-locon": ("sd", _kohya(_flat("lora_unet_", {**_UNET, **_CONV}))),
    "sd-peft": ("sd", _peft({**_dotted("unet.", {**_UNET, **_CONV}), **_dotted("text_encoder.", _TEXT_PEFT)})),
    "sd-lora-down": ("sd", _peft(_dotted("unet.", _UNET), "lora.down", "lora.up")),
    "sdxl-kohya": (
        "sdxl",
        _kohya({**_flat("lora_unet_", _SDXL_UNET), **_flat("lora_te1_", _TEXT)}),
    ),
    "sdxl-peft": ("sdxl", _peft(_dotted("unet.", {f"{ATTN}.attn2.to_v": _pair(32, 40, 9)}))),
    "flux-peft": ("flux", _peft(_dotted("transformer.", _FLUX))),
    "flux-xlabs": (
        "flux",
        _peft({"double_blocks.0.processor.qkv_lora1": _pair(96, 32, 10)}, "down", "up"),
    ),
    "sd3-peft": ("sd3", _peft(_dotted("transformer.", {"transformer_blocks.0.attn.to_v": _pair(32, 32, 11)}))),
}


@contextmanager
def _loaded(pipe: Any, path: Any, strength: float) -> Iterator[None]:
    """The file in diffusers' own way. What it only logs is an error here: it drops what it cannot map."""
    logger = diffusers_logging.get_logger("diffusers")
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="it")
        pipe.set_adapters(["it"], [strength])
        assert [line for line in said if not line.startswith(_NOT_IN_FILE)] == []
        yield
    finally:
        logger.removeHandler(handler)
        pipe.unload_lora_weights()


@pytest.mark.filterwarnings("default:.*peft.*")
@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("name", FILES)
def test_file_gives_the_latents_that_diffusers_gives(
    name: str, strength: float, save: Save, request: pytest.FixtureRequest
) -> None:
    family, tensors = FILES[name]
    pipe = request.getfixturevalue(family)
    path = save(tensors, f"{name}.safetensors")
    before, plain = bits(pipe), _latents(pipe)
    with applied(pipe, read_adapter(path), strength) as report:
        assert report.skipped == []
        ours = _latents(pipe)
    with _loaded(pipe, path, strength):
        theirs = _latents(pipe)
    scale = float(theirs.abs().max())
    assert float((ours - theirs).abs().max()) <= TOLERANCE * scale
    assert float((theirs - plain).abs().max()) > 30 * TOLERANCE * scale, "the adapter itself changes nothing"
    assert bits(pipe) == before
    assert torch.equal(_latents(pipe), plain)
