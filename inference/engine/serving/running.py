"""One run of the pipeline for several requests: samplers, prompts with their own text encoder weights, progress."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import diffusers
import torch
from PIL import Image
from torch import Tensor

from inference.engine.errors import Cancelled, EngineError
from inference.engine.families import family_of
from inference.engine.sampling import RenderRequest, render_together
from inference.engine.serving.interface import OnStep, Progress, Request
from inference.engine.serving.looks import Looks
from inference.samplers import SAMPLERS, samplers_for

Around = AbstractContextManager[object]


def alike(request: Request, pipe: Any) -> tuple[object, ...]:
    """What requests must share to be made in one run of this pipeline."""
    # FLUX makes a second pass for a negative prompt, and none without.
    second_pass = bool(family_of(pipe).negative) and bool(request.negative)
    return request.width, request.height, request.steps, request.guidance, request.sampler, second_pass


def run(
    pipe: Any,
    requests: Sequence[Request],
    *,
    text: Sequence[Callable[[], Around]],
    looks: Looks,
    on_step: OnStep | None,
    cancelled: Callable[[str], bool],
) -> list[Image.Image | EngineError]:
    """Pictures of requests that are alike. `text` puts a request's adapters on the text encoders while it is read.

    Raises Cancelled once all requests are; EngineError where none can be made.
    """

    def watch(step: int, total: int, latents: Tensor) -> None:
        if all(cancelled(request.id) for request in requests):
            raise Cancelled
        if on_step is not None:
            on_step(Progress(ids, step, total, lambda: _previews(looks, requests, latents)))

    ids = tuple(request.id for request in requests)
    with sampled(pipe, requests[0].sampler), _read_one_by_one(pipe, requests, text), torch.no_grad():
        return render_together(pipe, [_plain(request) for request in requests], watch)


def _plain(request: Request) -> RenderRequest:
    names = ("prompt", "negative", "seed", "steps", "guidance", "width", "height")
    return RenderRequest(**{name: getattr(request, name) for name in names})


def _previews(looks: Looks, requests: Sequence[Request], latents: Tensor) -> dict[str, Image.Image]:
    pictures = looks.pictures(latents, requests[0].width, requests[0].height)
    return {request.id: picture for request, picture in zip(requests, pictures, strict=True)}


@contextmanager
def sampled(pipe: Any, slug: str) -> Iterator[None]:
    """The pipeline with this sampler ("" is its own). Raises EngineError where it is not for this base model."""
    own = pipe.scheduler
    with warnings.catch_warnings():
        # diffusers hands tensors to NumPy in the way of NumPy 1; the numbers are right.
        warnings.filterwarnings("ignore", "__array", DeprecationWarning)
        try:
            if slug:
                pipe.scheduler = _scheduler(pipe, slug)
            yield
        finally:
            pipe.scheduler = own


def _scheduler(pipe: Any, slug: str) -> Any:
    sampler, able = SAMPLERS.get(slug), samplers_for(family_of(pipe).slug)
    if sampler is None or sampler not in able:
        fitting = ", ".join(one.slug for one in able)
        raise EngineError(
            f"The sampler “{slug}” cannot be used.",
            "This base model needs one of another kind." if sampler else "No sampler has this name.",
            f"Choose one of {fitting}.",
        )
    return getattr(diffusers, sampler.scheduler).from_config(pipe.scheduler.config, **sampler.options)


@contextmanager
def _read_one_by_one(pipe: Any, requests: Sequence[Request], text: Sequence[Callable[[], Around]]) -> Iterator[None]:
    """Prompts are encoded one by one, each with its own text encoder weights and words; the denoiser gets all at once.

    Reading takes a hundredth of the time of sampling, and one by one the numbers are those of a single picture: also
    where two adapters call different embeddings by the same word.
    """
    own = pipe.encode_prompt

    def encode(*args: Any, **kwargs: Any) -> Any:
        outputs = []
        for row in range(len(requests)):
            with ExitStack() as stack:
                stack.enter_context(text[row]())
                prompts = [_of_row(value, row, len(requests)) for value in args]
                named = {name: _of_row(value, row, len(requests)) for name, value in kwargs.items()}
                # SDXL reads no negative prompt otherwise than an empty one.
                none = {name: None for name, value in named.items() if name.startswith("negative") and value == ""}
                outputs.append(own(*prompts, **named | none))
        return _together(outputs)

    pipe.encode_prompt = encode
    try:
        yield
    finally:
        del pipe.encode_prompt


def _of_row(value: Any, row: int, rows: int) -> Any:
    """A row's own prompt; all else is for all."""
    if isinstance(value, list) and len(value) == rows and all(isinstance(one, str) for one in value):
        return value[row]
    return value


def _together(outputs: Sequence[Any]) -> Any:
    """The outputs of single prompts as one batch: what has rows is joined, what has none is the same for all."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(outputs)) if first.shape[0] == 1 else first
    if isinstance(first, tuple | list):
        return type(first)(_together(column) for column in zip(*outputs, strict=True))
    return first
