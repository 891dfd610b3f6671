"""The package as others see it: without torch until a run starts, and estimates for the queue."""

import subprocess
import sys

import pytest

from training.engine import TrainConfig, estimate
from training.engine.config import AdapterConfig, DataConfig, Kind, OptimConfig, Quantisation

FAMILIES = ("tinybase", "sd1", "sd2", "sdxl", "flux1")


def test_package_and_estimates_need_no_torch() -> None:
    code = (
        "import sys, training.engine as engine\n"
        "engine.estimate(engine.TrainConfig('sd1'), 9, 'sd1')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_package_has_all_it_promises() -> None:
    import training.engine as engine

    assert all(hasattr(engine, name) for name in engine.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = engine.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES)
def test_estimate_grows_with_what_costs(family: str) -> None:
    plain = TrainConfig(family)
    first = estimate(plain, 20, family)
    larger = estimate(TrainConfig(family, data=DataConfig(batch=4, accumulation=2)), 20, family)
    assert 0 < first.step_seconds < larger.step_seconds
    assert 0 < first.memory_bytes < larger.memory_bytes
    saving = OptimConfig(gradient_checkpointing=True, quantisation=Quantisation.NF4)
    assert estimate(TrainConfig(family, optim=saving), 20, family).memory_bytes < first.memory_bytes
    full = AdapterConfig(kind=Kind.FULL)
    assert estimate(TrainConfig(family, adapter=full), 20, family).memory_bytes > first.memory_bytes


def test_estimate_of_an_unknown_family_is_an_error() -> None:
    with pytest.raises(KeyError):
        estimate(TrainConfig("sd1"), 20, "dall-e")
