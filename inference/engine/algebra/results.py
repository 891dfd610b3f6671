"""What an operation on adapters returns: the file, the error of each layer, what was left out, the lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from inference.engine.algebra.regrouping import Entry
from inference.engine.algebra.truncation import Truncated
from inference.engine.algebra.writing import layout_named, scalar, written
from inference.engine.errors import AdapterError
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from inference.engine.names import NameIndex, Target


@dataclass(frozen=True)
class LayerResult:
    """One layer of the result. Norms are Frobenius norms of the change of its weight."""

    layer: str
    kind: str
    rank: int | None
    norm: float
    """Of what was wanted."""
    error: float
    """Of the difference between that and what the file holds, before rounding to its number type."""


@dataclass(frozen=True)
class Made:
    """A new adapter."""

    file: AdapterFile
    lineage: Lineage
    layers: tuple[LayerResult, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """(what, why)"""
    notes: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """Of all layers together, as a share of the norm of what was wanted."""
        norm = sum(layer.norm**2 for layer in self.layers) ** 0.5
        error = sum(layer.error**2 for layer in self.layers) ** 0.5
        return error / norm if norm else 0.0

    @property
    def worst(self) -> LayerResult:
        """The layer with the largest error for its norm."""
        return max(self.layers, key=lambda layer: layer.error / layer.norm if layer.norm else 0.0)


@dataclass(frozen=True)
class Change:
    """The new change of one layer."""

    target: Target
    slots: Mapping[str, Tensor]
    result: LayerResult


def low_rank_change(target: Target, kept: Truncated, shape: Sequence[int]) -> Change:
    """A LoRA entry (LoCon for convolutions), with alpha equal to the rank so that the scale is 1."""
    out, *inner = shape
    rank = kept.rank
    slots = {
        "down": kept.down.reshape(rank, *inner).contiguous(),
        "up": kept.up.reshape(out, rank, *[1] * (len(inner) - 1)).contiguous(),
        "alpha": scalar(rank),
    }
    kind = "locon" if len(shape) > 2 and max(shape[2:]) > 1 else "lora"
    return Change(target, slots, LayerResult(str(target), kind, rank, kept.norm, kept.error))


def whole_change(target: Target, difference: Tensor) -> Change:
    """A full difference; of a norm layer, under the name that LyCORIS gives it."""
    slot, kind = ("w_norm", "norm") if difference.dim() == 1 else ("diff", "full")
    norm = float(difference.double().norm())
    return Change(target, {slot: difference.contiguous()}, LayerResult(str(target), kind, None, norm, 0.0))


def with_bias(change: Change, bias: Tensor | None) -> Change:
    """The change with a difference of the bias beside it."""
    if bias is None or not bool(bias.any()):
        return change
    slot = "b_norm" if "w_norm" in change.slots else "diff_b"
    return Change(change.target, {**change.slots, slot: bias}, change.result)


def made(
    changes: Sequence[Change],
    layout: str,
    index: NameIndex,
    lineage: Lineage,
    *,
    metadata: Mapping[str, str] | None = None,
    left_out: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> Made:
    """The file of these changes, with its lineage in the metadata. Raises AdapterError where nothing is left."""
    if not changes:
        raise AdapterError(
            "The result would be empty.",
            "No layer is changed by it.",
            "Choose other files, or a lower threshold.",
        )
    entries = [Entry(change.target, change.slots) for change in changes]
    kinds = frozenset(change.result.kind for change in changes)
    facts = {**(metadata or {}), **lineage.as_metadata()}
    file = written(entries, kinds, layout_named(layout), index, facts).file
    return Made(file, lineage, tuple(change.result for change in changes), tuple(left_out), tuple(notes))
