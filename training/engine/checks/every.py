"""All rules, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from training.engine.checks import adapter, data, loss, optim, run
from training.engine.checks.families import FAMILIES, FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.checks.types import wrong_types
from training.engine.config import TrainConfig

Rule = Callable[[TrainConfig, Situation, FamilyFacts], Iterator[Problem]]
RULES: tuple[Rule, ...] = (
    run.counts,
    run.trigger,
    adapter.ranks,
    adapter.convolutions,
    adapter.own_options,
    adapter.textual_inversion,
    data.sizes,
    data.batches,
    data.captions,
    data.caches,
    data.prior,
    data.looks,
    loss.weights,
    loss.timesteps,
    optim.rates,
    optim.movement,
    optim.formats,
    run.samples,
)


def problems(config: TrainConfig, around: Situation) -> tuple[Problem, ...]:
    """Everything that is wrong with a recipe, refusals first; never raises, whatever the recipe holds."""
    if wrong := tuple(wrong_types(config)):
        return wrong  # rules that compare numbers would have nothing to compare
    family = FAMILIES.get(config.family)
    if family is None:
        why = f"“{config.family[:40]}” is no family that can be trained."
        return (Problem("family", "The base family is not known.", why, f"Choose one of {', '.join(FAMILIES)}."),)
    found = [problem for rule in RULES for problem in rule(config, around, family)]
    return tuple(sorted(found, key=lambda problem: problem.severity is not Severity.REFUSED))


def refused(found: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Those that a run cannot start with."""
    return tuple(problem for problem in found if problem.severity is Severity.REFUSED)
