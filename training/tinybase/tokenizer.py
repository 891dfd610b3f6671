"""A CLIP tokenizer of our own: byte-level BPE learned from the captions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

LENGTH = 24  # tokens of a prompt, with start and end
START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(captions: Iterable[str], *, merges: int = 820) -> CLIPTokenizer:
    """Learn merges until every word of the captions is one token; unknown words fall apart into bytes."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + merges,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    learned = _merges(tokenizer)
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in learned)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, START, END]))}
    return CLIPTokenizer(vocab=vocabulary, merges=learned, model_max_length=LENGTH, unk_token=END, pad_token=END)


def _merges(tokenizer: Tokenizer) -> list[Any]:
    """Pairs of pieces; typed loosely, because CLIPTokenizer's annotation knows only strings."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair.split(" ", 1)) if isinstance(pair, str) else tuple(pair) for pair in merges]


def encode(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token ids, (captions, 24) int64."""
    encoded = tokenizer(captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    ids: Tensor = encoded.input_ids
    return ids
