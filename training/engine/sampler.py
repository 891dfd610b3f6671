"""Which pictures make a step: bucketed, shuffled, and a function of the seed and the position alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from training.engine.chance import shuffled


@dataclass(frozen=True)
class Position:
    """Where a run stands in its pictures: this batch of this epoch comes next."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Slot:
    """One picture in a step; `place` counts through the whole step, whatever the micro-batches are."""

    index: int
    place: int


Batch = tuple[Slot, ...]


class Sampler:
    """Epochs of batches, each of one bucket; a bucket's last batch may be short.

    Every picture comes `repeats` times in an epoch. Class pictures (`prior`) come as often as all others together, in
    turn, however few or many there are.
    """

    def __init__(
        self, buckets: Sequence[Hashable], repeats: Sequence[int], prior: Sequence[bool], *, batch: int, seed: int
    ) -> None:
        self._buckets, self._batch, self._seed = buckets, batch, seed
        self._own = [index for index, times in enumerate(repeats) if not prior[index] for _ in range(times)]
        self._prior = [index for index, times in enumerate(repeats) if prior[index] for _ in range(times)]
        self._epochs: dict[int, list[tuple[int, ...]]] = {}

    def step(self, position: Position, batches: int) -> tuple[tuple[Batch, ...], Position]:
        """The next step's batches, and the position behind them."""
        found: list[Batch] = []
        place = 0
        for _ in range(batches):
            indices, position = self._next(position)
            found.append(tuple(Slot(index, place + offset) for offset, index in enumerate(indices)))
            place += len(indices)
        return tuple(found), position

    def epoch(self, number: int) -> list[tuple[int, ...]]:
        """All batches of an epoch, in order."""
        if number not in self._epochs:
            self._epochs = {number: self._drawn(number)}  # only the epoch at work is kept
        return self._epochs[number]

    def _next(self, position: Position) -> tuple[tuple[int, ...], Position]:
        batches = self.epoch(position.epoch)
        after = Position(position.epoch, position.batch + 1)
        if after.batch >= len(batches):
            after = Position(position.epoch + 1, 0)
        return batches[position.batch], after

    def _drawn(self, number: int) -> list[tuple[int, ...]]:
        pictures = [*self._own, *self._class_pictures(number)]
        pictures = [pictures[place] for place in shuffled(len(pictures), self._seed, "epoch", number)]
        batches = [
            tuple(members[start : start + self._batch])
            for members in self._by_bucket(pictures).values()
            for start in range(0, len(members), self._batch)
        ]
        return [batches[place] for place in shuffled(len(batches), self._seed, "batches", number)]

    def _class_pictures(self, number: int) -> list[int]:
        """The next stretch of an endless row of class pictures, each turn of it shuffled anew."""
        count, few = len(self._own), len(self._prior)
        if not few:
            return []
        wanted = range(number * count, (number + 1) * count)
        turns = {turn: shuffled(few, self._seed, "prior", turn) for turn in {place // few for place in wanted}}
        return [self._prior[turns[place // few][place % few]] for place in wanted]

    def _by_bucket(self, pictures: Sequence[int]) -> Mapping[Hashable, list[int]]:
        found: dict[Hashable, list[int]] = {}
        for index in pictures:
            found.setdefault(self._buckets[index], []).append(index)
        return found
