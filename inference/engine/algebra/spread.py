"""An adapter as changes of single layers of a base model, whatever layout its file had."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.engine.building import build
from inference.engine.deltas import ModuleDelta
from inference.engine.errors import AdapterError
from inference.engine.factors import Generalized, LowRank, Orthogonal, Replacement, Rescale, Unchanged
from inference.engine.files import AdapterFile
from inference.engine.names import Target
from inference.engine.peft_config import PeftConfig, read_config
from inference.engine.placing import Report, place
from inference.engine.reading import interpret
from inference.engine.rows import Uncut, cut, exchanged
from inference.engine.weights import BaseWeights
from registry.artifacts.keys import grouped


@dataclass(frozen=True)
class Spread:
    """The entries of one adapter for each single layer it changes."""

    file: AdapterFile
    layers: Mapping[Target, tuple[ModuleDelta, ...]]
    report: Report
    embeddings: tuple[str, ...] = field(default=())
    """Words of Textual Inversion; they change no layer."""


def targets_in_common(files: Sequence[AdapterFile], base: BaseWeights) -> frozenset[Target]:
    """The targets that no file cuts otherwise than another: what may stay whole when they are computed together."""
    used: dict[tuple[str, str], set[Target]] = {}
    for file in files:
        for entry in place(interpret(file), base.index)[0]:
            for module in entry.target.modules:
                used.setdefault((entry.target.component, module), set()).add(entry.target)
    several = {target for targets in used.values() if len(targets) > 1 for target in targets}
    return frozenset(target for targets in used.values() for target in targets) - several


def spread(file: AdapterFile, base: BaseWeights, whole: frozenset[Target] = frozenset()) -> Spread:
    """The adapter on the single layers of this base model; targets in `whole` stay as they are.

    Raises AdapterError as applying does.
    """
    adapter = interpret(file)
    placed, report = place(adapter, base.index)
    tensors = _tensors_by_module(file)
    config = read_config(file.metadata, file.beside)
    layers: dict[Target, list[ModuleDelta]] = {}
    done = set()
    for entry in placed:
        key = (entry.delta.name, entry.target)
        if key in done:  # several kinds under one name are built together
            continue
        done.add(key)
        fused = [other.delta for other in placed if other.delta.name == entry.delta.name]
        if entry.target in whole:
            layers.setdefault(entry.target, []).extend(fused)
            continue
        for target, deltas in _single(entry.target, fused, tensors[entry.delta.name], config, base):
            layers.setdefault(target, []).extend(deltas)
    return Spread(file, {target: tuple(deltas) for target, deltas in layers.items()}, report, adapter.tokens)


def _tensors_by_module(file: AdapterFile) -> dict[str, dict[str, Tensor]]:
    modules = grouped(tuple(file.tensors)).modules
    return {name: {slot: file.tensors[key] for slot, key in slots.items()} for name, slots in modules.items()}


def _single(
    target: Target, deltas: list[ModuleDelta], slots: Mapping[str, Tensor], config: PeftConfig, base: BaseWeights
) -> Iterator[tuple[Target, list[ModuleDelta]]]:
    if len(target.modules) == 1 and not target.swapped:
        yield target, deltas
        return
    singles = [Target(target.component, (module,)) for module in target.modules]
    try:
        parts = _parts(target, slots, base)
    except Uncut as reason:
        parts = [{"diff": rows} for rows in _computed(target, deltas, base, str(reason))]
    for single, part in zip(singles, parts, strict=True):
        yield single, build(deltas[0].name, part, config)


def _parts(target: Target, slots: Mapping[str, Tensor], base: BaseWeights) -> list[dict[str, Tensor]]:
    if target.swapped:
        return [exchanged(slots, base.index.shape(target)[0])]
    return cut(slots, _sizes(target, base))


def _sizes(target: Target, base: BaseWeights) -> list[int]:
    return [layer.weight.shape[0] for layer in base.index.layers(target)]


def _flat(tensor: Tensor) -> Tensor:
    return tensor.float().reshape(tensor.shape[0], -1)


def _computed(target: Target, deltas: list[ModuleDelta], base: BaseWeights, reason: str) -> list[Tensor]:
    """The whole difference, computed and then cut: for kinds whose factors mix the outputs."""
    if any(needs_base(delta) or delta.touches_bias for delta in deltas):
        raise _unsplit(deltas[0].name, reason)
    empty = torch.zeros(base.index.shape(target))
    change = sum((delta.factor.change(empty) for delta in deltas), start=empty)
    if target.swapped:
        return [torch.cat(tuple(reversed(change.chunk(2))))]
    return list(change.split(_sizes(target, base)))


def _unsplit(name: str, reason: str) -> AdapterError:
    return AdapterError(
        f"The entry “{name}” cannot be used here.",
        f"It is for a layer that is several layers in this base model, and {reason}.",
        "Apply this adapter as it is, or merge it into a checkpoint.",
    )


def needs_base(delta: ModuleDelta) -> bool:
    """Whether what it does depends on the weight it acts on."""
    if delta.magnitude is not None:
        return True
    return isinstance(delta.factor, Rescale | Orthogonal | Generalized | Replacement)


def difference(deltas: tuple[ModuleDelta, ...], target: Target, base: BaseWeights, strength: float = 1.0) -> Tensor:
    """What the entries add to the weight of one layer at this strength, in float32 and the weight's shape."""
    if any(needs_base(delta) for delta in deltas):
        weight = base.weight(target)
        changed = weight
        for delta in deltas:
            changed = delta.weight(changed, strength)
        return changed - weight
    empty = torch.zeros(base.index.shape(target))
    return sum((delta.factor.change(empty) for delta in deltas), start=empty) * strength


def bias_difference(deltas: tuple[ModuleDelta, ...], strength: float = 1.0) -> Tensor | None:
    """What the entries add to the bias; raises AdapterError where they multiply it."""
    if any(delta.bias_factor is not None for delta in deltas):
        raise AdapterError(
            f"The entry “{deltas[0].name}” cannot be used here.",
            "It multiplies the layer's bias, which a difference cannot express for any base model.",
            "Merge this adapter into a checkpoint instead.",
        )
    biases = [delta.bias.float().reshape(-1) for delta in deltas if delta.bias is not None]
    return torch.stack(biases).sum(0) * strength if biases else None


def low_rank(deltas: tuple[ModuleDelta, ...]) -> tuple[Tensor, Tensor] | None:
    """(up [out, r], down [r, in·k]) whose product is the whole change, or None for other kinds."""
    factors = [delta.factor for delta in deltas if not isinstance(delta.factor, Unchanged)]
    plain = all(isinstance(factor, LowRank) and factor.mid is None for factor in factors)
    if not factors or not plain or any(delta.magnitude is not None for delta in deltas):
        return None
    pairs = [(_flat(factor.up) * factor.scale, _flat(factor.down)) for factor in factors if isinstance(factor, LowRank)]
    return torch.cat([up for up, _ in pairs], dim=1), torch.cat([down for _, down in pairs])
