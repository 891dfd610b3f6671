"""One picture: the same seed gives the same picture, progress comes out, and cancelling stops at once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine import Cancelled, EngineError, RenderRequest, render

SMALL = RenderRequest("a red circle", seed=3, steps=3, guidance=3.0, width=32, height=32)


def _pixels(pipe: Any, request: RenderRequest = SMALL) -> np.ndarray:
    return np.asarray(render(pipe, request))


@pytest.mark.parametrize("family", ["sd", "sdxl", "flux", "sd3"])
def test_same_seed_gives_the_same_picture(family: str, request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue(family)
    first = _pixels(pipe)
    assert first.shape == (32, 32, 3)
    torch.rand(7)  # the state of the global generator is nobody's business
    assert (_pixels(pipe) == first).all()
    assert (_pixels(pipe, replace(SMALL, seed=4)) != first).any()


@pytest.mark.parametrize(
    "changed", [{"prompt": "a blue square"}, {"negative": "blue"}, {"guidance": 9.0}, {"steps": 4}]
)
def test_each_setting_acts(sd: Any, changed: dict[str, Any]) -> None:
    assert (_pixels(sd, replace(SMALL, **changed)) != _pixels(sd)).any()


def test_negative_prompt_acts_on_flux_with_true_guidance(flux: Any) -> None:
    assert (_pixels(flux, replace(SMALL, negative="blue")) != _pixels(flux)).any()


def test_sides_are_width_and_height(sd: Any) -> None:
    assert render(sd, replace(SMALL, width=48, height=32)).size == (48, 32)


def test_progress_is_told_after_every_step(sd: Any) -> None:
    steps: list[tuple[int, int]] = []
    render(sd, SMALL, on_step=lambda step, total: steps.append((step, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_cancelling_stops_at_once_and_leaves_the_pipeline_usable(sd: Any) -> None:
    wanted = _pixels(sd)
    steps: list[int] = []

    def stop(step: int, total: int) -> None:
        steps.append(step)
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        render(sd, SMALL, on_step=stop)
    assert steps == [1, 2]
    assert (_pixels(sd) == wanted).all()


@pytest.mark.parametrize(
    ("sides", "remedy"), [((33, 32), "Use 32 × 32."), ((32, 0), "Use 32 × 8."), ((-8, 32), "Use 8 × 32.")]
)
def test_size_between_the_models_steps_is_refused(sd: Any, sides: tuple[int, int], remedy: str) -> None:
    with pytest.raises(EngineError) as refused:
        render(sd, replace(SMALL, width=sides[0], height=sides[1]))
    assert refused.value.remedy == remedy


def test_size_follows_the_family(sd3: Any) -> None:
    with pytest.raises(EngineError, match="multiples of 16"):
        render(sd3, replace(SMALL, width=40))


def test_no_steps_are_refused(sd: Any) -> None:
    with pytest.raises(EngineError, match="0 steps"):
        render(sd, replace(SMALL, steps=0))


@pytest.fixture
def overflowing(sd: Any) -> Iterator[Any]:
    """The pipeline with a weight that makes every number of the picture NaN."""
    bias = sd.vae.decoder.layers[-1].bias
    kept = bias.detach().clone()
    bias.data.fill_(float("nan"))
    yield sd
    bias.data.copy_(kept)


def test_picture_of_nan_is_an_error(overflowing: Any) -> None:
    with pytest.raises(EngineError, match="NaN"):
        render(overflowing, SMALL)


def test_picture_withheld_by_the_safety_checker_is_an_error(sd: Any) -> None:
    from inference.engine.sampling import _picture

    withheld = _picture(np.zeros((8, 8, 3)), flagged=True)
    assert isinstance(withheld, EngineError)
    assert "safety checker" in withheld.why
