"""From the tensors of one module to its canonical delta."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from inference.engine.deltas import Magnitude, ModuleDelta
from inference.engine.errors import AdapterError
from inference.engine.factors import (
    Factor,
    Full,
    Generalized,
    Hadamard,
    Kronecker,
    LowRank,
    Orthogonal,
    Replacement,
    Rescale,
    Unchanged,
)
from inference.engine.peft_config import PeftConfig


@dataclass
class Slots:
    """The tensors of one module; taking one removes it, so that what is left over can be named."""

    name: str
    tensors: dict[str, Tensor]
    config: PeftConfig

    def take(self, slot: str) -> Tensor:
        if slot not in self.tensors:
            raise ValueError(f"it lacks {slot}")
        return self.tensors.pop(slot)

    def maybe(self, slot: str) -> Tensor | None:
        return self.tensors.pop(slot, None)

    def number(self, slot: str) -> float | None:
        tensor = self.maybe(slot)
        return None if tensor is None else float(tensor.float().reshape(-1)[0])

    def scale(self, rank: int) -> float:
        """alpha / rank; an alpha of 0 counts as the rank, and without any alpha the scale is 1."""
        alpha = self.number("alpha")
        if alpha is None:
            return self.config.scale(self.name, rank)
        return alpha / rank if alpha else 1.0


def build(name: str, tensors: Mapping[str, Tensor], config: PeftConfig) -> list[ModuleDelta]:
    """The deltas of one module; more than one where a file stores several kinds for it."""
    slots = Slots(name, dict(tensors), config)
    try:
        deltas = _build(slots)
    except (ValueError, IndexError, RuntimeError) as error:
        raise _broken(name, f"{error}.") from error
    if slots.tensors:
        raise _broken(name, f"It also has {', '.join(sorted(slots.tensors))}, which belongs to no kind known here.")
    return deltas


def _broken(name: str, why: str) -> AdapterError:
    return AdapterError(
        f"The adapter's entry for “{name}” cannot be applied exactly.",
        why[0].upper() + why[1:],
        "Export the adapter again from the trainer that made it.",
    )


def _build(slots: Slots) -> list[ModuleDelta]:
    if "reshape_weight" in slots.tensors:
        raise ValueError("it changes the shape of the layer (a Control LoRA), for which the base has no place")
    magnitude = _magnitude(slots)
    bias = slots.maybe("diff_b")
    deltas = [_delta(slots, kind, builder) for slot, kind, builder in BUILDERS if slot in slots.tensors]
    if bias is not None:
        deltas = _with_bias(slots.name, deltas, bias)
    if magnitude is not None:
        deltas = [_with_magnitude(deltas, magnitude)]
    if not deltas:
        raise ValueError(f"it holds only {', '.join(sorted(slots.tensors)) or 'a scale'}, which is not enough to act")
    return deltas


def _delta(slots: Slots, kind: str, builder: "Builder") -> ModuleDelta:
    delta = builder(slots)
    if isinstance(delta, ModuleDelta):
        return delta
    return ModuleDelta(slots.name, _conv_kind(kind, delta), delta)


def _conv_kind(kind: str, factor: Factor) -> str:
    convolution = isinstance(factor, LowRank) and (factor.mid is not None or factor.down.shape[2:].numel() > 1)
    return "locon" if convolution else kind


def _with_bias(name: str, deltas: list[ModuleDelta], bias: Tensor) -> list[ModuleDelta]:
    if not deltas:
        return [ModuleDelta(name, "full", Unchanged(), bias=bias)]
    first, *rest = deltas
    return [ModuleDelta(name, first.kind, first.factor, bias=bias, bias_factor=first.bias_factor), *rest]


def _with_magnitude(deltas: list[ModuleDelta], magnitude: Magnitude) -> ModuleDelta:
    if len(deltas) != 1 or not isinstance(deltas[0].factor, LowRank | Hadamard | Kronecker | Generalized):
        raise ValueError("its DoRA magnitude stands beside no low-rank weights")
    (delta,) = deltas
    return ModuleDelta(delta.name, "dora", delta.factor, magnitude, delta.bias)


def _magnitude(slots: Slots) -> Magnitude | None:
    lycoris, peft = slots.maybe("dora_scale"), slots.maybe("magnitude")
    if lycoris is not None:
        return Magnitude(lycoris, "lycoris")
    return None if peft is None else Magnitude(peft, "peft")


def _low_rank(slots: Slots) -> ModuleDelta | Factor:
    up, down, mid = slots.take("up"), slots.take("down"), slots.maybe("mid")
    scale = slots.scale(down.shape[0])
    factor = LowRank(up, down, mid, scale)
    bias = slots.maybe("up_bias")
    if bias is None:
        return factor
    return ModuleDelta(slots.name, "lora", factor, bias=bias.float() * scale)


def _embedding(slots: Slots) -> Factor:
    up, down = slots.take("embedding_up"), slots.take("embedding_down")
    return LowRank(down.T, up.T, None, slots.scale(down.shape[0]))


def _hadamard(slots: Slots) -> Factor:
    w1_a, w1_b, w2_a, w2_b = (slots.take(f"hada_{half}") for half in ("w1_a", "w1_b", "w2_a", "w2_b"))
    scale = slots.scale(w1_b.shape[0])
    return Hadamard(w1_a, w1_b, w2_a, w2_b, slots.maybe("hada_t1"), slots.maybe("hada_t2"), scale)


def _kronecker(slots: Slots) -> Factor:
    whole = [slots.maybe("lokr_w1"), slots.maybe("lokr_w2")]
    halves: list[Tensor | tuple[Tensor, Tensor]] = []
    rank: int | None = None
    for number, matrix in enumerate(whole, start=1):
        if matrix is not None:
            halves.append(matrix)
            continue
        a, b = slots.take(f"lokr_w{number}_a"), slots.take(f"lokr_w{number}_b")
        rank = b.shape[0]
        halves.append((a, b))
    return Kronecker(halves[0], halves[1], slots.maybe("lokr_t2"), _kronecker_scale(slots, rank))


def _kronecker_scale(slots: Slots, rank: int | None) -> float:
    if rank is not None:
        return slots.scale(rank)
    # Two whole factors: LyCORIS sets the scale to 1 whatever alpha says, PEFT keeps alpha / rank of its configuration.
    alpha = slots.number("alpha")
    return 1.0 if alpha is not None else slots.config.scale(slots.name, None)


def _generalized(slots: Slots) -> Factor:
    a1, a2, b1, b2 = (slots.take(name) for name in ("a1", "a2", "b1", "b2"))
    if a1.shape[0] == b1.shape[0] == a2.shape[1] == b2.shape[1] and a1.shape[0] < a1.shape[1]:
        # The order of early LyCORIS: W·a2·a1 + b2·b1.
        a1, a2, b1, b2 = a2, a1, b2, b1
    return Generalized(a1, a2, b1, b2, slots.maybe("bm"), slots.scale(a2.shape[0]))


def _full(slots: Slots) -> Factor:
    return Full(slots.take("diff"))


def _norm(slots: Slots) -> ModuleDelta:
    return ModuleDelta(slots.name, "norm", Full(slots.take("w_norm")), bias=slots.maybe("b_norm"))


def _norm_bias(slots: Slots) -> ModuleDelta:
    return ModuleDelta(slots.name, "norm", Unchanged(), bias=slots.take("b_norm"))


def _replacement(slots: Slots) -> Factor:
    return Replacement(slots.take("set_weight"))


def _rescale(slots: Slots) -> Factor:
    on_input = bool(slots.number("on_input"))
    slots.maybe("alpha")
    return Rescale(slots.take("weight"), on_input)


def _peft_rescale(slots: Slots) -> ModuleDelta:
    """PEFT's IA³: multiplies the outputs, bias included, or (feed-forward layers) the inputs."""
    vector = slots.take("ia3_l").float() - 1
    on_input = slots.config.is_feedforward(slots.name)
    if on_input is None:
        if vector.dim() != 2:
            raise ValueError("whether it scales inputs or outputs is written in adapter_config.json, which is missing")
        on_input = vector.shape[0] == 1
    return ModuleDelta(slots.name, "ia3", Rescale(vector, on_input), bias_factor=None if on_input else vector)


def _orthogonal(slots: Slots) -> Factor:
    blocks, alpha = slots.take("oft_blocks"), slots.number("alpha")
    return Orthogonal(blocks, slots.maybe("rescale"), 0.0 if alpha is None or math.isnan(alpha) else alpha)


def _orthogonal_delta(slots: Slots) -> ModuleDelta:
    kind = "boft" if slots.tensors["oft_blocks"].dim() == 4 else "oft"
    return ModuleDelta(slots.name, kind, _orthogonal(slots))


Builder = Callable[[Slots], ModuleDelta | Factor]

# The slot that gives each kind away; order matters only where one entry mixes kinds.
BUILDERS: list[tuple[str, str, Builder]] = [
    ("up", "lora", _low_rank),
    ("embedding_up", "lora", _embedding),
    ("hada_w1_a", "loha", _hadamard),
    ("lokr_w1", "lokr", _kronecker),
    ("lokr_w1_a", "lokr", _kronecker),
    ("a1", "glora", _generalized),
    ("diff", "full", _full),
    ("w_norm", "norm", _norm),
    ("b_norm", "norm", _norm_bias),
    ("set_weight", "full", _replacement),
    ("on_input", "ia3", _rescale),
    ("ia3_l", "ia3", _peft_rescale),
    ("oft_blocks", "oft", _orthogonal_delta),
]
