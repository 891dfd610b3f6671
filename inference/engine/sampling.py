"""Rendering pictures with a pipeline: the same settings and seed always give the same picture on a CPU."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from inference.engine.errors import EngineError, OutOfMemory
from inference.engine.families import Family, family_of

OnStep = Callable[[int, int], None]
OnLatents = Callable[[int, int, torch.Tensor], None]
"""Called with the step, their number, and the latents as the pipeline keeps them."""


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
    watch = None if on_step is None else lambda step, total, latents: on_step(step, total)
    (picture,) = render_together(pipe, [request], watch)
    if isinstance(picture, EngineError):
        raise picture
    return picture


def render_together(
    pipe: Any, requests: Sequence[RenderRequest], watch: OnLatents | None = None
) -> list[Image.Image | EngineError]:
    """The pictures of requests that differ only in prompts and seed, in one run; an error for one that went wrong.

    `watch(step, total, latents)` is called after every step. Raises EngineError where none can be made.
    """
    first, family = requests[0], family_of(pipe)
    _check(first, family)
    arguments = _arguments(pipe, requests, family)
    if watch is not None:
        arguments["callback_on_step_end"] = _callback(watch, first)
    try:
        result = pipe(**arguments)
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            "The picture is too large for this machine's memory.",
            f"{first.width}×{first.height} needs more than is free.",
            "Ask for a smaller picture, or use a machine with more memory.",
        ) from error
    flagged = getattr(result, "nsfw_content_detected", None) or [False] * len(requests)
    return [_picture(pixels, flagged=bool(flag)) for pixels, flag in zip(result.images, flagged, strict=True)]


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


def _arguments(pipe: Any, requests: Sequence[RenderRequest], family: Family) -> dict[str, Any]:
    """The pipeline's arguments; the generators live on the CPU so that every device starts from the same noise."""
    first = requests[0]
    arguments: dict[str, Any] = {
        "prompt": [request.prompt for request in requests],
        "num_inference_steps": first.steps,
        "width": first.width,
        "height": first.height,
        "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in requests],
        "output_type": "np",
        family.guidance: first.guidance,
    }
    if any(request.negative for request in requests):
        arguments["negative_prompt"] = [request.negative for request in requests]
        arguments |= {name: getattr(first, source) for name, source in family.negative.items()}
    accepted = inspect.signature(type(pipe).__call__).parameters
    return {name: value for name, value in arguments.items() if name in accepted}


def _callback(watch: OnLatents, request: RenderRequest) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after_step(pipe: Any, step: int, timestep: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        watch(step + 1, getattr(pipe, "num_timesteps", request.steps), kwargs["latents"])
        return kwargs

    return after_step


def _picture(pixels: Any, *, flagged: bool) -> Image.Image | EngineError:
    if flagged:
        return EngineError(
            "The picture was withheld.",
            "The base model's own safety checker took it for explicit content.",
            "Change the prompt, or use another seed.",
        )
    pixels = np.asarray(pixels)
    if not np.isfinite(pixels).all():
        return EngineError(
            "The picture came out as noise.",
            "The calculation overflowed (NaN), which happens in half precision or with an adapter far too strong.",
            "Lower the adapter's strength, or load the base model in float32.",
        )
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
