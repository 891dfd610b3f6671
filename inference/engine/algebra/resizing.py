"""Resizing: the nearest LoRA of a lower rank, of any kind of adapter."""

import torch

from inference.engine.algebra.results import Change, LayerResult, Made, low_rank_change, made, whole_change, with_bias
from inference.engine.algebra.spread import Spread, bias_difference, difference, low_rank, spread, targets_in_common
from inference.engine.algebra.truncation import Limit, truncated, truncated_product
from inference.engine.deltas import ModuleDelta
from inference.engine.factors import LowRank
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from inference.engine.names import LAYOUTS, Target
from inference.engine.weights import BaseWeights
from registry.artifacts.layouts import layout_of

_WORD = "A Textual Inversion word changes no layer; it has no rank."
_DORA = "The magnitudes of DoRA were kept; the error is that of the low-rank part."
_KINDS = "Layers of other kinds are a plain LoRA now: {}."


def resize(
    file: AdapterFile, base: BaseWeights, limit: Limit, *, randomised: bool = False, layout: str | None = None
) -> Made:
    """A LoRA of at most this rank on each layer, by the singular value decomposition of what the adapter changes.

    The error of each layer is the root of the sum of the squared singular values left out (Eckart–Young). Changes of
    norm layers and biases stay whole. Raises AdapterError where a kind needs weights of the base that are not there.
    """
    one = spread(file, base, targets_in_common([file], base))
    changes = [_resized(target, deltas, base, limit, randomised) for target, deltas in one.layers.items()]
    lineage = Lineage("resize", (file.parent,), {"rank": limit.rank, "energy": limit.energy, "randomised": randomised})
    left_out = [(word, _WORD) for word in one.embeddings] + one.report.skipped
    kept = {key: value for key, value in file.metadata.items() if key != "lora_adapter_metadata"}
    where = layout or _nearest_layout(file)
    return made(changes, where, base.index, lineage, metadata=kept, left_out=left_out, notes=_notes(one))


def _nearest_layout(file: AdapterFile) -> str:
    found = layout_of(tuple(file.tensors))
    return found if found in LAYOUTS else "kohya"


def _resized(
    target: Target, deltas: tuple[ModuleDelta, ...], base: BaseWeights, limit: Limit, randomised: bool
) -> Change:
    shape = base.index.shape(target)
    inner = _inside_dora(deltas)
    pair = low_rank(inner or deltas)
    if pair is not None:
        change = low_rank_change(target, truncated_product(*pair, limit), shape)
        return _with_magnitude(change, deltas[0], shape) if inner else with_bias(change, bias_difference(deltas))
    whole = difference(deltas, target, base)
    if whole.dim() < 2:
        return with_bias(whole_change(target, whole), bias_difference(deltas))
    if not bool(whole.any()):
        return with_bias(whole_change(target, whole), bias_difference(deltas))
    kept = truncated(whole.reshape(whole.shape[0], -1), limit, randomised=randomised)
    return with_bias(low_rank_change(target, kept, shape), bias_difference(deltas))


def _inside_dora(deltas: tuple[ModuleDelta, ...]) -> tuple[ModuleDelta, ...] | None:
    """The low-rank part of a DoRA, as an entry of its own."""
    (first, *others) = deltas
    if first.magnitude is None or others or not isinstance(first.factor, LowRank):
        return None
    return (ModuleDelta(first.name, "lora", first.factor),)


def _with_magnitude(change: Change, delta: ModuleDelta, shape: torch.Size) -> Change:
    assert delta.magnitude is not None
    values = delta.magnitude.values
    if delta.magnitude.style == "peft":
        values = values.reshape(shape[0], *[1] * (len(shape) - 1))
    result = change.result
    named = LayerResult(result.layer, "dora", result.rank, result.norm, result.error)
    return with_bias(Change(change.target, {**change.slots, "dora_scale": values}, named), delta.bias)


def _notes(one: Spread) -> list[str]:
    kinds = {delta.kind for deltas in one.layers.values() for delta in deltas}
    notes = [_DORA] if "dora" in kinds else []
    changed = sorted(kinds - {"lora", "locon", "dora", "norm"})
    return [*notes, _KINDS.format(", ".join(changed))] if changed else notes
