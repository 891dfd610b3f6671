"""Samples beside those of the base: what the adapter changes with the trigger word, and what without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.engine.watch.looks import Look, Vector, look
from training.engine.watch.records import Sample

Key = tuple[str, int, bool]  # motif, seed, with the trigger word
MARK = "{trigger}"


def motif(prompt: str, trigger: str) -> str:
    """A prompt without the trigger word: what a sample with it and one without it have in common."""
    plain = prompt.replace(MARK, " ")
    plain = plain.replace(trigger, " ") if trigger.strip() else plain
    return " ".join(plain.replace(" ,", ",").split()).strip(" ,")


@dataclass(frozen=True)
class Change:
    """What an adapter does at one step.

    `effect`: how far samples with the trigger word lie from the base's, in units of `Look.manner`.
    `leak`: the share of that change which samples without the trigger word show as well: 0 none, 1 all of it.
    `spread`: standard error of `leak` over the pairs; `pairs`: how many there are.
    """

    step: int
    effect: float
    leak: float
    spread: float
    pairs: int


@dataclass(frozen=True)
class Gallery:
    """Looks of all samples, by step and key."""

    looks: dict[int, dict[Key, Look]]

    @classmethod
    def of(cls, samples: Sequence[Sample], trigger: str) -> Gallery:
        """Look at every sample. Raises OSError for a file that is gone or no picture."""
        looks: dict[int, dict[Key, Look]] = {}
        for sample in samples:
            key = (motif(sample.prompt, trigger), sample.seed, sample.with_trigger)
            looks.setdefault(sample.step, {})[key] = look(sample.path)
        return cls(looks)

    @property
    def base(self) -> dict[Key, Look]:
        """The base's own."""
        return self.looks.get(0, {})

    @property
    def steps(self) -> list[int]:
        """Steps with samples of the adapter."""
        return sorted(step for step in self.looks if step > 0)

    def change(self, step: int) -> Change | None:
        """What the adapter does at a step; None where no sample has a counterpart of the base."""
        now, base = self.looks[step], self.base
        called = {key: now[key].manner - base[key].manner for key in now if key[2] and key in base}
        if not called:
            return None
        effect = float(np.mean([np.linalg.norm(change) for change in called.values()]))
        uncalled = {key: now[key].manner - base[key].manner for key in now if not key[2] and key in base}
        both = _compared(called, uncalled)
        leak, spread = _share(both)
        return Change(step, effect, leak, spread, len(both))


def _compared(called: Mapping[Key, Vector], uncalled: Mapping[Key, Vector]) -> list[tuple[Vector, Vector]]:
    """Changes without the trigger word beside changes with it.

    A recipe's own prompts without the word are the better question: a prompt that the word was taken out of may name
    nothing at all any more, and what a base draws then means little. They have no twin, so that they are held against
    the mean change. Only where there are none, every prompt is held against its twin.
    """
    twins = {key: (key[0], key[1], True) for key in uncalled}
    typical: Vector = np.mean(list(called.values()), axis=0)
    own = [(uncalled[key], typical) for key, twin in twins.items() if twin not in called]
    return own or [(uncalled[key], called[twin]) for key, twin in twins.items()]


def _share(both: Sequence[tuple[Vector, Vector]]) -> tuple[float, float]:
    """How much of the changes `d` the changes `e` contain: Σ e·d / Σ d·d, a regression through zero.

    The standard error comes from leaving out one pair at a time (jackknife).
    """
    shared = np.array([float(without @ with_it) for without, with_it in both])
    whole = np.array([float(with_it @ with_it) for _, with_it in both])
    if not both or whole.sum() < 1e-9:
        return 0.0, 0.0
    leak = float(shared.sum() / whole.sum())
    if len(both) == 1:
        return leak, 0.0
    left = (shared.sum() - shared) / np.maximum(whole.sum() - whole, 1e-9)
    count = len(both)
    return leak, float(np.sqrt((count - 1) / count * np.square(left - left.mean()).sum()))
