"""A cache by least recent use under a budget of bytes and a number of places."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from inference.engine.serving.interface import Memory

T = TypeVar("T")


@dataclass
class _Entry:
    value: Any
    bytes: int
    needs: tuple[Hashable, ...]


@dataclass
class Shelf:
    """Values with their sizes. One that goes takes along those that were made from it and hold on to its memory."""

    budget: int
    """Bytes of all values together, except that what is in use stays even where it alone is larger."""
    places: int
    """How many values that were not made from others."""
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    _entries: OrderedDict[Hashable, _Entry] = field(default_factory=OrderedDict)
    _kept: set[Hashable] = field(default_factory=set)
    """In use by the run that goes on; nothing of it is given up before `release`."""

    def get(self, key: Hashable, make: Callable[[], tuple[T, int]], needs: tuple[Hashable, ...] = ()) -> T:
        """The value, made where it is not there; it stays until `release`."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += not needs
            entry = self._entries[key] = _Entry(*make(), needs)
        else:
            self.hits += not needs
        self._kept.add(key)
        for used in (*needs, key):
            self._entries.move_to_end(used)
        self._shrink()
        value: T = entry.value
        return value

    @property
    def room(self) -> int:
        """Bytes that are left of the budget."""
        return max(0, self.budget - self._bytes())

    def make_room(self, size: int) -> None:
        """Give up, as far as it may be given up, what stands in the way of so many bytes and one more value."""
        self._shrink(size, 1)

    def release(self) -> None:
        """End of a run: everything may be given up again."""
        self._kept.clear()
        self._shrink()

    def clear(self) -> None:
        self._entries.clear()
        self._kept.clear()

    def memory(self) -> Memory:
        return Memory(self.budget, self._bytes(), self._count(), self.hits, self.misses, self.evictions)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    def _bytes(self) -> int:
        return sum(entry.bytes for entry in self._entries.values())

    def _count(self) -> int:
        return sum(not entry.needs for entry in self._entries.values())

    def _shrink(self, size: int = 0, values: int = 0) -> None:
        while self._bytes() + size > self.budget or self._count() + values > self.places:
            oldest = next((key for key in self._entries if key not in self._held()), None)
            if oldest is None:
                return
            self._drop(oldest)

    def _held(self) -> set[Hashable]:
        needed = {need for key in self._kept if key in self._entries for need in self._entries[key].needs}
        return self._kept | needed

    def _drop(self, key: Hashable) -> None:
        gone = self._entries.pop(key)
        self.evictions += not gone.needs
        for other in [other for other, entry in self._entries.items() if key in entry.needs]:
            self._drop(other)
