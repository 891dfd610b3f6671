"""How strongly an adapter acts: on the denoiser, on each text encoder, on each block."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from inference.engine.errors import EngineError
from inference.engine.names import Target


@dataclass(frozen=True)
class Strengths:
    """Numbers that multiply: the component's own, and that of the block (1 where none is given)."""

    denoiser: float = 1.0
    text: float | Mapping[str, float] = 1.0
    """One for all text encoders, or by name ("text_encoder_2"); those that are left out get `denoiser`'s."""
    blocks: Mapping[str, float] = field(default_factory=dict)
    """By the names of `block_of`."""

    def __post_init__(self) -> None:
        text = self.text.values() if isinstance(self.text, Mapping) else (self.text,)
        if not all(math.isfinite(value) for value in (self.denoiser, *text, *self.blocks.values())):
            raise EngineError(
                "The adapter cannot be applied at this strength.",
                "One of its weights is no finite number.",
                "Give weights such as 0.7; usual are values between −1 and 2.",
            )

    def of(self, target: Target, block: str) -> float:
        """The strength for one target, which lies in this block."""
        own = self._of_encoder(target.component) if target.component.startswith("text") else self.denoiser
        return own * self.blocks.get(block, 1.0)

    @property
    def embeddings(self) -> float:
        """The strength of Textual Inversion vectors: that of the first text encoder."""
        return self._of_encoder("text_encoder")

    def _of_encoder(self, component: str) -> float:
        return self.text.get(component, self.denoiser) if isinstance(self.text, Mapping) else self.text


def strengths_of(weight: float | Strengths, text_weight: float | None = None) -> Strengths:
    """Strengths from the one or two numbers of a prompt's `<lora:name:te:unet>`."""
    if isinstance(weight, Strengths):
        return weight
    return Strengths(weight, weight if text_weight is None else text_weight)
