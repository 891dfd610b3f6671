"""The error of a micro-batch: everything random in it belongs to a picture's place in its step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.engine.captions import caption_at
from training.engine.chance import derived, generator
from training.engine.config import TrainConfig
from training.engine.encoding import Encoder
from training.engine.families import Family
from training.engine.families.latents import draw
from training.engine.families.processes import level
from training.engine.pictures import Picture
from training.engine.places import Place
from training.engine.sampler import Slot


@dataclass(frozen=True)
class Example:
    """One picture as it is learned once: its caption, whether mirrored, its noise level, and its further chance."""

    picture: Picture
    caption: str
    flip: bool
    level: float
    chance: Generator


@dataclass(frozen=True)
class Lessons:
    """What turns pictures into errors."""

    config: TrainConfig
    family: Family
    encoder: Encoder
    place: Place

    def example(self, picture: Picture, slot: Slot, step: int) -> Example:
        """What a picture is at its place in a step. The order of the draws is part of the format of a run."""
        chance = generator(self.config.seed, "slot", step, slot.place)
        caption = caption_at(picture.item.caption, self.config.data, self.config.trigger, chance)
        flip = float(torch.rand((), generator=chance)) < 0.5 and self.config.data.flip
        return Example(picture, caption, flip, level(self.config.loss, chance), chance)

    def errors(self, examples: Sequence[Example]) -> Tensor:
        """(n,) float32: each picture's mean squared error, unweighted, with what `weights` needs beside it."""
        return self._errors(examples)[0]

    def losses(self, examples: Sequence[Example], step: int) -> Tensor:
        """(n,) float32: each picture's weighted error, for the backward pass."""
        if self.config.adapter.dropout:
            # Dropout draws from torch's own generator, which is set anew for each micro-batch.
            torch.manual_seed(derived(self.config.seed, "dropout", step, examples[0].chance.initial_seed()))
        errors, times = self._errors(examples)
        weights = self.family.process.weights(times)
        if weights is not None:
            errors = errors * weights
        shares = [self.config.data.prior_weight if one.picture.item.is_prior else 1.0 for one in examples]
        return errors if set(shares) == {1.0} else errors * torch.tensor(shares, device=errors.device)

    def _errors(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        family, device = self.family, self.place.device
        pictures = [one.picture for one in examples]
        moments = self.encoder.moments(pictures, [one.flip for one in examples])
        shape = moments["mean"].shape[1:]
        latents = draw(family.pipe.vae, moments, self._normal(examples, shape))
        noise = self._noise(examples, shape)
        levels = torch.tensor([one.level for one in examples], device=device)
        times = family.process.times(levels)
        text = self.encoder.text([one.caption for one in examples])
        noisy = family.process.noisy(latents, noise, times).to(self.place.dtype)
        with self.place.autocast():
            answer = family.predict(noisy, times, text, [one.fit for one in pictures])
        target = family.process.target(latents, noise, times)
        return (answer.float() - target).square().flatten(1).mean(1), times

    def _noise(self, examples: Sequence[Example], shape: torch.Size) -> Tensor:
        """Standard normal noise, with an offset common to a channel where the recipe has one (N. Guttenberg 2023)."""
        noise = self._normal(examples, shape)
        offset = self.config.loss.noise_offset
        return noise + offset * self._normal(examples, torch.Size((shape[0], 1, 1))) if offset else noise

    def _normal(self, examples: Sequence[Example], shape: torch.Size) -> Tensor:
        drawn = [torch.randn(shape, generator=one.chance) for one in examples]
        return torch.stack(drawn).to(self.place.device)
