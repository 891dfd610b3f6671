"""Rendering one picture with a pipeline: the same settings and seed always give the same picture on a CPU."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from inference.engine.errors import EngineError
from inference.engine.families import Family, family_of

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class RenderRequest:
    """What to render."""

    prompt: str
    negative: str = ""
    seed: int = 0
    steps: int = 20
    guidance: float = 5.0
    width: int = 512
    height: int = 512


def render(pipe: Any, request: RenderRequest, on_step: OnStep | None = None) -> Image.Image:
    """One picture. `on_step(step, total)` is called after every step; what it raises (Cancelled) stops at once."""
    family = family_of(pipe)
    _check(request, family)
    arguments = _arguments(pipe, request, family)
    if on_step is not None:
        arguments["callback_on_step_end"] = _callback(on_step, request)
    try:
        result = pipe(**arguments)
    except torch.OutOfMemoryError as error:
        raise EngineError(
            "The picture is too large for this machine's memory.",
            f"{request.width}×{request.height} needs more than is free.",
            "Ask for a smaller picture, or use a machine with more memory.",
        ) from error
    return _picture(result)


def _check(request: RenderRequest, family: Family) -> None:
    sides = (request.width, request.height)
    if any(side <= 0 or side % family.multiple for side in sides):
        raise EngineError(
            "A picture of this size cannot be rendered.",
            f"{request.width}×{request.height}: both sides must be multiples of {family.multiple}.",
            f"Use {' × '.join(str(max(1, round(side / family.multiple)) * family.multiple) for side in sides)}.",
        )
    if request.steps < 1:
        raise EngineError("Nothing can be rendered.", f"{request.steps} steps were asked for.", "Ask for at least 1.")


def _arguments(pipe: Any, request: RenderRequest, family: Family) -> dict[str, Any]:
    """The pipeline's arguments; the generator lives on the CPU so that every device starts from the same noise."""
    arguments: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.steps,
        "width": request.width,
        "height": request.height,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "output_type": "np",
        family.guidance: request.guidance,
    }
    if request.negative:
        arguments["negative_prompt"] = request.negative
        arguments |= {name: getattr(request, source) for name, source in family.negative.items()}
    accepted = inspect.signature(type(pipe).__call__).parameters
    return {name: value for name, value in arguments.items() if name in accepted}


def _callback(on_step: OnStep, request: RenderRequest) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after_step(pipe: Any, step: int, timestep: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        on_step(step + 1, getattr(pipe, "num_timesteps", request.steps))
        return kwargs

    return after_step


def _picture(result: Any) -> Image.Image:
    flagged = getattr(result, "nsfw_content_detected", None)
    if flagged and flagged[0]:
        raise EngineError(
            "The picture was withheld.",
            "The base model's own safety checker took it for explicit content.",
            "Change the prompt, or use another seed.",
        )
    pixels = np.asarray(result.images[0])
    if not np.isfinite(pixels).all():
        raise EngineError(
            "The picture came out as noise.",
            "The calculation overflowed (NaN), which happens in half precision or with an adapter far too strong.",
            "Lower the adapter's strength, or load the base model in float32.",
        )
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
