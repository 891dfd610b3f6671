"""The sketch of one module: a small matrix Pᵀ·ΔW·Q that stands for its delta ΔW [out, in·kernel].

P and Q hold `SIDE` random ±1 vectors for each width, the same for all modules of that width whatever their names, so a
renamed or re-laid-out adapter gives the same sum. ⟨sketch(A), sketch(B)⟩ / SIDE² estimates ⟨A, B⟩ without bias (random
projection of a Kronecker product). ΔW is never formed from low-rank factors. Formulas of the kinds: lycoris-lora 4.1
and PEFT, as in `registry.artifacts.modules`.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.matching.fingerprints.errors import FingerprintError
from moderation.matching.fingerprints.tensors import Floats, TensorFile
from registry.artifacts.errors import shown

SIDE = 32
VERSION = 1
Sketch = NDArray[np.float64]
Part = tuple[str, Sketch]  # what sort of delta of which shape, and its sketch [SIDE, SIDE]
MAX_WIDTH = 4_000_000  # of a module; no layer is as wide

# Layers that some programs fuse and others store apart; the rows of the fused one are cut as the others have them.
_FUSED = re.compile(r"(^|_)(to_)?(qkv|qkv_lora\d?|in_proj)$")
_FUSED_SINGLE = re.compile(r"(^|_)single_blocks_\d+_linear1$")


@lru_cache(maxsize=32)
def directions(width: int, side: int) -> Floats:
    """[width, SIDE] of ±1; `side` 0 is for outputs and 1 for inputs. Bits of PCG64, whose stream NumPy guarantees."""
    if width > MAX_WIDTH:
        raise FingerprintError(f"A module is {width:,} wide; no layer of a model is. Upload the adapter itself.")
    words = np.random.PCG64([VERSION, width, side]).random_raw(-(-width * SIDE // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=width * SIDE)
    return (2.0 * bits - 1.0).astype(np.float32).reshape(width, SIDE)


def signs(key: bytes, count: int) -> Floats:
    """`count` random ±1, fixed by the key."""
    words = np.random.PCG64([VERSION, *key]).random_raw(-(-count // 64))
    return (2.0 * np.unpackbits(words.astype("<u8").view(np.uint8), count=count) - 1.0).astype(np.float32)


class ModuleReader:
    """The tensors of one module by slot."""

    def __init__(self, file: TensorFile, name: str, keys: dict[str, str]) -> None:
        self.file, self.name, self.keys = file, name, keys

    def __contains__(self, slot: str) -> bool:
        return slot in self.keys

    def take(self, slot: str) -> Floats:
        return self.file.read(self.keys[slot])

    def maybe(self, slot: str) -> Floats | None:
        return self.take(slot) if slot in self.keys else None

    def scale(self, rank: int) -> float:
        """alpha / rank; an alpha of 0 counts as the rank, and without any alpha the scale is 1.

        PEFT keeps alpha in a file of its own. One alpha for all modules makes no difference to a fingerprint.
        """
        alpha = self.maybe("alpha")
        value = 0.0 if alpha is None else float(alpha.reshape(-1)[0])
        return value / rank if value and rank else 1.0


def sketch_module(module: ModuleReader) -> Iterator[Part]:
    """The sketches of all that a module's tensors change."""
    for slot, sketched in _KINDS:
        if slot in module:
            yield from sketched(module)


def _shape_key(out: int, into: int) -> str:
    return f"{out}x{into}"


def _flat(array: Floats) -> Floats:
    return array.reshape(array.shape[0], -1)


def _rows(name: str, out: int, into: int) -> list[slice]:
    """The rows of each layer that the module stands for: one slice, or several for a fused layer."""
    flat = name.replace(".", "_")
    sizes = [out]
    if _FUSED.search(flat) and out % 3 == 0:
        sizes = [out // 3] * 3
    elif _FUSED_SINGLE.search(flat) and out > 3 * into:
        sizes = [into, into, into, out - 3 * into]
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _product(name: str, up: Floats, right: Sketch, into: int, scale: float) -> Iterator[Part]:
    """Parts of up [out, r] · (what gives `right` [r, SIDE] when multiplied by Q)."""
    for rows in _rows(name, up.shape[0], into):
        part = up[rows]
        yield _shape_key(len(part), into), scale * (directions(len(part), 0).T @ part).astype(np.float64) @ right


def _right(down: Floats, mid: Floats | None) -> tuple[Sketch, int]:
    """down [r, in·k] · Q, or mid [r, r, k…] · down [r, in] · Q: [r, SIDE], and the width in·k."""
    if mid is None:
        width = down.shape[1]
        return (down @ directions(width, 1)).astype(np.float64), width
    core = mid.reshape(*mid.shape[:2], -1)
    width = down.shape[1] * core.shape[2]
    q = directions(width, 1).reshape(down.shape[1], core.shape[2], SIDE)
    inner = np.tensordot(down, q, axes=(1, 0))  # [r, k, SIDE]
    return np.tensordot(core, inner, axes=((1, 2), (0, 1))).astype(np.float64), width


def _low_rank(module: ModuleReader) -> Iterator[Part]:
    up, down, mid = _flat(module.take("up")), _flat(module.take("down")), module.maybe("mid")
    scale = module.scale(down.shape[0])
    right, width = _right(down, mid)
    yield from _product(module.name, up, right, width, scale)
    if "up_bias" in module:
        yield _vector("bias", scale * module.take("up_bias"))


def _embedding_lora(module: ModuleReader) -> Iterator[Part]:
    up, down = module.take("embedding_up"), module.take("embedding_down")
    right, width = _right(np.ascontiguousarray(up.T), None)
    yield from _product(module.name, np.ascontiguousarray(down.T), right, width, module.scale(down.shape[0]))


def _hadamard(module: ModuleReader) -> Iterator[Part]:
    """(w1_a·w1_b) ∘ (w2_a·w2_b) = Σᵢ (w1_a[:, i] ∘ w2_a) · (w1_b[i] ∘ w2_b), a sum of r products of rank r."""
    w1_a, w1_b, w2_a, w2_b = (module.take(f"hada_{half}") for half in ("w1_a", "w1_b", "w2_a", "w2_b"))
    scale = module.scale(w1_b.shape[0])
    if "hada_t1" in module:
        yield from _hadamard_tucker(module, w1_a, w2_a, (w1_b, w2_b), scale)
        return
    first, second = _flat(w1_b), _flat(w2_b)
    for i in range(w1_a.shape[1]):
        right, width = _right(first[i] * second, None)
        yield from _product(module.name, w1_a[:, i : i + 1] * w2_a, right, width, scale)


def _hadamard_tucker(
    module: ModuleReader, w1_a: Floats, w2_a: Floats, inputs: tuple[Floats, Floats], scale: float
) -> Iterator[Part]:
    """The same with cores t [r, r, k…]; a-factors are [r, out], b-factors [r, in]. Formed for a few rows at a time."""
    cores = [core.reshape(*core.shape[:2], -1) for core in map(module.take, ("hada_t1", "hada_t2"))]
    spread = [np.tensordot(core, b, axes=(1, 0)) for core, b in zip(cores, inputs, strict=True)]  # [r, k, in]
    spread = [np.ascontiguousarray(each.transpose(0, 2, 1)).reshape(each.shape[0], -1) for each in spread]
    width, out = spread[0].shape[1], w1_a.shape[1]
    q, total = directions(width, 1), np.zeros((SIDE, SIDE))
    for first in range(0, out, 64):
        rows = slice(first, first + 64)
        delta = (w1_a[:, rows].T @ spread[0]) * (w2_a[:, rows].T @ spread[1])
        total += directions(out, 0)[rows].T @ (delta @ q)
    yield _shape_key(out, width), scale * total


def _kronecker(module: ModuleReader) -> Iterator[Part]:
    """w1 ⊗ w2: Σ over the blocks (i₁, o₂) of (w1ᵀ·P)[i₁, o₂] · (w2·Q)[o₂, i₁]."""
    (w1, rank1), (w2, rank2) = (_kronecker_side(module, number) for number in (1, 2))
    rank = rank2 or rank1
    scale = module.scale(rank) if rank else 1.0  # with two whole factors the scale is 1, whatever alpha says
    (o1, i1), (o2, i2) = w1.shape, w2.shape
    left = np.tensordot(w1, directions(o1 * o2, 0).reshape(o1, o2, SIDE), axes=(0, 0))  # [i1, o2, SIDE]
    right = np.tensordot(w2, directions(i1 * i2, 1).reshape(i1, i2, SIDE), axes=(1, 1))  # [o2, i1, SIDE]
    joined = left.reshape(-1, SIDE).T @ np.ascontiguousarray(right.transpose(1, 0, 2)).reshape(-1, SIDE)
    yield _shape_key(o1 * o2, i1 * i2), scale * joined.astype(np.float64)


def _kronecker_side(module: ModuleReader, number: int) -> tuple[Floats, int]:
    """One factor [out, in·k] and its rank, 0 where it is stored whole."""
    whole = module.maybe(f"lokr_w{number}")
    if whole is not None:
        return _flat(whole), 0
    a, b = module.take(f"lokr_w{number}_a"), module.take(f"lokr_w{number}_b")
    core = module.maybe(f"lokr_t{number}")
    if core is None:
        return a @ _flat(b), b.shape[0]
    made: Any = np.einsum("ijk,ip,jq->pqk", core.reshape(*core.shape[:2], -1), a, b)
    return _flat(made), b.shape[0]


def _generalized(module: ModuleReader) -> Iterator[Part]:
    """W·a1·a2 + b1·b2: the second product as it is; of the first, a1·a2, since W is not in the file."""
    a1, a2, b1, b2 = (_flat(module.take(slot)) for slot in ("a1", "a2", "b1", "b2"))
    if a1.shape[0] == b1.shape[0] == a2.shape[1] == b2.shape[1] and a1.shape[0] < a1.shape[1]:
        a1, a2, b1, b2 = a2, a1, b2, b1  # the order of early LyCORIS
    scale = module.scale(a2.shape[0])
    right, width = _right(b2, module.maybe("bm"))
    yield from _product(module.name, b1, right, width, scale)
    right, width = _right(a2, None)
    for key, sketched in _product(module.name, a1, right, width, scale):
        yield f"of-weight:{key}", sketched


def _orthogonal(module: ModuleReader) -> Iterator[Part]:
    """The skew part of the blocks, which is what turns the outputs; the base's weight is not in the file."""
    blocks = module.take("oft_blocks")
    skew = blocks - blocks.swapaxes(-1, -2)
    yield _matrix("turn", skew.reshape(-1, skew.shape[-1]))


def _difference(prefix: str, slot: str) -> Callable[[ModuleReader], Iterator[Part]]:
    def sketched(module: ModuleReader) -> Iterator[Part]:
        key = module.keys[slot]
        out, into = _two_sides(module.file.shape(key))
        q = directions(into, 1)
        projected = np.concatenate([rows @ q for rows in module.file.read_rows(key)])  # [out, SIDE]
        for layer in _rows(module.name, out, into):
            part = projected[layer]
            yield prefix + _shape_key(len(part), into), (directions(len(part), 0).T @ part).astype(np.float64)

    return sketched


def _two_sides(shape: tuple[int, ...]) -> tuple[int, int]:
    return (shape[0], int(np.prod(shape[1:]))) if shape else (1, 1)


def _changed_vector(what: str, slot: str, minus: float = 0.0) -> Callable[[ModuleReader], Iterator[Part]]:
    def sketched(module: ModuleReader) -> Iterator[Part]:
        yield _vector(what, module.take(slot) - np.float32(minus))

    return sketched


def _rescaled(module: ModuleReader) -> Iterator[Part]:
    """IA³ in LyCORIS' form, where 0 is no change."""
    if "weight" in module:
        yield _vector("rescale", module.take("weight"))


def _vector(what: str, vector: Floats) -> Part:
    return _matrix(what, vector.reshape(-1, 1))


def _matrix(what: str, matrix: Floats) -> Part:
    out, into = matrix.shape
    total = directions(out, 0).T @ (matrix @ directions(into, 1))
    return f"{what}:{_shape_key(out, into)}", total.astype(np.float64)


def sketch_embedding(vectors: Floats, name: str) -> Part:
    """The vectors [count, width] of a Textual Inversion word; raises FingerprintError for any other shape."""
    if vectors.ndim not in {1, 2}:
        raise FingerprintError(f"The tensor {shown(name)} holds no vectors of a word. Export the embedding again.")
    return _matrix("word", vectors.reshape(-1, vectors.shape[-1]))


# The slot that gives each kind away, as in the registry's table of kinds.
_KINDS: tuple[tuple[str, Callable[[ModuleReader], Iterator[Part]]], ...] = (
    ("up", _low_rank),
    ("embedding_up", _embedding_lora),
    ("hada_w1_a", _hadamard),
    ("lokr_w1", _kronecker),
    ("lokr_w1_a", _kronecker),
    ("a1", _generalized),
    ("oft_blocks", _orthogonal),
    ("diff", _difference("", "diff")),
    ("set_weight", _difference("set:", "set_weight")),
    ("diff_b", _changed_vector("bias", "diff_b")),
    ("w_norm", _changed_vector("norm", "w_norm")),
    ("b_norm", _changed_vector("bias", "b_norm")),
    ("on_input", _rescaled),
    ("ia3_l", _changed_vector("rescale", "ia3_l", 1.0)),
)
