"""Noise, targets and weights against diffusers' schedulers and the papers' formulas."""

import pytest
import torch
from diffusers import DDPMScheduler
from torch import Tensor

from training.engine.chance import generator
from training.engine.config import LossConfig
from training.engine.errors import TrainingError
from training.engine.families.processes import Diffusion, Flow, level

TIMES = torch.tensor([0, 17, 500, 999])


def _scheduler(prediction: str, **more: bool) -> DDPMScheduler:
    return DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type=prediction, **more
    )


def _latents() -> tuple[Tensor, Tensor]:
    chance = generator(0)
    return torch.randn(4, 4, 8, 8, generator=chance), torch.randn(4, 4, 8, 8, generator=chance)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("zero", [False, True])
def test_noise_and_target_are_those_of_diffusers(prediction: str, zero: bool) -> None:
    scheduler = _scheduler(prediction, rescale_betas_zero_snr=zero)
    process = Diffusion.of(scheduler, LossConfig())
    latents, noise = _latents()
    assert torch.allclose(process.noisy(latents, noise, TIMES), scheduler.add_noise(latents, noise, TIMES), atol=1e-6)
    wanted = noise if prediction == "epsilon" else scheduler.get_velocity(latents, noise, TIMES)
    assert torch.allclose(process.target(latents, noise, TIMES), wanted, atol=1e-6)
    assert process.weights(TIMES) is None


def test_min_snr_weights_are_the_paper_s() -> None:
    for prediction, over in (("epsilon", 0.0), ("v_prediction", 1.0)):
        scheduler = _scheduler(prediction)
        weights = Diffusion.of(scheduler, LossConfig(min_snr_gamma=5.0)).weights(TIMES)
        alphas = scheduler.alphas_cumprod[TIMES]
        snr = alphas / (1 - alphas)
        assert weights is not None
        assert torch.allclose(weights, snr.clamp(max=5.0) / (snr + over), rtol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weights_are_numbers_without_any_signal(prediction: str) -> None:
    scheduler = _scheduler(prediction, rescale_betas_zero_snr=True)
    weights = Diffusion.of(scheduler, LossConfig(min_snr_gamma=5.0)).weights(torch.tensor([999]))
    assert weights is not None
    assert weights.tolist() == [1.0 if prediction == "epsilon" else 0.0]


def test_flow_is_a_straight_line_and_its_direction() -> None:
    process = Flow(LossConfig())
    latents, noise = _latents()
    times = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert torch.equal(process.times(times), times)
    noisy = process.noisy(latents, noise, times)
    assert torch.equal(noisy[0], latents[0])
    assert torch.equal(noisy[3], noise[3])
    assert torch.allclose(
        noisy - times.reshape(-1, 1, 1, 1) * process.target(latents, noise, times), latents, atol=1e-6
    )


@pytest.mark.parametrize(("sampling", "middle"), [("uniform", (0.45, 0.55)), ("logit-normal", (0.65, 0.75))])
def test_levels_lie_where_the_recipe_wants_them(sampling: str, middle: tuple[float, float]) -> None:
    loss = LossConfig(timestep_sampling=sampling)
    found = torch.tensor([level(loss, generator(0, number)) for number in range(2000)])
    assert 0 < float(found.min()) < float(found.max()) < 1
    share = float(((found > 0.25) & (found < 0.75)).float().mean())
    assert middle[0] < share < middle[1] + 0.05


def test_times_are_whole_and_in_range() -> None:
    process = Diffusion.of(_scheduler("epsilon"), LossConfig())
    assert process.times(torch.tensor([0.0, 0.5, 0.9999, 1.0])).tolist() == [0, 500, 999, 999]


def test_unknown_choice_of_timesteps_is_an_error() -> None:
    with pytest.raises(TrainingError) as caught:
        level(LossConfig(timestep_sampling="cubic"), generator(0))
    assert caught.value.code == "timestep-sampling"


def test_base_that_predicts_something_else_is_refused() -> None:
    with pytest.raises(TrainingError) as caught:
        Diffusion.of(_scheduler("sample"), LossConfig())
    assert caught.value.code == "prediction-type"
