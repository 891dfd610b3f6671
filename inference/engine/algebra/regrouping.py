"""Entries of one layout's layers as entries of another's: fused layers cut, single ones put together, bits kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.errors import AdapterError
from inference.engine.names import NameIndex, Speller, Target
from inference.engine.rows import Uncut, cut, exchanged, joined, without_empty_columns

Ranks = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """The tensors of one layer (which may stand for several), by slot."""

    target: Target
    slots: Mapping[str, Tensor]
    ranks: Ranks | None = None
    """Of the parts, where low-rank parts were put side by side; 0 for a part that is not there."""


def regrouped(entries: Sequence[Entry], speller: Speller) -> Iterator[Entry]:
    """The entries for the layers of the speller's layout. Raises AdapterError where a kind cannot follow."""
    by_target = {entry.target: entry for entry in entries}
    for component in dict.fromkeys(entry.target.component for entry in entries):
        groups = list(speller.groups(component))
        same = {group for group in groups if group in by_target}
        singles: dict[str, Mapping[str, Tensor]] = {}
        for entry in entries:
            if entry.target.component == component and entry.target not in same:
                _add(singles, entry, speller.index)
        for group in groups:
            if group in same:
                yield by_target[group]
            elif any(module in singles for module in group.modules):
                yield _grouped(group, singles, speller.index)


def _add(singles: dict[str, Mapping[str, Tensor]], entry: Entry, index: NameIndex) -> None:
    for module, slots in _single(entry, index):
        if module in singles:
            raise _impossible(entry.target, "two of its entries are for one layer")
        singles[module] = slots


def _single(entry: Entry, index: NameIndex) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """The entry for each module, in the orientation it has here."""
    target = entry.target
    try:
        if target.swapped:
            yield target.modules[0], exchanged(entry.slots, index.shape(target)[0])
            return
        sizes = [layer.weight.shape[0] for layer in index.layers(target)]
        parts: Sequence[Mapping[str, Tensor]] = [entry.slots] if len(sizes) == 1 else cut(entry.slots, sizes)
    except Uncut as reason:
        raise _impossible(target, str(reason)) from reason
    start = 0
    for place, (module, part) in enumerate(zip(target.modules, parts, strict=True)):
        if entry.ranks is None:
            yield module, part
            continue
        rank = entry.ranks[place]
        if rank:
            yield module, without_empty_columns(part, (start, start + rank))
        start += rank


def _grouped(group: Target, singles: Mapping[str, Mapping[str, Tensor]], index: NameIndex) -> Entry:
    if len(group.modules) == 1:
        slots = singles[group.modules[0]]
        return Entry(group, exchanged(slots, index.shape(group)[0]) if group.swapped else slots)
    present = next(singles[module] for module in group.modules if module in singles)
    sizes = [layer.weight.shape[0] for layer in index.layers(group)]
    try:
        parts = [
            singles.get(module) or _nothing(present, rows) for module, rows in zip(group.modules, sizes, strict=True)
        ]
        slots, ranks = joined(parts)
    except Uncut as reason:
        raise _impossible(group, str(reason)) from reason
    return Entry(group, slots, ranks)


def _nothing(like: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """A low-rank part of rank 0 for a module that the adapter leaves alone."""
    if not like.keys() <= {"up", "down", "alpha"} or like["up"].dim() != 2:
        raise Uncut("it leaves a part of that layer alone, which only a plain low-rank entry can express")
    empty = {"up": like["up"].new_zeros(rows, 0), "down": like["down"][:0]}
    return {**empty, **({"alpha": torch.zeros_like(like["alpha"])} if "alpha" in like else {})}


def _impossible(target: Target, reason: str) -> AdapterError:
    return AdapterError(
        f"The entry for {target} cannot be written in this layout.",
        f"One layer here is several layers there, or the other way round, and {reason}.",
        "Use another layout, or resize the adapter to a plain LoRA first.",
    )
