"""Textual Inversion: which tensors of a file are vectors of a new word, and for which text encoder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from registry.artifacts.keys import KEPT, split_key
from registry.artifacts.metadata import plain_word
from registry.artifacts.tensors import TensorInfo

# What a tensor's name says of its text encoder; "" where the file leaves it to the width.
ENCODERS = {
    "emb_params": "",
    "clip_l": "clip_l",
    "clip_g": "clip_g",
    "t5xxl": "t5xxl",
    "text_encoders_0": "clip_l",
    "text_encoders_1": "clip_g",
}
WIDTHS = frozenset({96, 768, 1024, 1280, 4096})
MAX_VECTORS = 512  # a word of more vectors than any prompt has room for
_STRING_TO_PARAM = re.compile(r"^string_to_param(\..*)?$")
_BUNDLED = re.compile(r"^bundle_emb\.(?P<token>[^.]+)\.(?P<name>.+)$")
_MARKS = ("<", "bundle_emb.", "string_to_param")  # without one, only the names above are a word's
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})


@dataclass(frozen=True)
class Vectors:
    """The vectors of one new word for one text encoder: [count, width]; token "" where the file does not name it."""

    token: str
    encoder: str
    count: int
    width: int


def split_embeddings(
    tensors: Mapping[str, TensorInfo], metadata: Mapping[str, str]
) -> tuple[list[Vectors], dict[str, TensorInfo]]:
    """The vectors found, and the tensors that are none."""
    if len(tensors) > 1 and not _names_words(tuple(tensors)):
        return [], dict(tensors)
    found: list[Vectors] = []
    rest: dict[str, TensorInfo] = {}
    token = plain_word(metadata.get("token", ""))
    for key, info in tensors.items():
        place = _place(key, info, token, alone=len(tensors) == 1)
        if place is None:
            rest[key] = info
        else:
            count = info.shape[0] if len(info.shape) == 2 else 1
            found.append(Vectors(*place, count, info.shape[-1]))
    return found, rest


@lru_cache(maxsize=KEPT)
def _names_words(names: tuple[str, ...]) -> bool:
    """Whether any of several tensors can be a word's, by its name."""
    together = "\n".join(names)
    return not ENCODERS.keys().isdisjoint(names) or any(mark in together for mark in _MARKS)


def _place(key: str, info: TensorInfo, token: str, *, alone: bool) -> tuple[str, str] | None:
    """(token, text encoder) where the tensor holds vectors of a word."""
    shape = info.shape
    if len(shape) not in {1, 2} or shape[-1] not in WIDTHS or info.dtype not in _FLOATS:
        return None
    if len(shape) == 2 and shape[0] > MAX_VECTORS:
        return None
    if match := _BUNDLED.match(key):
        return plain_word(match["token"]), ENCODERS.get(match["name"], "")
    if key in ENCODERS:
        return token, ENCODERS[key]
    if _STRING_TO_PARAM.match(key):
        return token, ""
    is_token = re.fullmatch(r"<[^<>]+>", key) is not None or (alone and split_key(key) is None and "." not in key)
    return (plain_word(key), "") if is_token else None
