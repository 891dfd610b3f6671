"""Every spelling of tensor names in the field leads to its module and to what the tensor is in it."""

from pathlib import Path

import pytest

from registry.artifacts import inspect_file
from registry.artifacts.keys import grouped, split_key
from tests.registry.artifacts.builders import Shapes, adapter_file

UNET = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
KOHYA = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
TEXT = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"

SPELLINGS = [
    # key, module, slot
    (f"{KOHYA}.lora_up.weight", KOHYA, "up"),
    (f"{KOHYA}.lora_down.weight", KOHYA, "down"),
    (f"{KOHYA}.lora_mid.weight", KOHYA, "mid"),
    (f"{KOHYA}.alpha", KOHYA, "alpha"),
    (f"{KOHYA}.dora_scale", KOHYA, "dora_scale"),
    (f"{UNET}.lora_A.weight", UNET, "down"),
    (f"{UNET}.lora_B.weight", UNET, "up"),
    (f"{UNET}.lora_A.default.weight", UNET, "down"),
    (f"{UNET}.lora_B.my_adapter.weight", UNET, "up"),
    (f"{UNET}.lora_A", UNET, "down"),
    (f"{UNET}.lora_B", UNET, "up"),
    (f"{UNET}.lora_B.bias", UNET, "up_bias"),
    (f"{UNET}.lora.down.weight", UNET, "down"),
    (f"{UNET}.lora.up.weight", UNET, "up"),
    (f"{TEXT}.lora_linear_layer.down.weight", TEXT, "down"),
    (f"{TEXT}.lora_linear_layer.up.weight", TEXT, "up"),
    (f"{UNET}.lora_magnitude_vector", UNET, "magnitude"),
    (f"{UNET}.lora_magnitude_vector.weight", UNET, "magnitude"),
    (f"{UNET}.lora_magnitude_vector.default.weight", UNET, "magnitude"),
    ("unet.mid_block.attn1.processor.to_q_lora.down.weight", "unet.mid_block.attn1.to_q", "down"),
    ("unet.mid_block.attn1.processor.to_out_lora.up.weight", "unet.mid_block.attn1.to_out.0", "up"),
    ("text_encoder.layers.0.self_attn.to_v_lora.up.weight", "text_encoder.layers.0.self_attn.v_proj", "up"),
    ("text_encoder.layers.0.self_attn.to_out_lora.up.weight", "text_encoder.layers.0.self_attn.out_proj", "up"),
    (
        "double_blocks.3.processor.proj_lora2.down.weight",
        "double_blocks.3.processor.proj_lora2",
        "down",
    ),
    *((f"{KOHYA}.hada_{name}", KOHYA, f"hada_{name}") for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")),
    *(
        (f"{KOHYA}.lokr_{name}", KOHYA, f"lokr_{name}")
        for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t1", "t2")
    ),
    (f"{UNET}.hada_w1_a.default", UNET, "hada_w1_a"),
    (f"{UNET}.lokr_w1.default", UNET, "lokr_w1"),
    *((f"{KOHYA}.{name}.weight", KOHYA, name) for name in ("a1", "a2", "b1", "b2", "bm")),
    *(
        (f"{KOHYA}.{name}", KOHYA, name)
        for name in (
            "oft_blocks rescale diff diff_b w_norm b_norm on_input weight reshape_weight set_weight ia3_l"
        ).split()
    ),
]


@pytest.mark.parametrize(("key", "module", "slot"), SPELLINGS, ids=[key for key, _, _ in SPELLINGS])
def test_spelling_recognised(key: str, module: str, slot: str) -> None:
    assert split_key(key) == (module, slot)


@pytest.mark.parametrize("key", ["alpha", f"{KOHYA}.bias", f"{KOHYA}.lora_up", "emb_params", f"{KOHYA}.scale", "", "."])
def test_name_that_belongs_to_no_kind_left_over(key: str) -> None:
    assert split_key(key) is None


def test_plain_weight_is_no_adapter_without_its_flag() -> None:
    """`X.weight` is IA³ only beside `X.on_input`: nearly every tensor of a checkpoint is called so."""
    assert grouped((f"{KOHYA}.weight",)).others == (f"{KOHYA}.weight",)
    assert grouped((f"{KOHYA}.weight", f"{KOHYA}.on_input")).others == ()


WHOLE: dict[str, tuple[Shapes, str, str]] = {
    # what one program writes, the kind and the layout that it is
    "diffusers before PEFT": (
        {f"{UNET}.lora.down.weight": (4, 768), f"{UNET}.lora.up.weight": (320, 4)},
        "lora",
        "diffusers",
    ),
    "diffusers text encoder before PEFT": (
        {f"{TEXT}.lora_linear_layer.down.weight": (4, 768), f"{TEXT}.lora_linear_layer.up.weight": (768, 4)},
        "lora",
        "diffusers",
    ),
    "PEFT with the adapter's name": (
        {f"{UNET}.lora_A.default.weight": (4, 768), f"{UNET}.lora_B.default.weight": (320, 4)},
        "lora",
        "diffusers",
    ),
    "PEFT bare": ({f"{UNET}.lora_A": (4, 768), f"{UNET}.lora_B": (320, 4)}, "lora", "diffusers"),
    "PEFT with a bias": (
        {f"{UNET}.lora_A.weight": (4, 768), f"{UNET}.lora_B.weight": (320, 4), f"{UNET}.lora_B.bias": (320,)},
        "lora",
        "diffusers",
    ),
    "PEFT save_pretrained": (
        {
            f"base_model.model.{UNET[5:]}.lora_A.weight": (4, 768),
            f"base_model.model.{UNET[5:]}.lora_B.weight": (320, 4),
        },
        "lora",
        "peft",
    ),
    "PEFT without a prefix": (
        {f"{UNET[5:]}.lora_A.weight": (4, 768), f"{UNET[5:]}.lora_B.weight": (320, 4)},
        "lora",
        "peft",
    ),
    "DoRA of OneTrainer": (
        {f"{KOHYA}.lora_down.weight": (4, 768), f"{KOHYA}.lora_up.weight": (320, 4), f"{KOHYA}.dora_scale": (1, 768)},
        "dora",
        "kohya",
    ),
    "GLoRA with a bias": (
        {
            **{f"{KOHYA}.{name}.weight": (4, 768) for name in ("a2", "b2")},
            f"{KOHYA}.a1.weight": (768, 4),
            f"{KOHYA}.b1.weight": (320, 4),
            f"{KOHYA}.bm.weight": (320, 1),
        },
        "glora",
        "kohya",
    ),
    "LoKr with both factors low-rank": (
        {
            f"{KOHYA}.lokr_w1_a": (16, 4),
            f"{KOHYA}.lokr_w1_b": (4, 32),
            f"{KOHYA}.lokr_w2_a": (20, 4),
            f"{KOHYA}.lokr_w2_b": (4, 24),
        },
        "lokr",
        "kohya",
    ),
    "LoKr with both cores": (
        {
            f"{KOHYA}.lokr_w1_a": (4, 16),
            f"{KOHYA}.lokr_w1_b": (4, 16),
            f"{KOHYA}.lokr_t1": (4, 4, 3, 3),
            f"{KOHYA}.lokr_w2_a": (4, 20),
            f"{KOHYA}.lokr_w2_b": (4, 20),
            f"{KOHYA}.lokr_t2": (4, 4, 3, 3),
        },
        "lokr",
        "kohya",
    ),
    "weights set whole": ({f"{KOHYA}.set_weight": (320, 768)}, "full", "kohya"),
    "difference of one number": ({f"{KOHYA}.diff": ()}, "full", "kohya"),
    "bias alone": ({f"{KOHYA}.diff_b": (320,)}, "full", "kohya"),
    "IA³ of PEFT": ({f"base_model.model.{UNET[5:]}.ia3_l": (320, 1)}, "ia3", "peft"),
    "OFT with its constraint": ({f"{KOHYA}.oft_blocks": (40, 8, 8), f"{KOHYA}.alpha": ()}, "oft", "kohya"),
    "BOFT rescaled": (
        {f"{KOHYA}.oft_blocks": (3, 40, 8, 8), f"{KOHYA}.rescale": (320, 1), f"{KOHYA}.alpha": ()},
        "boft",
        "kohya",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_file_of_one_program_recognised(name: str, tmp_path: Path) -> None:
    shapes, kind, layout = WHOLE[name]
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert (found.kind, found.layout) == (kind, layout)
    assert "tensors-unrecognised" not in {warning.code for warning in found.warnings}


def test_rank_and_widths_proven_from_shapes(tmp_path: Path) -> None:
    shapes = WHOLE["LoKr with both factors low-rank"][0]
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert found.rank == {"min": 4, "median": 4, "max": 4}
    assert found.family == "sd1"  # 32 × 24 is the width of SD 1's text
