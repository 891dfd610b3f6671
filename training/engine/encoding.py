"""Pictures and captions as the denoiser wants them: from the cache, or encoded at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from training.engine.bases import encoder_digest
from training.engine.cache import Cache
from training.engine.config import Kind, TrainConfig
from training.engine.families import Family, Text
from training.engine.families.latents import Moments, encode
from training.engine.jobs import Job
from training.engine.pictures import Picture, pixels_of
from training.engine.places import Place, awake, rest

Tell = Callable[[str, int, int], None]
"""Called with a phase, what is done and what there is to do; may raise to stop."""


class Encoder:
    """Latents of pictures and states of captions, on the run's device."""

    def __init__(self, job: Job, family: Family, place: Place) -> None:
        self._family, self._place = family, place
        self.trains_text = trains_text(job.config)
        self.caches_latents = job.config.data.cache_latents
        # Shuffled tags make a new caption nearly every time.
        self.caches_text = job.config.data.cache_text and not self.trains_text and not job.config.data.tag_shuffle
        self._latents, self._texts = Cache(job.cache / "latents"), Cache(job.cache / "text")
        pipe = family.pipe
        if self.caches_latents:
            self._vae_facts = ("latents", job.base.digest or encoder_digest(pipe, ["vae"]))
        if self.caches_text:
            digest = job.base.digest or encoder_digest(pipe, family.encoders)
            precision = f"{place.dtype} {place.precision} {place.device.type}"
            self._text_facts = ("text", digest, family.slug, precision)

    def prepare(self, pictures: Sequence[Picture], captions: Iterable[str], *, flips: bool, tell: Tell) -> None:
        """Fill the caches; what other runs have encoded is used as it is. Each process takes its share."""
        if self.caches_latents:
            self._each("latents", [(one, flip) for one in pictures for flip in ((False, True) if flips else (False,))],
                       self._picture, tell)  # fmt: skip
        if self.caches_text:
            self._each("text", sorted(set(captions)), self._caption, tell)
        self._place.wait()
        rest(self._place, self._resting())

    def moments(self, pictures: Sequence[Picture], flips: Sequence[bool]) -> Moments:
        """Of pictures of one bucket, (n, c, h, w) each."""
        if not self.caches_latents:
            pixels = [pixels_of(picture, flip=flip) for picture, flip in zip(pictures, flips, strict=True)]
            return encode(self._family.pipe.vae, torch.stack(pixels).to(self._place.device))
        return self._stacked([self._picture((one, flip)) for one, flip in zip(pictures, flips, strict=True)])

    def text(self, captions: Sequence[str]) -> Text:
        """Of captions, (n, …) each; with gradients where the text encoders are trained."""
        if self.caches_text:
            return self._stacked([self._caption(caption) for caption in captions])
        with nullcontext() if self.trains_text else torch.no_grad(), self._place.autocast():
            return self._family.encode_text(captions)

    def whole_pipeline(self) -> AbstractContextManager[None]:
        """The parts that rest, on the device for a while: for sample pictures."""
        return awake(self._place, self._resting())

    def _resting(self) -> list[object]:
        pipe = self._family.pipe
        encoders = [getattr(pipe, name) for name in self._family.encoders] if self.caches_text else []
        return [*([pipe.vae] if self.caches_latents else []), *encoders]

    def _each(self, phase: str, things: Sequence[object], make: Callable[..., object], tell: Tell) -> None:
        own = things[self._place.rank :: self._place.world]
        for done, thing in enumerate(own):
            tell(phase, done, len(own))
            make(thing)
        tell(phase, len(own), len(own))

    def _picture(self, one: tuple[Picture, bool]) -> Moments:
        """Each picture is encoded alone, so that what is cached does not depend on what came with it."""
        picture, flip = one
        where = picture.fit
        facts = f"{where.bucket.width}x{where.bucket.height} {where.scaled.width}x{where.scaled.height}"
        key = Cache.key(*self._vae_facts, picture.item.digest, facts, str(flip))
        entry = self._latents.get(key)
        if entry is None:
            pixels = pixels_of(picture, flip=flip)[None].to(self._place.device)
            entry = encode(self._family.pipe.vae, pixels)
            self._latents.put(key, entry)
        return entry

    def _caption(self, caption: str) -> Text:
        key = Cache.key(*self._text_facts, caption)
        entry = self._texts.get(key)
        if entry is None:
            with torch.no_grad(), self._place.autocast():
                entry = self._family.encode_text([caption])
            self._texts.put(key, entry)
        return entry

    def _stacked(self, entries: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.cat([entry[name] for entry in entries]).to(self._place.device) for name in entries[0]}


def trains_text(config: TrainConfig) -> bool:
    """Whether what a caption means changes during the run."""
    return config.adapter.text_encoders or config.adapter.kind == Kind.TEXTUAL_INVERSION
