"""The conflict report, against the definitions written out with whole matrices."""

import pytest
import torch
from torch import Tensor

from inference.engine.algebra.conflicts import FIGHT, HIGHEST, LOWEST, conflicts
from inference.engine.algebra.merging import Part
from inference.engine.files import AdapterFile
from inference.engine.names import Target
from tests.inference.engine.changes import random
from tests.inference.engine.made import SD_LAYERS, base, effect, spelled, unet_file


def _share(product: Tensor, first: Tensor, second: Tensor) -> float:
    return float(product.square().sum() / (first.norm() * second.norm()))


def test_numbers_are_those_of_the_definitions() -> None:
    files = [unet_file({path: 3 for path in SD_LAYERS}, seed) for seed in (1, 2)]
    report = conflicts([Part(file) for file in files], base())
    (pair,) = report.pairs
    assert len(pair.layers) == len(SD_LAYERS)
    changes = [effect(file) for file in files]
    for layer in pair.layers:
        a, b = (change[f"{layer.layer}.weight"].flatten(1) for change in changes)
        assert layer.norms == pytest.approx((float(a.norm()), float(b.norm())), rel=1e-4)
        assert layer.cosine == pytest.approx(float((a * b).sum() / a.norm() / b.norm()), abs=1e-4)
        assert layer.inputs == pytest.approx(_share(a @ b.T, a.T @ a, b.T @ b), rel=1e-3)
        assert layer.outputs == pytest.approx(_share(a.T @ b, a @ a.T, b @ b.T), rel=1e-3)


def test_whole_differences_give_what_factors_give() -> None:
    low = [unet_file({path: 3 for path in SD_LAYERS}, seed) for seed in (1, 2)]
    whole = [
        AdapterFile(
            spelled(
                {Target("unet", (key.removeprefix("unet.").removesuffix(".weight"),)): {"diff": value.float()}
                 for key, value in effect(file).items()},
                "sd",
                "kohya",
            ),
            {},
            file.name,
        )
        for file in low
    ]  # fmt: skip
    first, second = (conflicts([Part(file) for file in files], base()).pairs[0] for files in (low, whole))
    assert first.overlap == pytest.approx(second.overlap, rel=1e-3)
    assert first.cosine == pytest.approx(second.cosine, abs=1e-4)


@pytest.mark.parametrize(("weight", "manner"), [(1.0, "doubling"), (0.2, "doubling"), (-1.0, "undoing")])
def test_adapter_fights_with_itself(weight: float, manner: str) -> None:
    file = unet_file({path: 3 for path in SD_LAYERS}, 1)
    report = conflicts([Part(file), Part(file, weight)], base())
    (pair,) = report.pairs
    assert pair.manner == manner
    assert report.fighting == (pair,)
    assert pair.overlap == pytest.approx(1.0, abs=1e-3)
    assert abs(pair.cosine) == pytest.approx(1.0, abs=1e-3)
    limit = LOWEST if manner == "undoing" else HIGHEST
    assert report.proposed == (limit, max(min(weight, limit), -limit))


def test_same_place_and_other_content_is_crossing() -> None:
    """Both read the same inputs and write to the same outputs, in an order that makes their inner product zero."""
    up, down = torch.linalg.qr(random(32, 4)).Q, torch.linalg.qr(random(24, 4, seed=1)).Q.T
    name = f"lora_unet_{SD_LAYERS[0].replace('.', '_')}"
    files = [
        AdapterFile({f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": rows}, {}, str(place))
        for place, rows in enumerate((down, down.roll(1, 0).contiguous()))
    ]
    report = conflicts([Part(file) for file in files], base())
    (pair,) = report.pairs
    assert pair.manner == "crossing"
    assert pair.cosine == pytest.approx(0, abs=1e-5)
    assert pair.overlap == pytest.approx(1, abs=1e-4)


def test_adapters_on_other_layers_or_directions_are_apart() -> None:
    one, other = unet_file({SD_LAYERS[0]: 3}, 1), unet_file({SD_LAYERS[1]: 3}, 2)
    report = conflicts([Part(one, 0.9), Part(other, 0.8)], base())
    assert (report.pairs[0].shared, report.pairs[0].layers, report.pairs[0].manner) == (0.0, (), "apart")
    assert report.proposed == (0.9, 0.8)
    strangers = conflicts([Part(unet_file({SD_LAYERS[1]: 2}, seed)) for seed in (1, 7)], base())
    assert strangers.fighting == ()


def test_worst_pair_comes_first_and_the_third_keeps_its_weight() -> None:
    twin, apart = unet_file({SD_LAYERS[1]: 2}, 1), unet_file({SD_LAYERS[1]: 2}, 9)
    report = conflicts([Part(apart), Part(twin), Part(twin, 0.9)], base())
    assert report.pairs[0].adapters == (1, 2)
    assert report.proposed[0] == 1.0
    assert all(LOWEST <= weight <= HIGHEST for weight in report.proposed[1:])
    assert FIGHT < 1


def test_what_has_no_layer_is_said() -> None:
    file = AdapterFile({**unet_file({SD_LAYERS[0]: 2}, 1).tensors, "lora_unet_nowhere.diff": random(4, 4)}, {}, "it")
    report = conflicts([Part(file), Part(file)], base())
    assert report.left_out[0] == ("it: lora_unet_nowhere", "The base model has no layer of this name.")
