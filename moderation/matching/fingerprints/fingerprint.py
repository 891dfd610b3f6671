"""The fingerprint of an adapter file, its comparison, and its form in bytes."""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from moderation.matching.fingerprints.errors import FingerprintError
from moderation.matching.fingerprints.sketch import (
    SIDE,
    VERSION,
    ModuleReader,
    Part,
    Sketch,
    signs,
    sketch_embedding,
    sketch_module,
)
from moderation.matching.fingerprints.tensors import Floats, TensorFile, opened
from registry.artifacts.embeddings import split_embeddings
from registry.artifacts.errors import shown
from registry.artifacts.keys import grouped
from registry.artifacts.modules import read_modules

LENGTH = 256
SAME = 0.95  # the same weights, perhaps converted: see the table of `benchmarks.fingerprints`
DERIVED = 0.60  # most of the weights: merged with another adapter, cut, or trained a little further
_HEAD = struct.Struct("<3sBHI")
_MAGIC = b"AFP"

__all__ = ["DERIVED", "LENGTH", "SAME", "Fingerprint", "FingerprintError", "fingerprint", "similarity"]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """A unit vector [LENGTH] in float32, from `modules` modules and embeddings; only equal versions compare."""

    version: int
    vector: Floats
    modules: int

    def to_bytes(self) -> bytes:
        """About a kilobyte, readable by `from_bytes`."""
        return _HEAD.pack(_MAGIC, self.version, len(self.vector), self.modules) + self.vector.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The fingerprint written by `to_bytes`; raises FingerprintError where it is none."""
        if len(raw) < _HEAD.size or not raw.startswith(_MAGIC):
            raise FingerprintError("These bytes are no fingerprint. Make it again from the file.")
        _, version, length, modules = _HEAD.unpack_from(raw)
        if len(raw) != _HEAD.size + 4 * length or length != LENGTH:
            raise FingerprintError("The fingerprint is cut off or of another length. Make it again from the file.")
        vector = np.frombuffer(raw, "<f4", offset=_HEAD.size).astype(np.float32)
        if not np.isfinite(vector).all() or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            raise FingerprintError("The fingerprint is damaged: it is no unit vector. Make it again from the file.")
        return cls(version, vector, modules)


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """The cosine, −1…1, an estimate of that between the deltas; raises FingerprintError for two versions.

    Its standard error is about 1/√LENGTH = 0.06 for unrelated adapters, and smaller the more alike they are. A negative
    value means the opposite effect: such an adapter is turned round by a negative strength.
    """
    if one.version != other.version:
        raise FingerprintError(
            f"Fingerprints of version {one.version} and {other.version} do not compare. Make the older one again."
        )
    return float(one.vector @ other.vector)


def fingerprint(path: Path) -> Fingerprint:
    """The fingerprint of an adapter file, read module by module.

    Raises ArtifactRefused where the file is no sound adapter, and FingerprintError where it changes nothing, holds
    unusable numbers, or has no part that a fingerprint is made of.
    """
    totals: dict[str, Sketch] = defaultdict(lambda: np.zeros((SIDE, SIDE)))
    modules = 0
    # The products are small: several threads would wait for one another, on a busy machine for many times as long.
    with threadpool_limits(1), opened(path) as file:
        for name, parts in _parts(file):
            modules += 1
            for key, sketched in _checked(name, parts):
                totals[key] += sketched
    if not modules:
        raise FingerprintError("The file holds no adapter's tensors, so there is nothing to compare it by.")
    vector = _compressed(totals)
    norm = float(np.linalg.norm(vector))
    if not norm > 0 or not np.isfinite(norm):
        raise FingerprintError(
            "The adapter changes nothing: all its deltas are zero. The training may have failed; upload a trained file."
        )
    return Fingerprint(VERSION, (vector / norm).astype(np.float32), modules)


def _checked(name: str, parts: Iterator[Part]) -> Iterator[Part]:
    """The same sketches; tensors that do not multiply are named."""
    try:
        yield from parts
    except FingerprintError:
        raise
    except (ValueError, IndexError, KeyError) as error:
        raise FingerprintError(
            f"The tensors of the module {shown(name)} do not fit together: {error}. Export the adapter again."
        ) from error


def _parts(file: TensorFile) -> Iterator[tuple[str, Iterator[Part]]]:
    """For every module and embedding of the file, its name and its sketches."""
    tensors, metadata = file.header.tensors, file.header.metadata
    _, rest = split_embeddings(tensors, metadata)
    for name in tensors.keys() - rest.keys():
        yield name, iter([sketch_embedding(file.read(name), name)])
    for name, slots in grouped(tuple(rest)).modules.items():
        read_modules(name, {slot: tensors[key].shape for slot, key in slots.items()}, None)
        yield name, sketch_module(ModuleReader(file, name, dict(slots)))


def _compressed(totals: dict[str, Sketch]) -> NDArray[np.float64]:
    """All sketches in one vector [LENGTH]: random signs, sums of every LENGTH-th value, and a rotation.

    The rotation spreads what a few tensors hold over the whole vector, so that no number is far larger than the others.
    """
    vector = np.zeros(LENGTH)
    for key, sketched in sorted(totals.items()):
        vector += (signs(key.encode(), sketched.size) * sketched.ravel()).reshape(-1, LENGTH).sum(axis=0)
    return _rotation() @ vector


@lru_cache(maxsize=1)
def _rotation() -> NDArray[np.float64]:
    """An orthogonal matrix: Hadamard's, with random signs."""
    hadamard: NDArray[np.float64] = np.ones((1, 1))
    while len(hadamard) < LENGTH:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    rotated: NDArray[np.float64] = hadamard * signs(b"rotation", LENGTH) / np.sqrt(LENGTH)
    return rotated
