"""Which adapters of a set fight, on which layers, and with what weights they would get on.

Two adapters disturb each other where both listen to the same directions of a layer's input and write to the same
directions of its output. How far they do is told from their changes alone: for changes A and B of one weight,

    inputs  = ‖A·Bᵀ‖² / (‖AᵀA‖·‖BᵀB‖)      outputs = ‖Aᵀ·B‖² / (‖A·Aᵀ‖·‖B·Bᵀ‖)

with Frobenius norms: the cosines of their Gram matrices, 0 for orthogonal spaces and 1 for the same. √(inputs·outputs)
is the `overlap`. The cosine of the changes themselves then says how they meet: near 1 they say the same twice and
overshoot, near −1 they undo each other, near 0 they write different things to the same place.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from inference.engine.algebra.merging import Part
from inference.engine.algebra.spread import Spread, bias_difference, difference, low_rank, spread, targets_in_common
from inference.engine.names import Target
from inference.engine.weights import BaseWeights

FIGHT = 0.35
"""From which overlap or cosine two adapters are said to fight: twice what any two starter adapters have, which were
trained apart. It is a rule of thumb as well; `benchmarks.conflicts` says how far it foresees damage."""
LOWEST, HIGHEST = 0.3, 0.5
"""The field's rule of thumb: two adapters that fight are used at weights of 0.3 to 0.5."""


@dataclass(frozen=True)
class LayerConflict:
    """Two adapters on one layer. Cosine and overlap have no unit."""

    layer: str
    norms: tuple[float, float]
    """Frobenius norms of both changes at their weights."""
    cosine: float
    inputs: float
    outputs: float

    @property
    def overlap(self) -> float:
        return math.sqrt(self.inputs * self.outputs)

    @property
    def energy(self) -> float:
        """How much of this layer both change: the weight with which it counts."""
        return self.norms[0] * self.norms[1]


@dataclass(frozen=True)
class PairConflict:
    """Two adapters on all the layers that both change."""

    adapters: tuple[int, int]
    """Their places in the set."""
    shared: float
    """The share of the smaller adapter's energy that lies on layers which the other changes too."""
    overlap: float
    """The mean of the layers' overlaps by their energies, times `shared`."""
    cosine: float
    layers: tuple[LayerConflict, ...]
    """The worst first."""

    @property
    def fights(self) -> bool:
        return self.overlap >= FIGHT or abs(self.cosine) >= FIGHT

    @property
    def manner(self) -> str:
        """How they meet, in one word: apart, doubling, undoing or crossing."""
        if not self.fights:
            return "apart"
        if self.cosine >= FIGHT:
            return "doubling"
        return "undoing" if self.cosine <= -FIGHT else "crossing"


@dataclass(frozen=True)
class ConflictReport:
    """A set of adapters on one base model."""

    names: tuple[str, ...]
    pairs: tuple[PairConflict, ...]
    """The worst first."""
    weights: tuple[float, ...]
    """As they were given."""
    proposed: tuple[float, ...]
    left_out: tuple[tuple[str, str], ...]
    """(adapter: entry, why)"""

    @property
    def fighting(self) -> tuple[PairConflict, ...]:
        return tuple(pair for pair in self.pairs if pair.fights)


@dataclass(frozen=True)
class _Change:
    """The change of one layer as left [out, r] · right [r, in]; of a whole matrix one of them is the identity."""

    left: Tensor
    right: Tensor

    @classmethod
    def of(cls, one: Spread, target: Target, base: BaseWeights, weight: float) -> "_Change":
        pair = low_rank(one.layers[target])
        if pair is not None:
            return cls(pair[0] * weight, pair[1])
        whole = difference(one.layers[target], target, base, weight)
        bias = bias_difference(one.layers[target], weight)
        if not bool(whole.any()) and bias is not None:
            whole = bias
        whole = whole.reshape(whole.shape[0], -1)
        out, into = whole.shape
        return cls(torch.eye(out), whole) if out <= into else cls(whole, torch.eye(into))

    @cached_property
    def left_gram(self) -> Tensor:
        return self.left.mT @ self.left

    @cached_property
    def right_gram(self) -> Tensor:
        return self.right @ self.right.mT

    @cached_property
    def own(self) -> tuple[float, float, float]:
        return self.gram(self)

    @property
    def norm(self) -> float:
        return math.sqrt(max(self.own[2], 0.0))

    def gram(self, other: "_Change") -> tuple[float, float, float]:
        """(‖A·Bᵀ‖², ‖Aᵀ·B‖², ⟨A, B⟩) without writing out a product larger than the factors."""
        inner, outer = self.left.mT @ other.left, self.right @ other.right.mT
        inputs = (self.left_gram @ outer * (outer @ other.left_gram)).sum()
        outputs = (self.right_gram @ inner * (inner @ other.right_gram)).sum()
        return float(inputs), float(outputs), float((inner * outer).sum())


def conflicts(parts: Sequence[Part], base: BaseWeights) -> ConflictReport:
    """Compare every two adapters of a set at their weights, and propose weights at which they get on.

    Raises AdapterError where one does not fit the base model.
    """
    files = [part.file for part in parts]
    whole = targets_in_common(files, base)
    spreads = [spread(file, base, whole) for file in files]
    changes = [
        {target: _Change.of(one, target, base, part.weight) for target in one.layers}
        for one, part in zip(spreads, parts, strict=True)
    ]
    pairs = [_pair(first, second, changes) for first, second in combinations(range(len(parts)), 2)]
    pairs.sort(key=lambda pair: -max(pair.overlap, abs(pair.cosine)))
    weights = tuple(part.weight for part in parts)
    left_out = [
        (f"{file.name}: {what}", why)
        for file, one in zip(files, spreads, strict=True)
        for what, why in (*one.report.skipped, *((word, "A word changes no layer.") for word in one.embeddings))
    ]
    names = tuple(file.name for file in files)
    return ConflictReport(names, tuple(pairs), weights, _proposed(weights, pairs), tuple(left_out))


def _pair(first: int, second: int, changes: Sequence[Mapping[Target, _Change]]) -> PairConflict:
    ours, theirs = changes[first], changes[second]
    layers = [_layer(target, ours[target], theirs[target]) for target in ours if target in theirs]
    layers = [layer for layer in layers if layer.energy > 0]
    layers.sort(key=lambda layer: -layer.overlap * layer.energy)
    if not layers:
        return PairConflict((first, second), 0.0, 0.0, 0.0, ())
    totals = [sum(change.norm**2 for change in side.values()) for side in (ours, theirs)]
    shared = [sum(layer.norms[side] ** 2 for layer in layers) / totals[side] for side in (0, 1)]
    energy = sum(layer.energy for layer in layers)
    overlap = sum(layer.overlap * layer.energy for layer in layers) / energy
    cosine = sum(layer.cosine * layer.energy for layer in layers) / (totals[0] * totals[1]) ** 0.5
    smaller = shared[0 if totals[0] <= totals[1] else 1]
    return PairConflict((first, second), smaller, overlap * smaller, cosine, tuple(layers))


def _layer(target: Target, ours: _Change, theirs: _Change) -> LayerConflict:
    inputs, outputs, product = ours.gram(theirs)
    own, other, norms = ours.own, theirs.own, (ours.norm, theirs.norm)
    return LayerConflict(
        str(target),
        norms,
        cosine=_share(product, norms[0] * norms[1]),
        inputs=_share(inputs, (own[0] * other[0]) ** 0.5),
        outputs=_share(outputs, (own[1] * other[1]) ** 0.5),
    )


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, -1.0), 1.0) if whole > 0 else 0.0


def _proposed(weights: Sequence[float], pairs: Sequence[PairConflict]) -> tuple[float, ...]:
    """Each weight, brought down to between 0.5 and 0.3 by the worst fight that its adapter is in.

    At the threshold it is 0.5, at full overlap 0.3; what is lower already stays. Two that say the same get 0.5 each:
    together they then say it once.
    """
    proposed = list(weights)
    for pair in pairs:
        if not pair.fights:
            continue
        strength = FIGHT if pair.manner == "doubling" else max(pair.overlap, abs(pair.cosine))
        limit = HIGHEST - (HIGHEST - LOWEST) * (strength - FIGHT) / (1 - FIGHT)
        for place in pair.adapters:
            size = min(abs(proposed[place]), limit)
            proposed[place] = size if proposed[place] >= 0 else -size
    return tuple(round(weight, 2) for weight in proposed)
