"""One module of an adapter: its kind, rank and widths, proven from the shapes of its tensors.

Shapes are those of LyCORIS 4.1, PEFT and sd-scripts; `out`, `in` and `k` are the base layer's widths and kernel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import msgspec

from registry.artifacts.errors import refuse, shown

Shapes = Mapping[str, tuple[int, ...]]
_Proof = tuple[str, int | None, int | None, int | None, bool]  # of a Module, all between name and alpha


class Module(msgspec.Struct, frozen=True, gc=False):
    """What one module of the adapter is; `rank`, `into` and `out` are None where the kind does not tell them."""

    name: str
    kind: str
    rank: int | None
    into: int | None
    out: int | None
    kernel: bool
    alpha: float | None = None

    @property
    def flat(self) -> str:
        """The name with every separator as an underscore, as kohya writes it."""
        return self.name.replace(".", "_")


@dataclass(frozen=True)
class _Kind:
    """A kind by its telling slot, all slots it may use, and the function that proves its shapes."""

    name: str
    tell: str
    slots: frozenset[str]
    read: Callable[[Shapes], tuple[int | None, int | None, int | None]]


class _Mismatch(ValueError):
    """Two tensors of a module do not fit together, or one is missing."""


class _Incomplete(ValueError):
    """Tensors are left that make up no kind; it names their slots."""


def _agree(what: str, *values: int) -> int:
    if len(set(values)) != 1:
        raise _Mismatch(f"its {what} is {' in one tensor and '.join(map(str, values))} in another")
    return values[0]


def _need(shapes: Shapes, *slots: str) -> list[tuple[int, ...]]:
    if missing := [slot for slot in slots if slot not in shapes]:
        raise _Mismatch(f"it lacks {', '.join(missing)}")
    found = [shapes[slot] for slot in slots]
    if any(len(shape) < 2 for shape in found):
        raise _Mismatch("a factor is not a matrix")
    return found


def _lora(shapes: Shapes) -> tuple[int, int, int]:
    """up [out, r, …] · down [r, in, …]; with a Tucker core mid [r, r, k, k]."""
    up, down = _need(shapes, "up", "down")
    rank = _agree("rank", up[1], down[0])
    if "mid" in shapes:
        _agree("rank", rank, *shapes["mid"][:2])
    return rank, down[1], up[0]


def _embedding(shapes: Shapes) -> tuple[int, int, int]:
    down, up = _need(shapes, "embedding_down", "embedding_up")
    return _agree("rank", down[0], up[1]), down[1], up[0]


def _loha(shapes: Shapes) -> tuple[int, int | None, int]:
    """(w1_a · w1_b) ∘ (w2_a · w2_b); with cores t [r, r, k, k] the a-factors are [r, out] and the b-factors [r, in]."""
    w1a, w1b, w2a, w2b = _need(shapes, "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    if "hada_t1" in shapes or "hada_t2" in shapes:
        t1, t2 = _need(shapes, "hada_t1", "hada_t2")
        rank = _agree("rank", w1a[0], w1b[0], w2a[0], w2b[0], *t1[:2], *t2[:2])
        return rank, _agree("input width", w1b[1], w2b[1]), _agree("output width", w1a[1], w2a[1])
    rank = _agree("rank", w1a[1], w1b[0], w2a[1], w2b[0])
    return rank, _agree("input width", w1b[1], w2b[1]), _agree("output width", w1a[0], w2a[0])


def _lokr(shapes: Shapes) -> tuple[int | None, int | None, int]:
    """w1 ⊗ w2, each whole or as a · b; a Tucker core t2 [r, r, k, k] has w2_a [r, out] and w2_b [r, in]."""
    out1, in1, rank1 = _kronecker_side(shapes, "lokr_w1", "lokr_t1")
    out2, in2, rank2 = _kronecker_side(shapes, "lokr_w2", "lokr_t2")
    return rank2 or rank1, in1 * in2, out1 * out2


def _kronecker_side(shapes: Shapes, name: str, core: str) -> tuple[int, int, int | None]:
    if name in shapes:
        (whole,) = _need(shapes, name)
        return whole[0], whole[1], None
    a, b = _need(shapes, f"{name}_a", f"{name}_b")
    if core in shapes:
        return a[1], b[1], _agree("rank", a[0], b[0], *shapes[core][:2])
    return a[0], b[1], _agree("rank", a[1], b[0])


def _glora(shapes: Shapes) -> tuple[int, int, int]:
    """W·(a1·a2) + b1·b2: a1 [in, r], a2 [r, in], b1 [out, r], b2 [r, in]."""
    a1, a2, b1, b2 = _need(shapes, "a1", "a2", "b1", "b2")
    if a1[0] == b1[0] == a2[1] == b2[1] and a1[0] < a1[1]:
        a1, a2, b1, b2 = a2, a1, b2, b1  # the order of early LyCORIS: W·a2·a1 + b2·b1
    _agree("rank of b", b1[1], b2[0])
    return _agree("rank", a1[1], a2[0]), _agree("input width", a2[1], b2[1]), b1[0]


def _oft(shapes: Shapes) -> tuple[int, None, int]:
    """Square blocks: OFT [n, b, b], BOFT [m, n, b, b]; b·n is the output width."""
    blocks = shapes["oft_blocks"]
    if len(blocks) not in {3, 4}:
        raise _Mismatch(f"its blocks have {len(blocks)} dimensions")
    size = _agree("block size", blocks[-1], blocks[-2])
    return size, None, size * blocks[-3]


def _full(shapes: Shapes) -> tuple[None, int | None, int]:
    shape = next(shapes[slot] for slot in ("diff", "set_weight", "diff_b") if slot in shapes)
    return None, shape[1] if len(shape) > 1 else None, shape[0] if shape else 1


def _vector(shapes: Shapes) -> tuple[None, None, int | None]:
    slot = next(iter(sorted(shapes)))
    return None, None, prod(shapes[slot]) if shapes[slot] else None


def _ia3(shapes: Shapes) -> tuple[None, None, int | None]:
    if "weight" not in shapes and "ia3_l" not in shapes:
        raise _Mismatch("it lacks weight")
    return None, None, prod(shapes["weight" if "weight" in shapes else "ia3_l"])


_LORA = "up down mid alpha dora_scale magnitude up_bias rescale"
KINDS: tuple[_Kind, ...] = tuple(
    _Kind(name, tell, frozenset(slots.split()), read)
    for name, tell, slots, read in (
        ("lora", "up", _LORA, _lora),
        ("lora", "down", _LORA, _lora),
        ("lora", "embedding_down", "embedding_down embedding_up alpha magnitude", _embedding),
        (
            "loha",
            "hada_w1_a",
            "hada_w1_a hada_w1_b hada_w2_a hada_w2_b hada_t1 hada_t2 alpha dora_scale",
            _loha,
        ),
        *(
            (
                "lokr",
                tell,
                "lokr_w1 lokr_w1_a lokr_w1_b lokr_w2 lokr_w2_a lokr_w2_b lokr_t1 lokr_t2 alpha dora_scale",
                _lokr,
            )
            for tell in ("lokr_w1", "lokr_w1_a", "lokr_w2", "lokr_w2_a")
        ),
        ("glora", "a1", "a1 a2 b1 b2 bm alpha", _glora),
        ("oft", "oft_blocks", "oft_blocks rescale alpha", _oft),
        ("ia3", "on_input", "weight on_input", _ia3),
        ("ia3", "ia3_l", "ia3_l", _ia3),
        ("full", "diff", "diff diff_b", _full),
        ("full", "set_weight", "set_weight diff_b", _full),
        ("full", "diff_b", "diff_b", _full),
        ("norm", "w_norm", "w_norm b_norm", _vector),
        ("norm", "b_norm", "w_norm b_norm", _vector),
    )
)


def read_modules(name: str, shapes: Shapes, alpha: float | None) -> list[Module]:
    """The module's kinds (nearly always one); raises ArtifactRefused where its tensors do not make it up."""
    if "reshape_weight" in shapes:
        refuse(
            "control-lora",
            f"The module {shown(name)} changes the shape of its layer.",
            "This is a Control LoRA: it works only inside a control network, and no base model has a place for it.",
            "Upload adapters for the base model's own layers.",
        )
    try:
        proven = _prove(tuple(shapes.items()))
    except _Mismatch as error:
        refuse(
            "module-mismatch",
            f"The tensors of the module {shown(name)} do not fit together.",
            f"As {error}.",
            "Export the adapter again from the trainer that made it.",
        )
    except _Incomplete as error:
        refuse(
            "module-incomplete",
            f"The module {shown(name)} holds only {error}.",
            "Its factors are missing, so the module would do nothing or something else than was trained.",
            "Export the adapter again; the file was probably cut apart by a tool.",
        )
    return [Module(name, *proof, alpha) for proof in proven]


@lru_cache(maxsize=4096)  # a file has thousands of modules, and a few dozen sorts of them
def _prove(tensors: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[_Proof, ...]:
    """What makes up a module of these slots and shapes, under any name; raises _Mismatch or _Incomplete."""
    found: list[_Proof] = []
    left = dict(tensors)
    for kind in KINDS:
        if kind.tell in left:
            found.append(_read(kind, left))
            left = {slot: shape for slot, shape in left.items() if slot not in kind.slots}
    if left:
        raise _Incomplete(f"{', '.join(sorted(left))}{' besides' if found else ''}")
    return tuple(found)


def _read(kind: _Kind, shapes: Shapes) -> _Proof:
    try:
        rank, into, out = kind.read(shapes)
    except (_Mismatch, IndexError) as error:
        raise _Mismatch(f"{kind.name.upper()} {error}") from error
    kernel = _has_kernel(shapes)
    return _named(kind.name, shapes, kernel), rank, into, out, kernel


def _named(kind: str, shapes: Shapes, kernel: bool) -> str:
    """The kind as the field names it: DoRA by its magnitude, LoCon by its convolution, BOFT by its fourth dimension."""
    if kind == "lora" and ("dora_scale" in shapes or "magnitude" in shapes):
        return "dora"
    if kind == "lora" and kernel:
        return "locon"
    if kind == "oft" and len(shapes["oft_blocks"]) == 4:
        return "boft"
    return kind


def _has_kernel(shapes: Shapes) -> bool:
    """Whether the base layer is a convolution larger than 1×1."""
    cores = {"mid", "hada_t1", "hada_t2", "lokr_t1", "lokr_t2"}
    if cores & shapes.keys():
        return True
    return any(len(shape) >= 4 and prod(shape[2:]) > 1 for slot, shape in shapes.items() if slot != "oft_blocks")
