"""An adapter from the difference of two checkpoints of one architecture, layer by layer."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.algebra.results import Change, Made, low_rank_change, made, whole_change, with_bias
from inference.engine.algebra.truncation import Limit, truncated
from inference.engine.checkpoints.checkpoint import Checkpoint, Slot
from inference.engine.files import sha256_of
from inference.engine.lineage import Lineage, Parent
from inference.engine.names import Target

_SMALL = "The largest difference is {:.3g}, not above {:.3g}."
_VECTOR = "Its weight or bias is a vector with a difference of norm {:.3g}, which was not asked for."
_MISSING = "Only one of the checkpoints has it."
_CONVOLUTION = "Convolutions were not asked for."


@dataclass(frozen=True)
class Wanted:
    """What to extract."""

    limit: Limit
    randomised: bool = True
    """Much faster on large layers, and within a few thousandths of the best; needs `limit.rank`."""
    convolutions: bool = True
    vectors: bool = True
    """Differences of norm layers and biases, whole."""
    above: float = 0.0
    """Layers whose largest difference is not above this are left out."""
    layout: str = "kohya"


def extract(base: Checkpoint, tuned: Checkpoint, wanted: Wanted) -> Made:
    """What turns `base` into `tuned`, as a LoRA with the error of each layer; one layer in memory at a time.

    Raises EngineError where weights are quantised, AdapterError where the checkpoints are the same.
    """
    changes: list[Change] = []
    left_out: list[tuple[str, str]] = []
    for target in _targets(tuned):
        found = _layer(base, tuned, target, wanted, left_out)
        if found is not None:
            changes.append(found)
    parents = tuple(
        Parent(store.path.name, sha256_of(store.path)) for checkpoint in (base, tuned) for store in checkpoint.stores
    )
    limit = wanted.limit
    lineage = Lineage(
        "extract",
        parents,
        {"rank": limit.rank, "energy": limit.energy, "randomised": wanted.randomised, "above": wanted.above},
    )
    return made(changes, wanted.layout, base.index, lineage, left_out=left_out)


def _targets(checkpoint: Checkpoint) -> Iterator[Target]:
    seen = set()
    for slot in checkpoint.slots.values():
        for module in slot.target.modules:
            target = Target(slot.target.component, (module,))
            if target not in seen:
                seen.add(target)
                yield target


def _layer(
    base: Checkpoint, tuned: Checkpoint, target: Target, wanted: Wanted, left_out: list[tuple[str, str]]
) -> Change | None:
    weight = _difference(base, tuned, target, "weight", wanted, left_out)
    bias = _difference(base, tuned, target, "bias", wanted, left_out)
    if weight is None:
        if bias is None:
            return None
        weight = torch.zeros(base.index.shape(target))
    if weight.dim() < 2 or not bool(weight.any()):
        return with_bias(whole_change(target, weight), bias)
    if weight.dim() > 2 and not wanted.convolutions:
        left_out.append((str(target), _CONVOLUTION))
        return None
    kept = truncated(weight.reshape(weight.shape[0], -1), wanted.limit, randomised=wanted.randomised)
    return with_bias(low_rank_change(target, kept, weight.shape), bias)


def _difference(
    base: Checkpoint,
    tuned: Checkpoint,
    target: Target,
    parameter: str,
    wanted: Wanted,
    left_out: list[tuple[str, str]],
) -> Tensor | None:
    """None where there is none, or none is wanted; the latter is said."""
    module = target.modules[0]
    slots: list[Slot | None] = [side.slot(target.component, module, parameter) for side in (base, tuned)]
    if None in slots:
        if any(slots):
            left_out.append((f"{target}.{parameter}", _MISSING))
        return None
    before, after = (side.part(target.component, module, parameter) for side in (base, tuned))
    difference = after - before
    largest = float(difference.abs().max())
    if largest <= wanted.above:
        if largest:
            left_out.append((f"{target}.{parameter}", _SMALL.format(largest, wanted.above)))
        return None
    if difference.dim() < 2 and not wanted.vectors:
        left_out.append((f"{target}.{parameter}", _VECTOR.format(float(difference.norm()))))
        return None
    return difference
