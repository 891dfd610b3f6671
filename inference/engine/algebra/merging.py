"""Merging several adapters into one: linear, concat, svd, ties, dare, dare-ties."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from inference.engine.algebra import combining
from inference.engine.algebra.results import Change, Made, low_rank_change, made, whole_change, with_bias
from inference.engine.algebra.spread import Spread, bias_difference, difference, low_rank, spread, targets_in_common
from inference.engine.algebra.truncation import Limit, Truncated, truncated, truncated_product
from inference.engine.errors import AdapterError, EngineError
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from inference.engine.names import Target
from inference.engine.weights import BaseWeights

Method = Literal["linear", "concat", "svd", "ties", "dare", "dare-ties"]
_SPARSE = {"ties", "dare", "dare-ties"}
_WORD = "A Textual Inversion word changes no layer; use its file beside the merged one."


@dataclass(frozen=True)
class Part:
    """One adapter, and the weight with which it goes in."""

    file: AdapterFile
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """How to merge.

    `linear` is the sum of the changes, whole unless a limit is given; `concat` the same with all factors side by side,
    exact at the sum of the ranks; `svd` the same at the limit, by the nearest matrix of that rank; `ties`, `dare` and
    `dare-ties` compute with single entries (`density` is the share of them that is kept), whole or at the limit.
    """

    method: Method = "linear"
    limit: Limit | None = None
    density: float = 0.5
    seed: int = 0
    """For DARE: the same seed gives the same file."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise _impossible(f"There is no method “{self.method}”.", f"Choose one of {', '.join(get_args(Method))}.")
        if self.method == "svd" and self.limit is None:
            raise _impossible("svd needs a rank or a retained energy.", "Give one of them.")
        if self.method == "concat" and self.limit is not None:
            raise _impossible("concat keeps all ranks.", "Use svd for a chosen rank.")
        if not 0 < self.density <= 1:
            raise _impossible(f"A density of {self.density} keeps nothing sensible.", "Give one above 0, at most 1.")


def _impossible(why: str, remedy: str) -> EngineError:
    return EngineError("The adapters cannot be merged so.", why, remedy)


def merge_adapters(parts: Sequence[Part], base: BaseWeights, recipe: Recipe, *, layout: str = "kohya") -> Made:
    """One adapter that does what the parts do together on this base model. Raises AdapterError, EngineError.

    Kinds whose effect depends on the base's weights (DoRA, IA³, OFT, GLoRA) go in as they act there at their weight.
    """
    if len(parts) < 2 or not all(math.isfinite(part.weight) for part in parts):
        raise _impossible("It takes two adapters or more, each with a finite weight.", "Choose them.")
    files = [part.file for part in parts]
    whole = targets_in_common(files, base)
    spreads = [spread(file, base, whole) for file in files]
    targets = dict.fromkeys(target for one in spreads for target in one.layers)
    changes = [_merged(target, spreads, parts, base, recipe) for target in targets]
    left_out = [(word, _WORD) for one in spreads for word in one.embeddings]
    left_out += [skipped for one in spreads for skipped in one.report.skipped]
    return made(changes, layout, base.index, _lineage(parts, recipe), left_out=left_out)


def _lineage(parts: Sequence[Part], recipe: Recipe) -> Lineage:
    parameters: dict[str, Any] = {"method": recipe.method, "weights": [part.weight for part in parts]}
    if recipe.limit is not None:
        parameters |= {"rank": recipe.limit.rank, "energy": recipe.limit.energy}
    if recipe.method in _SPARSE:
        parameters |= {"density": recipe.density, "seed": recipe.seed}
    return Lineage("merge", tuple(part.file.parent for part in parts), parameters)


def _merged(
    target: Target, spreads: Sequence[Spread], parts: Sequence[Part], base: BaseWeights, recipe: Recipe
) -> Change:
    present = [
        (one.layers[target], part.weight) for one, part in zip(spreads, parts, strict=True) if target in one.layers
    ]
    shape = base.index.shape(target)
    biases = [(bias_difference(deltas), weight) for deltas, weight in present]
    known = [(bias, weight) for bias, weight in biases if bias is not None]
    bias = _combined([bias for bias, _ in known], [weight for _, weight in known], recipe, target) if known else None
    factors = _factors([(low_rank(deltas), weight) for deltas, weight in present])
    if recipe.method not in _SPARSE and factors is not None:
        return with_bias(_of_factors(target, *factors, shape, recipe), bias)
    if recipe.method == "concat":
        raise AdapterError(
            "The adapters cannot be merged by putting their factors side by side.",
            f"On {target} one of them is no plain LoRA.",
            "Use svd with a rank, or linear.",
        )
    if recipe.method in _SPARSE:
        dense = [difference(deltas, target, base) for deltas, _ in present]
        change = _combined(dense, [weight for _, weight in present], recipe, target)
    else:
        change = sum((difference(deltas, target, base, weight) for deltas, weight in present), start=torch.zeros(shape))
    return with_bias(_of_whole(target, change, recipe.limit), bias)


def _factors(pairs: Sequence[tuple[tuple[Tensor, Tensor] | None, float]]) -> tuple[Tensor, Tensor] | None:
    ups, downs = [], []
    for pair, weight in pairs:
        if pair is None:
            return None
        ups.append(pair[0] * weight)
        downs.append(pair[1])
    return torch.cat(ups, dim=1), torch.cat(downs)


def _of_factors(target: Target, up: Tensor, down: Tensor, shape: torch.Size, recipe: Recipe) -> Change:
    if recipe.limit is not None:
        return low_rank_change(target, truncated_product(up, down, recipe.limit), shape)
    small = up.shape[1] * (up.shape[0] + down.shape[1]) < up.shape[0] * down.shape[1]
    if recipe.method == "concat" or small:
        gram = (up.mT.double() @ up.double()) * (down.double() @ down.mT.double())
        return low_rank_change(target, Truncated(up, down, 0.0, max(float(gram.sum()), 0.0) ** 0.5), shape)
    return whole_change(target, (up @ down).reshape(shape))


def _of_whole(target: Target, change: Tensor, limit: Limit | None) -> Change:
    if limit is None or change.dim() < 2:
        return whole_change(target, change)
    return low_rank_change(target, truncated(change.reshape(change.shape[0], -1), limit), change.shape)


def _combined(changes: Sequence[Tensor], weights: Sequence[float], recipe: Recipe, target: Target) -> Tensor:
    match recipe.method:
        case "ties":
            return combining.ties(changes, weights, recipe.density)
        case "dare":
            return combining.dare(changes, weights, recipe.density, layer_generator(recipe.seed, target))
        case "dare-ties":
            return combining.dare_ties(changes, weights, recipe.density, layer_generator(recipe.seed, target))
    return combining.weighted_sum(changes, weights)


def layer_generator(seed: int, target: Target) -> torch.Generator:
    """Random numbers of one layer, whatever the order in which the layers are computed."""
    digest = hashlib.sha256(f"{seed}:{target}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
