"""What a family has to answer; the loop knows nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from training.engine.buckets import Fit
from training.engine.families.processes import Process

Text = dict[str, Tensor]
"""Encoded captions, (n, …) each: `hidden`, and `pooled` where the family has it."""


class Family(Protocol):
    """One kind of base model, around a loaded pipeline."""

    slug: str
    pipe: Any
    multiple: int
    """Sides of pictures are multiples of this many pixels."""
    encoders: tuple[str, ...]
    """The text encoders, by their names in the pipeline."""
    trainable_encoders: tuple[str, ...]
    """Those that adapters change; T5 stays as it is."""

    @property
    def process(self) -> Process:
        """How noise is added, and what is predicted."""
        ...

    @property
    def denoiser(self) -> Any:
        """The UNet or transformer."""
        ...

    def encode_text(self, captions: Sequence[str]) -> Text:
        """As the pipeline itself encodes prompts, so that what is learned is what is asked for later."""
        ...

    def predict(self, noisy: Tensor, times: Tensor, text: Text, fits: Sequence[Fit]) -> Tensor:
        """The denoiser's answer in the shape of `noisy`, (n, c, h, w)."""
        ...

    def unpacked(self, latents: Tensor, width: int, height: int) -> Tensor:
        """Latents that the pipeline made, as the autoencoder wants them: (n, c, h, w)."""
        ...
