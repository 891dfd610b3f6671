"""Whether the conflict report foresees damage that can be seen: `python -m benchmarks.conflicts`.

Adapters are put into the tiny base two at a time. For each of the two, pictures of its own captions are made with it
alone and with both, and the judge of the tiny base scores them: how well the concept shows, and how often the wanted
shape is seen. *damage* is the share that is lost of the one that loses more, the mean of the two adapters. Pairs:
starter adapters, which were trained apart; every concept with itself (the same said twice) and with its own negative
(undone); and with `--train`, a second adapter for a concept, trained from other pictures. *predicted* is the larger of
the report's overlap and the cosine's magnitude. Where the report says that a pair fights, the same is measured at the
proposed weights.

*lost* is one-sided: the share of an adapter's own concept that is gone beside the other. `covering` tries it with other
prompts, seeds and fewer steps; its rank correlation is compared with that of the overlap, over the starter pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from inference.engine import RenderRequest, applied, quiet
from inference.engine.algebra.conflicts import PairConflict, conflicts
from inference.engine.algebra.merging import Part
from inference.engine.covering import Tried, covering
from inference.engine.files import AdapterFile, read_file
from inference.engine.reading import interpret
from inference.engine.weights import LoadedWeights
from training.tinybase.concepts import CONCEPTS
from training.tinybase.pictures import BASE, load_pipeline, pictures_of
from training.tinybase.scores import concept_score, scene_score

STARTER = Path(__file__).resolve().parent.parent / "registry" / "starter" / "adapters"
LEAST = 0.6
"""Rank correlation of predicted and measured damage that counts as foreseen."""


@dataclass(frozen=True)
class Pair:
    """Two adapters with the concepts they were trained for."""

    what: str
    concepts: tuple[str, str]
    parts: tuple[Part, Part]


class Damage:
    """The judge, with what each adapter reaches alone."""

    def __init__(self, prompts: int) -> None:
        self.pipe = load_pipeline(BASE)
        self.prompts = prompts
        self._alone: dict[str, tuple[float, float]] = {}

    def __call__(self, pair: Pair, weights: Sequence[float]) -> float:
        return float(np.mean([max(0.0, *shares) for shares in self.lost(pair, weights).values()]))

    def lost(self, pair: Pair, weights: Sequence[float]) -> dict[str, tuple[float, float]]:
        """Of each concept: the share that is gone of how well it shows, and of how often its shape is seen."""
        parts = [replace(part, weight=weight) for part, weight in zip(pair.parts, weights, strict=True)]
        lost: dict[str, tuple[float, float]] = {}
        for concept, part in zip(pair.concepts, parts, strict=True):
            if part.weight > 0 and concept not in lost:
                alone, both = self.alone(concept, part.file), self._scores(concept, parts)
                lost[concept] = (1 - both[0] / alone[0], 1 - both[1] / alone[1])
        return lost

    def alone(self, concept: str, file: AdapterFile) -> tuple[float, float]:
        if file.name not in self._alone:
            self._alone[file.name] = self._scores(concept, [Part(file)])
        return self._alone[file.name]

    def _scores(self, name: str, parts: Sequence[Part]) -> tuple[float, float]:
        """How well the concept shows, and how often the wanted shape is seen."""
        concept = CONCEPTS[name]
        wanted = concept.wishes(np.random.default_rng(5), self.prompts)
        with ExitStack() as stack:
            for part in parts:
                stack.enter_context(applied(self.pipe, interpret(part.file), part.weight))
            pictures = pictures_of(self.pipe, [concept.caption(request) for request in wanted], seed=500)
        return concept_score(name, pictures, wanted), scene_score(name, pictures, wanted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--starter", type=int, default=28, help="pairs of starter adapters, spread over the overlaps")
    parser.add_argument("--constructed", type=int, default=3, help="concepts doubled and undone")
    parser.add_argument("--train", nargs="*", default=[], metavar="concept", help="train a second adapter for these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    quiet()
    judge = Damage(options.prompts)
    base = LoadedWeights(judge.pipe)
    pairs = _pairs(options.starter, options.constructed, options.train, base)
    rows = [(pair, conflicts(pair.parts, base)) for pair in pairs]
    print(f"{'pair':34} {'overlap':>7} {'cosine':>7} {'says':>9} {'damage':>7} {'proposed':>12} {'then':>6}")
    predicted, measured, saved = [], [], []
    sides: list[tuple[float, float, float]] = []  # cover, overlap, share of the concept lost
    for pair, report in rows:
        (found,) = report.pairs
        losses = judge.lost(pair, [part.weight for part in pair.parts])
        damage = float(np.mean([max(0.0, *shares) for shares in losses.values()]))
        if len(losses) == 2:
            covers = _covers(judge, pair)
            sides += [(covers[name], found.overlap, max(0.0, losses[name][0])) for name in pair.concepts]
        then = judge(pair, report.proposed) if found.fights else None
        predicted.append(_predicted(found))
        measured.append(damage)
        if then is not None:
            saved.append(damage - then)
        weights = "/".join(f"{weight:g}" for weight in report.proposed) if found.fights else ""
        after = "" if then is None else f" {then:6.2f}"
        says = f"{found.overlap:7.3f} {found.cosine:7.3f} {found.manner:>9}"
        print(f"{pair.what:34} {says} {damage:7.2f} {weights:>12}{after}", flush=True)
    return _verdict(predicted, measured, saved, sides)


def _predicted(pair: PairConflict) -> float:
    return max(pair.overlap, abs(pair.cosine))


def _covers(judge: Damage, pair: Pair) -> dict[str, float]:
    """How much of each adapter's pictures the other changes; from other prompts and noise than the judge's."""
    tried = []
    for name, part in zip(pair.concepts, pair.parts, strict=True):
        wanted = CONCEPTS[name].wishes(np.random.default_rng(11), 4)
        requests = [
            RenderRequest(CONCEPTS[name].caption(wish), seed=900 + place, steps=8, guidance=3.0, width=64, height=64)
            for place, wish in enumerate(wanted)
        ]
        tried.append(Tried(interpret(part.file), part.weight, tuple(requests)))
    found = covering(judge.pipe, tried)
    return {name: found[place, 1 - place] or 0.0 for place, name in enumerate(pair.concepts)}


def _verdict(
    predicted: list[float], measured: list[float], saved: list[float], sides: list[tuple[float, float, float]]
) -> int:
    correlation = _rank_correlation(predicted, measured)
    print(f"\nrank correlation of overlap or cosine and damage: {correlation:.2f}")
    if saved:
        print(f"damage less at the proposed weights, mean of {len(saved)} fighting pairs: {np.mean(saved):.2f}")
    cover, overlap, lost = (list(column) for column in zip(*sides, strict=True))
    by_cover, by_overlap = _rank_correlation(cover, lost), _rank_correlation(overlap, lost)
    print(f"what is lost of one concept beside another, {len(sides)} times: rank correlation with the cover", end=" ")
    print(f"{by_cover:.2f} (at least {LEAST}), with the overlap {by_overlap:.2f}")
    return 0 if by_cover >= LEAST else 1


def _rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


def _pairs(starter: int, constructed: int, train: Sequence[str], base: LoadedWeights) -> list[Pair]:
    names = [name for name in CONCEPTS if (STARTER / f"{name}.safetensors").exists() and name != "first-aid"]
    files = {name: read_file(STARTER / f"{name}.safetensors") for name in names}
    apart = [
        Pair(f"{one} + {other}", (one, other), (Part(files[one]), Part(files[other])))
        for one, other in combinations(names, 2)
    ]
    apart.sort(key=lambda pair: _predicted(conflicts(pair.parts, base).pairs[0]))
    chosen = [apart[place] for place in np.linspace(0, len(apart) - 1, min(starter, len(apart))).astype(int)]
    for name in [name for name in names if name != "vintage"][:constructed]:
        chosen.append(Pair(f"{name}, said twice", (name, name), (Part(files[name]), Part(files[name]))))
        chosen.append(Pair(f"{name}, undone", (name, name), (Part(files[name]), Part(files[name], -1.0))))
    for name in train:
        chosen.append(Pair(f"{name} + trained again", (name, name), (Part(files[name]), Part(_trained(name)))))
    return chosen


def _trained(name: str) -> AdapterFile:
    """A second adapter for the concept: other pictures, other noise, the same recipe."""
    from training.tinybase.adapters import RECIPES, train

    start = perf_counter()
    result = train(replace(RECIPES[name], seed=8, steps=150))
    print(f"trained {name} again: {perf_counter() - start:.0f} s, {result.best}", flush=True)
    return AdapterFile(result.tensors, result.facts, f"{name}-again")


if __name__ == "__main__":
    raise SystemExit(main())
