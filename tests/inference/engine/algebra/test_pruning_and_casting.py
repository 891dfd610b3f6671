"""Taking parts out leaves the rest bit for bit; another number type says what it costs."""

import json

import pytest
import torch

from inference.engine import AdapterError, EngineError
from inference.engine.algebra.casting import cast
from inference.engine.algebra.pruning import Cut, prune
from inference.engine.files import AdapterFile, same_bits
from inference.engine.lineage import KEY
from tests.inference.engine.changes import random
from tests.inference.engine.made import SD_LAYERS, base, effect, lora_slots, spelled, unet_file


def _file() -> AdapterFile:
    (text,) = base().index.candidates("text_encoder.text_model.encoder.layers.0.mlp.fc1")
    entry = {text: lora_slots(base().index.shape(text), 2, 40)}
    return AdapterFile(
        {**unet_file({path: 2 for path in SD_LAYERS}, 1).tensors, **spelled(entry, "sd", "kohya")}, {}, "it"
    )


@pytest.mark.parametrize(
    ("cut", "gone"),
    [
        (Cut(components=["text_encoder"]), {"text_encoder.encoder.layers.0.mlp.fc1"}),
        (Cut(blocks=["M00"]), {f"unet.{path}" for path in SD_LAYERS[:2]}),
        (
            Cut(blocks=["BASE", "IN03"]),
            {"text_encoder.encoder.layers.0.mlp.fc1", *(f"unet.{path}" for path in SD_LAYERS[2:])},
        ),
    ],
)
def test_cut_takes_out_what_it_names(cut: Cut, gone: set[str]) -> None:
    file = _file()
    result = prune(file, base(), cut)
    before, after = effect(file), effect(result.file)
    assert before.keys() - after.keys() == {f"{name}.weight" for name in gone}
    assert all(same_bits(tensor, file.tensors[key]) for key, tensor in result.file.tensors.items())
    assert len(result.removed) == len(gone)
    lost = sum(float(before[f"{name}.weight"].square().sum()) for name in gone)
    whole = sum(float(value.square().sum()) for value in before.values())
    assert result.error == pytest.approx((lost / whole) ** 0.5, rel=1e-4)
    assert json.loads(result.file.metadata[KEY])["operation"] == "prune"


def test_layers_that_hardly_act_are_taken_out() -> None:
    file = _file()
    weak = next(key for key in file.tensors if key.endswith("fc1.lora_up.weight"))
    tensors = {**file.tensors, weak: file.tensors[weak] * 1e-4}
    result = prune(AdapterFile(tensors, {}), base(), Cut(below=0.01))
    assert [name for name, _ in result.removed] == ["lora_te_text_model_encoder_layers_0_mlp_fc1"]
    assert result.error < 0.01


def test_entries_without_a_layer_are_taken_out() -> None:
    file = AdapterFile({**_file().tensors, "lora_unet_nowhere.diff": random(4, 4)}, {})
    assert prune(file, base(), Cut()).removed == ()
    result = prune(file, base(), Cut(absent=True))
    assert result.removed == (("lora_unet_nowhere", "The base model has no layer of this name."),)
    assert result.file.tensors.keys() == _file().tensors.keys()


def test_nothing_left_is_refused() -> None:
    with pytest.raises(AdapterError, match="Nothing would be left"):
        prune(_file(), base(), Cut(components=["unet", "text_encoder"]))


@pytest.mark.parametrize(("dtype", "most"), [("float16", 1e-3), ("bfloat16", 1e-2), ("float32", 0.0)])
def test_rounding_is_reported(dtype: str, most: float) -> None:
    file = _file()
    result = cast(file, dtype)
    assert result.error <= most
    assert (result.error > 0) is (dtype != "float32")
    for key, tensor in result.file.tensors.items():
        wanted = torch.float32 if key.endswith(".alpha") else getattr(torch, dtype)
        assert tensor.dtype == wanted
    again = cast(result.file, dtype)
    assert again.error == 0


def test_number_that_does_not_fit_is_refused() -> None:
    file = AdapterFile({"lora_unet_x.diff": torch.tensor([[1e6]])}, {})
    with pytest.raises(AdapterError, match="1e\\+06"):
        cast(file, "float16")
    assert cast(file, "bfloat16").vanished == 0
    tiny = AdapterFile({"lora_unet_x.diff": torch.tensor([[1e-9]])}, {})
    assert cast(tiny, "float16").vanished == 1


def test_unknown_number_type_is_refused() -> None:
    with pytest.raises(EngineError, match="float32, float16, bfloat16"):
        cast(_file(), "int4")
