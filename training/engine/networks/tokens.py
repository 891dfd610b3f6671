"""Textual Inversion: vectors for a word of its own, learned while every weight of the base stays as it is.

Source: Gal et al. 2022, arXiv 2208.01618.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.engine.chance import generator
from training.engine.errors import TrainingError

START_SPREAD = 0.3  # of the vocabulary's own spread; a start at the mean alone would make all vectors equal


class TokenVectors(nn.Module):
    """The vectors of one word for one text encoder, looked up beside the encoder's own table."""

    kind = "textual-inversion"

    def __init__(self, tokenizer: Any, encoder: Any, words: list[str], seed: int, component: str) -> None:
        super().__init__()
        self.words = words
        _refuse_known(tokenizer, words)
        tokenizer.add_tokens(words)
        self._ids = [int(number) for number in tokenizer.convert_tokens_to_ids(words)]
        self._table = (encoder.get_input_embeddings(),)
        self._look_up = self._table[0].forward
        for module in encoder.modules():  # old CLIP models seek the end of text at the highest id, now a new word's
            if getattr(module, "eos_token_id", None) == 2:
                module.eos_token_id = tokenizer.eos_token_id
        known = self._table[0].weight.detach().float()
        noise = torch.randn(len(words), known.shape[1], generator=generator(seed, "token", component)).to(known)
        self.vectors = nn.Parameter(known.mean(0) + START_SPREAD * known.std(0) * noise)

    def install(self) -> None:
        self._table[0].forward = self._with_vectors

    def remove(self) -> None:
        """Give the table its own look-up back."""
        del self._table[0].forward

    def _with_vectors(self, ids: Tensor) -> Tensor:
        place = torch.full_like(ids, -1)
        for number, own in enumerate(self._ids):
            place = torch.where(ids == own, number, place)
        known: Tensor = self._look_up(ids.masked_fill(place >= 0, 0))
        return torch.where((place >= 0)[..., None], self.vectors.to(known.dtype)[place.clamp(min=0)], known)


def words_of(trigger: str, vectors: int) -> list[str]:
    """`<cat>`, `<cat>_1`, …: the names under which diffusers expands a prompt."""
    return [trigger, *(f"{trigger}_{number}" for number in range(1, vectors))]


def _refuse_known(tokenizer: Any, words: list[str]) -> None:
    if not words[0]:
        raise TrainingError(
            "A Textual Inversion needs a trigger word.",
            "The recipe names none, and the word is what is learned.",
            "Choose a word such as “<my-style>”.",
            "trigger-missing",
        )
    if known := sorted(set(words) & tokenizer.get_vocab().keys()):
        raise TrainingError(
            f"The word “{known[0]}” cannot be learned.",
            "The base model's tokenizer knows it already, so its meaning would be overwritten.",
            f"Choose another trigger word, for example “<{words[0].strip('<>')}-1>”.",
            "trigger-known",
        )
