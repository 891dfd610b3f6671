"""The learning rate at a step, and the moving average."""

import pytest
import torch

from training.engine.config import OptimConfig, OptimizerName, Precision, ScheduleName
from training.engine.optimizers import Average, make_optimizer, rate_factor, set_rates
from training.engine.places import Place

CPU = Place(torch.device("cpu"), Precision.FP32)


@pytest.mark.parametrize("schedule", ScheduleName)
def test_rate_warms_up_and_follows_its_schedule(schedule: ScheduleName) -> None:
    config = OptimConfig(schedule=schedule, warmup_steps=4)
    found = [rate_factor(config, step, 12) for step in range(12)]
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert all(0 < one <= 1 for one in found)
    wanted = {ScheduleName.CONSTANT: 1.0, ScheduleName.LINEAR: 0.5, ScheduleName.COSINE: 0.5}
    assert found[8] == pytest.approx(wanted[schedule])
    assert found[4:] == sorted(found[4:], reverse=True)


def test_warm_up_longer_than_the_run_ends_with_it() -> None:
    assert rate_factor(OptimConfig(warmup_steps=100), 9, 10) == 1.0


def test_text_encoders_have_a_rate_of_their_own() -> None:
    parameters = {name: torch.nn.Parameter(torch.ones(1)) for name in ("unet.a", "text_encoder.b")}
    config = OptimConfig(learning_rate=1e-3, text_learning_rate=1e-5, warmup_steps=0, schedule=ScheduleName.CONSTANT)
    optimizer = make_optimizer(parameters, config, CPU)
    assert set_rates(optimizer, config, 0, 10) == 1e-3
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 1e-5]


def test_prodigy_finds_its_rate() -> None:
    value = torch.nn.Parameter(torch.full((4,), 5.0))
    config = OptimConfig(optimizer=OptimizerName.PRODIGY, learning_rate=1.0, weight_decay=0.0)
    optimizer = make_optimizer({"unet.a": value}, config, CPU)
    for _ in range(200):
        optimizer.zero_grad()
        value.square().sum().backward()
        optimizer.step()
    assert float(value.detach().abs().max()) < 0.5


def test_average_follows_the_weights_slowly() -> None:
    value = torch.nn.Parameter(torch.zeros(2))
    average = Average({"a": value}, 0.9)
    with torch.no_grad():
        value.fill_(1.0)
    average.update([value], 1)
    assert average.values["a"].tolist() == pytest.approx([1 - 2 / 11] * 2)
    for step in range(2, 300):
        average.update([value], step)
    assert average.values["a"].tolist() == pytest.approx([1.0, 1.0], abs=1e-3)
    average.load({"a": torch.tensor([3.0, 4.0])})
    assert average.values["a"].tolist() == [3.0, 4.0]
