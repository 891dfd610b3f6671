"""What a converted file remembers of the file it was made from: the exceptions from the rule, as small JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from inference.engine.algebra.regrouping import Ranks
from inference.engine.algebra.writing import Written
from inference.engine.errors import AdapterError
from inference.engine.files import AdapterFile, same_bits
from registry.artifacts.keys import split_key

KEY = "adapter_origin"


@dataclass(frozen=True)
class Origin:
    """By rule the way back gives nearly the file; these are the differences."""

    source: str
    """The layout of the first file."""
    layout: str
    """The layout whose rules lead back."""
    ranks: Mapping[str, Ranks] = field(default_factory=dict)
    """module name → ranks of its parts, where they were put side by side"""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """name by rule → name it had"""
    shaped: Mapping[str, tuple[str, list[int]]] = field(default_factory=dict)
    """name it had → type and shape, where the rule gives another"""
    numbers: Mapping[str, tuple[str, list[int], float]] = field(default_factory=dict)
    """name it had → a single number that stood there"""
    added: tuple[str, ...] = ()
    """names by rule that the file did not have"""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """entries that the conversion took away or changed"""
    beside: str = ""

    @classmethod
    def between(cls, file: AdapterFile, result: Written, back: Written, source: str, layout: str) -> "Origin":
        """The differences of the way back from the file. What no record can express is found by trying."""
        theirs = {key: value for key, value in file.metadata.items() if result.file.metadata.get(key) != value}
        partial = cls(source, layout, ranks=dict(result.ranks), metadata=theirs, beside=file.beside)
        return partial._with_tensors(file.tensors, back)

    def _with_tensors(self, wanted: Mapping[str, Tensor], back: Written) -> "Origin":
        renamed, shaped, numbers = {}, {}, {}
        by_rule = _Matching(back, wanted)
        for key, tensor in wanted.items():
            rule = by_rule.take(key, tensor)
            if rule is not None:
                if rule != key:
                    renamed[rule] = key
                found = back.file.tensors[rule]
                if found.shape != tensor.shape or found.dtype != tensor.dtype:
                    shaped[key] = (_type(tensor), list(tensor.shape))
            elif tensor.numel() == 1:
                numbers[key] = (_type(tensor), list(tensor.shape), float(tensor.double()))
        added = tuple(sorted(by_rule.left))
        return replace(self, renamed=renamed, shaped=shaped, numbers=numbers, added=added)

    def restored(self, back: AdapterFile, converted: AdapterFile) -> AdapterFile:
        """The first file, from what the rule gave."""
        tensors = {}
        for rule, tensor in back.tensors.items():
            if rule in self.added:
                continue
            key = self.renamed.get(rule, rule)
            if key in self.shaped:
                dtype, shape = self.shaped[key]
                tensor = tensor.reshape(shape).to(getattr(torch, dtype))
            tensors[key] = tensor
        for key, (dtype, shape, value) in self.numbers.items():
            tensors[key] = torch.tensor(value, dtype=torch.float64).to(getattr(torch, dtype)).reshape(shape)
        kept = {key: value for key, value in converted.metadata.items() if key != "lora_adapter_metadata"}
        return AdapterFile(tensors, {**kept, **self.metadata}, converted.name, beside=self.beside)

    def text(self) -> str:
        facts = {key: value for key, value in asdict(self).items() if value not in ({}, (), "")}
        return json.dumps(facts, sort_keys=True)


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


class _Matching:
    """Which tensor of the way back is which of the file: by name, else the same bits in the same role."""

    def __init__(self, back: Written, wanted: Mapping[str, Tensor]) -> None:
        self.tensors = back.file.tensors
        self.left = set(self.tensors)
        self.by_bits: dict[tuple[str, int, float], list[str]] = {}
        for key in sorted(self.left - wanted.keys()):
            self.by_bits.setdefault(self._place(key, self.tensors[key]), []).append(key)

    @staticmethod
    def _place(key: str, tensor: Tensor) -> tuple[str, int, float]:
        split = split_key(key)
        slot = split[1] if split else key
        return slot, tensor.numel(), float(tensor.double().sum())

    def take(self, key: str, tensor: Tensor) -> str | None:
        if key in self.left and _equal(self.tensors[key], tensor):
            self.left.discard(key)
            return key
        for rule in self.by_bits.get(self._place(key, tensor), []):
            if rule in self.left and _equal(self.tensors[rule], tensor):
                self.left.discard(rule)
                return rule
        return None


def _equal(found: Tensor, wanted: Tensor) -> bool:
    """The same numbers; the shape may be spelt otherwise, and a float type where it holds them as well."""
    if found.numel() != wanted.numel():
        return False
    return same_bits(found.reshape(wanted.shape).to(wanted.dtype), wanted)


def origin_of(file: AdapterFile) -> Origin:
    """The record in a file's metadata; raises AdapterError where it is damaged."""
    try:
        facts: dict[str, Any] = json.loads(file.metadata[KEY])
        facts["ranks"] = {name: tuple(ranks) for name, ranks in facts.get("ranks", {}).items()}
        facts["added"] = tuple(facts.get("added", ()))
        return Origin(**facts)
    except (ValueError, TypeError, AttributeError) as error:
        raise AdapterError(
            "The adapter's record of its first layout cannot be read.",
            f"The metadata entry {KEY} is damaged: {error}.",
            f"Remove the metadata entry {KEY}, and convert again.",
        ) from error
