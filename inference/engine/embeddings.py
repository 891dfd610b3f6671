"""Textual Inversion: reading embedding files, and lending their tokens to a pipeline for a while."""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.errors import AdapterError

# Which text encoder a tensor name means; "" where the file leaves it to the width of the vectors.
_ENCODERS = {
    "emb_params": "",
    "clip_l": "text_encoder",
    "clip_g": "text_encoder_2",
    "t5xxl": "text_encoder_3",
    "text_encoders_0": "text_encoder",
    "text_encoders_1": "text_encoder_2",
}
_BUNDLED = re.compile(r"^bundle_emb\.(?P<token>[^.]+)\.(?P<name>.+)$")
_STRING_TO_PARAM = re.compile(r"^string_to_param(\..*)?$")
_WIDTHS = range(8, 16_385)


@dataclass(frozen=True)
class Embedding:
    """Vectors for one token: (count, width) for each text encoder; key "" goes where the width fits."""

    token: str
    vectors: Mapping[str, Tensor]


def read_embeddings(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], fallback: str, *, given: str | None
) -> tuple[tuple[Embedding, ...], dict[str, Tensor]]:
    """The embeddings of a file, and the tensors that are none."""
    found: dict[str, dict[str, Tensor]] = {}
    rest: dict[str, Tensor] = {}
    named = given or metadata.get("token") or fallback
    for key, tensor in tensors.items():
        place = _place(key, tensor, named, alone=len(tensors) == 1, given=given)
        if place is None:
            rest[key] = tensor
        else:
            token, encoder = place
            found.setdefault(token, {})[encoder] = tensor.reshape(-1, tensor.shape[-1])
    return tuple(Embedding(token, vectors) for token, vectors in found.items()), rest


def _place(key: str, tensor: Tensor, named: str, *, alone: bool, given: str | None) -> tuple[str, str] | None:
    """(token, text encoder) where the tensor is an embedding."""
    if tensor.dim() not in (1, 2) or tensor.shape[-1] not in _WIDTHS or not tensor.is_floating_point():
        return None
    if match := _BUNDLED.match(key):
        name = match["name"]
        return match["token"], "" if _STRING_TO_PARAM.match(name) else _ENCODERS.get(name, "")
    if _STRING_TO_PARAM.match(key):
        return named, ""
    if key in _ENCODERS:
        return named, _ENCODERS[key]
    # diffusers' learned_embeds: the tensor's name is the token.
    is_token = re.fullmatch(r"<[^<>]+>", key) is not None or (alone and "." not in key)
    return (given or key, "") if is_token else None


@contextmanager
def lent(pipe: Any, embedding: Embedding, strength: float) -> Iterator[list[str]]:
    """The token in the pipeline's tokenizers and text encoders; both are put back as they were.

    Yields the text encoders that know the token. The strength scales the vectors.
    """
    encoders = [name for name in ("text_encoder", "text_encoder_2", "text_encoder_3") if _get(pipe, name) is not None]
    plan = {name: vectors for name in encoders if (vectors := _vectors(pipe, embedding, name)) is not None}
    if not plan:
        raise _no_encoder(pipe, embedding, encoders)
    with ExitStack() as stack:
        for name, vectors in plan.items():
            stack.enter_context(_lent_to_one(pipe, name, embedding.token, vectors * strength))
        yield list(plan)


def _get(pipe: Any, name: str) -> Any:
    return getattr(pipe, name, None)


def _width(pipe: Any, encoder: str) -> int:
    return int(_get(pipe, encoder).get_input_embeddings().weight.shape[1])


def _vectors(pipe: Any, embedding: Embedding, encoder: str) -> Tensor | None:
    wanted = embedding.vectors.get(encoder)
    if wanted is None:
        anywhere = embedding.vectors.get("")
        return anywhere if anywhere is not None and anywhere.shape[1] == _width(pipe, encoder) else None
    if wanted.shape[1] != _width(pipe, encoder):
        raise _no_encoder(pipe, embedding, [encoder])
    return wanted


def _no_encoder(pipe: Any, embedding: Embedding, encoders: list[str]) -> AdapterError:
    has = ", ".join(f"{name} ({_width(pipe, name)})" for name in encoders) or "no text encoder"
    made_for = ", ".join(f"{vectors.shape[1]}" for vectors in embedding.vectors.values())
    return AdapterError(
        f"The embedding “{embedding.token}” does not fit this base model.",
        f"Its vectors have a width of {made_for}; the base model has {has}. "
        "It was probably trained for another base family.",
        "Choose the base model it was trained for.",
    )


@contextmanager
def _lent_to_one(pipe: Any, name: str, token: str, vectors: Tensor) -> Iterator[None]:
    """One text encoder: a copy of its tokenizer with the tokens, a longer embedding table, a reliable end of text."""
    tokenizer_name = name.replace("text_encoder", "tokenizer")
    tokenizer, encoder = _get(pipe, tokenizer_name), _get(pipe, name)
    table = encoder.get_input_embeddings()
    weight, count = table.weight, table.num_embeddings
    ends = _legacy_ends(encoder)
    longer, ids = _with_tokens(tokenizer, token, vectors.shape[0])
    try:
        table.weight = nn.Parameter(_longer(weight, ids, vectors), requires_grad=False)
        table.num_embeddings = table.weight.shape[0]
        for module in ends:
            module.eos_token_id = tokenizer.eos_token_id
        setattr(pipe, tokenizer_name, longer)
        yield
    finally:
        setattr(pipe, tokenizer_name, tokenizer)
        for module in ends:
            module.eos_token_id = 2
        table.num_embeddings = count
        table.weight = weight


def _with_tokens(tokenizer: Any, token: str, count: int) -> tuple[Any, list[int]]:
    """A copy that knows `token`, `token_1`, …: the names under which diffusers expands a prompt."""
    names = [token, *(f"{token}_{index}" for index in range(1, count))]
    # `add_tokens` counts known words as added, and their vectors would be overwritten.
    if not tokenizer.get_vocab().keys().isdisjoint(names):
        raise AdapterError(
            f"The word “{token}” cannot call the embedding.",
            "The base model's tokenizer knows this word already.",
            f"Name the embedding otherwise, for example “<{token}>”.",
        )
    longer = copy.deepcopy(tokenizer)
    longer.add_tokens(names)
    return longer, [int(number) for number in longer.convert_tokens_to_ids(names)]


def _longer(weight: Tensor, ids: list[int], vectors: Tensor) -> Tensor:
    with torch.no_grad():
        table = weight.new_zeros(max(weight.shape[0], max(ids) + 1), weight.shape[1])
        table[: weight.shape[0]] = weight
        table[ids] = vectors.to(table)
    return table


def _legacy_ends(encoder: Any) -> list[Any]:
    """CLIP models that look for the end of text at the highest token id, which an added token would take over."""
    return [module for module in encoder.modules() if getattr(module, "eos_token_id", None) == 2]
