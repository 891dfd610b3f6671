"""Rows by a small integer key: the table that both indexes look things up in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class IndexInvalid(ValueError):
    """Arrays or files that do not make an index. The message says what does not fit."""


def mapped_array(path: Path) -> NDArray[Any]:
    """A saved array, mapped into memory and read-only; raises IndexInvalid where there is none."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as problem:
        raise IndexInvalid(f"{path.name} of the index in {path.parent} cannot be read; build it again.") from problem
    return array


def places_of(starts: NDArray[np.int64], keys: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For every place in the buckets of the keys [k]: which key asked for it [m], and the place [m]."""
    first = starts[keys]
    counts = starts[keys.astype(np.intp) + 1] - first
    asked = np.repeat(np.arange(len(keys)), counts)
    begins = np.cumsum(counts) - counts
    return asked, np.arange(len(asked)) + np.repeat(first - begins, counts)


@dataclass(frozen=True)
class Buckets:
    """starts: int64 [2^bits + 1], order: uint32 [n]; the rows with key k are order[starts[k] : starts[k + 1]]."""

    starts: NDArray[np.int64]
    order: NDArray[np.uint32]

    @classmethod
    def of(cls, keys: NDArray[Any], bits: int) -> Buckets:
        """Sort rows by their keys [n] below 2^bits."""
        starts = np.zeros((1 << bits) + 1, np.int64)
        np.cumsum(np.bincount(keys, minlength=1 << bits), out=starts[1:])
        return cls(starts, np.argsort(keys, kind="stable").astype(np.uint32))

    def rows(self, keys: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
        """For every row under one of the keys [k]: which key asked for it [m], and the row [m]."""
        asked, places = places_of(self.starts, keys)
        return asked, self.order[places]

    def fits(self, rows: int, bits: int) -> bool:
        """Whether the table is one of so many rows and key bits."""
        return self.order.shape == (rows,) and self.starts.shape == ((1 << bits) + 1,) and int(self.starts[-1]) == rows

    def save(self, folder: Path, name: str) -> None:
        """Write both arrays into the folder."""
        np.save(folder / f"{name}-starts.npy", self.starts)
        np.save(folder / f"{name}-order.npy", self.order)

    @classmethod
    def load(cls, folder: Path, name: str) -> Buckets:
        """Map both arrays into memory."""
        return cls(mapped_array(folder / f"{name}-starts.npy"), mapped_array(folder / f"{name}-order.npy"))
