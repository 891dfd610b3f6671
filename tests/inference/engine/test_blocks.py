"""Block weights: presets, lists and names, and which layers they reach."""

from types import SimpleNamespace
from typing import Any

import pytest

from inference.engine import AdapterError, EngineError, applied
from inference.engine.blocks import PRESETS, block_of, block_weights
from inference.engine.names import NameIndex, Target
from inference.engine.reading import interpret
from inference.engine.strengths import Strengths, strengths_of
from tests.inference.engine.made import SD_LAYERS, base, effect, pipe, unet_file
from tests.inference.engine.test_names import meta_unet


def _sd1() -> NameIndex:
    return NameIndex(SimpleNamespace(unet=meta_unet("sd1")))


def _sdxl() -> Any:
    """An index that knows a second text encoder: what tells SDXL's lists from those of SD 1."""
    found = NameIndex(
        SimpleNamespace(unet=meta_unet("sdxl"), text_encoder_2=base("sdxl").index.module("text_encoder_2"))
    )
    return found


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "IN01"),
        ("down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_q", "IN08"),
        ("down_blocks.3.resnets.1.conv1", "IN11"),
        ("down_blocks.0.downsamplers.0.conv", "IN03"),
        ("mid_block.attentions.0.proj_in", "M00"),
        ("up_blocks.1.attentions.0.proj_in", "OUT03"),
        ("up_blocks.3.attentions.2.proj_in", "OUT11"),
        ("conv_in", "IN00"),
        ("time_embedding.linear_1", "EDGE"),
        ("conv_out", "EDGE"),
    ],
)
def test_layer_of_sd1_lies_in_the_block_that_the_field_calls_so(path: str, block: str) -> None:
    assert block_of(_sd1(), Target("unet", (path,))) == block


@pytest.mark.parametrize(
    ("family", "component", "path", "block"),
    [
        ("sd", "text_encoder", "encoder.layers.0.mlp.fc1", "BASE"),
        ("flux", "text_encoder", "encoder.layers.0.mlp.fc1", "CLIP"),
        ("flux", "text_encoder_2", "encoder.block.0.layer.0.SelfAttention.q", "T5"),
        ("flux", "transformer", "transformer_blocks.1.attn.to_q", "D01"),
        ("flux", "transformer", "single_transformer_blocks.0.proj_out", "S00"),
        ("flux", "transformer", "x_embedder", "IN"),
        ("flux", "transformer", "proj_out", "OUT"),
        ("sd3", "transformer", "transformer_blocks.1.attn.to_q", "D01"),
    ],
)
def test_layers_of_other_families_have_blocks(family: str, component: str, path: str, block: str) -> None:
    assert block_of(base(family).index, Target(component, (path,))) == block


def test_preset_is_the_list_it_stands_for() -> None:
    weights = block_weights("OUTD", _sd1())
    assert {block for block, weight in weights.items() if weight} == {"BASE", "OUT03", "OUT04", "OUT05", "OUT06"}
    assert block_weights("outd", _sd1()) == weights
    assert set(block_weights("ALL", _sd1()).values()) == {0.0, 1.0}
    assert {"INS", "OUTALL", "MIDD"} < set(PRESETS)


@pytest.mark.parametrize(("index", "lengths"), [(_sd1, (17, 26)), (_sdxl, (12, 20))])
def test_list_goes_to_its_blocks_in_order(index: Any, lengths: tuple[int, int]) -> None:
    short, long = (block_weights(",".join(str(place) for place in range(1, count + 1)), index()) for count in lengths)
    assert (short["BASE"], long["BASE"]) == (1.0, 1.0)
    assert list(long.values()) == [float(place) for place in range(1, lengths[1] + 1)]
    assert sorted(weight for weight in short.values() if weight) == [float(place) for place in range(1, lengths[0] + 1)]
    assert short["IN04"] > 0
    assert short["IN00"] == 0


def test_list_for_flux_has_61_numbers() -> None:
    weights = block_weights(",".join(["0.5"] * 61), base("flux").index)
    assert (weights["D18"], weights["S37"], weights["T5"], len(weights)) == (0.5, 0.5, 0.5, 61)


def test_names_say_what_they_are_for() -> None:
    assert block_weights("in04=0.5, M00=0", _sd1()) == {"IN04": 0.5, "M00": 0.0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,2,3", "17 or 26 numbers"),
        ("SOMETHING", "no number"),
        (",".join(["x"] * 17), "no number"),
        (",".join(["nan"] * 17), "no usable number"),
        ("M00=inf", "no usable number"),
    ],
)
def test_unreadable_weights_are_refused(text: str, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        block_weights(text, _sd1())


def test_preset_is_refused_for_a_transformer() -> None:
    with pytest.raises(EngineError, match="UNet"):
        block_weights("OUTALL", base("flux").index)


def test_blocks_scale_their_layers_alone() -> None:
    file = unet_file({path: 2 for path in SD_LAYERS}, 1)
    whole = effect(file)
    found = effect(file, weight=Strengths(0.8, 1.0, {"M00": 0.5, "IN03": 0.0}))  # type: ignore[arg-type]
    assert found.keys() == {f"unet.{path}.weight" for path in SD_LAYERS[:2]}
    for key, value in found.items():
        assert float((value - 0.4 * whole[key]).abs().max()) < 1e-6


def test_text_encoders_have_strengths_by_name() -> None:
    strengths = Strengths(0.9, {"text_encoder_2": 0.2}, {"BASE": 0.5})
    first, second = (Target(name, ("x",)) for name in ("text_encoder", "text_encoder_2"))
    assert strengths.of(first, "BASE") == pytest.approx(0.45)
    assert strengths.of(second, "BASE") == pytest.approx(0.1)
    assert strengths.embeddings == 0.9
    assert strengths_of(0.5, 0.25) == Strengths(0.5, 0.25)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), Strengths])
def test_strength_without_a_value_is_refused(strength: Any) -> None:
    file = interpret(unet_file({SD_LAYERS[0]: 2}, 1))
    with (
        pytest.raises(EngineError, match="no finite number"),
        applied(pipe("sd"), file, Strengths(blocks={"M00": float("nan")}) if strength is Strengths else strength),
    ):
        pytest.fail("the adapter was applied")
    assert not isinstance(EngineError("", "", ""), AdapterError)
