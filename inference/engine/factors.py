"""The canonical form of an adapter: for each base module, how its weight changes, as structured factors.

Formulas are those of the forward passes of lycoris-lora 4.1.3 and PEFT 0.21 (not of LyCORIS' `merge_to`, which
applies alpha/rank twice for LoHa and low-rank LoKr). All arithmetic is in float32 on the weight's device; shapes
are those of torch modules, (out, in) or (out, in, *kernel).
"""

from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor


class Factor(Protocol):
    """One way to change a weight."""

    def fits(self, shape: torch.Size) -> bool:
        """Whether it was made for a weight of this shape."""
        ...

    def shape_text(self) -> str:
        """The shape it was made for, in words for an error message."""
        ...

    def change(self, weight: Tensor) -> Tensor:
        """The full-strength difference to a float32 weight, in the weight's shape."""
        ...

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        """The weight as it is when the factor acts at this strength."""
        ...


class Additive:
    """Factors whose strength multiplies a difference: W + strength · ΔW."""

    def change(self, weight: Tensor) -> Tensor:
        raise NotImplementedError

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        return weight + self.change(weight) * strength


def _like(tensor: Tensor, weight: Tensor) -> Tensor:
    return tensor.to(device=weight.device, dtype=torch.float32)


def _flat(tensor: Tensor) -> Tensor:
    return tensor.reshape(tensor.shape[0], -1)


def _matches(shape: torch.Size, out: int, rest: int) -> bool:
    """Linear and 1×1 convolution spellings of one shape count as the same."""
    return len(shape) > 0 and shape[0] == out and prod(shape[1:]) == rest


def _tucker(core: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """(r, r, *k) core, (r, out) up, (r, in) down → (out, in, *k)."""
    return torch.einsum("i j ..., i p, j q -> p q ...", core, up, down)


@dataclass(frozen=True)
class LowRank(Additive):
    """LoRA and LoCon: scale · up @ down; with a core between them (Tucker) for convolutions."""

    up: Tensor
    down: Tensor
    mid: Tensor | None
    scale: float

    def __post_init__(self) -> None:
        inner = self.up.shape[1:2] if self.mid is None else self.mid.shape[1:2]
        if self.up.dim() < 2 or self.down.dim() < 2 or inner != self.down.shape[:1]:
            raise ValueError(f"up {list(self.up.shape)} and down {list(self.down.shape)} have different ranks")
        if self.mid is not None and self.mid.shape[0] != self.up.shape[1]:
            raise ValueError(f"up {list(self.up.shape)} does not fit the core {list(self.mid.shape)}")

    def _sides(self) -> tuple[int, int]:
        kernel = prod(self.mid.shape[2:]) if self.mid is not None else 1
        return self.up.shape[0], prod(self.down.shape[1:]) * kernel

    def fits(self, shape: torch.Size) -> bool:
        return _matches(shape, *self._sides())

    def shape_text(self) -> str:
        return "{} outputs × {} inputs".format(*self._sides())

    def change(self, weight: Tensor) -> Tensor:
        up, down = _flat(_like(self.up, weight)) * self.scale, _flat(_like(self.down, weight))
        if self.mid is None:
            return (up @ down).reshape(weight.shape)
        return _tucker(_like(self.mid, weight), up.T, down).reshape(weight.shape)


@dataclass(frozen=True)
class Hadamard(Additive):
    """LoHa: scale · (w1_a @ w1_b) ⊙ (w2_a @ w2_b), each half with a Tucker core where there is one."""

    w1_a: Tensor
    w1_b: Tensor
    w2_a: Tensor
    w2_b: Tensor
    t1: Tensor | None
    t2: Tensor | None
    scale: float

    def __post_init__(self) -> None:
        if (self.t1 is None) != (self.t2 is None):
            raise ValueError("one of the two cores hada_t1, hada_t2 is missing")

    def _sides(self) -> tuple[int, int]:
        if self.t1 is None:
            return self.w1_a.shape[0], self.w1_b.shape[1]
        return self.w1_a.shape[1], self.w1_b.shape[1] * prod(self.t1.shape[2:])

    def fits(self, shape: torch.Size) -> bool:
        return _matches(shape, *self._sides())

    def shape_text(self) -> str:
        return "{} outputs × {} inputs".format(*self._sides())

    def change(self, weight: Tensor) -> Tensor:
        first = _product(self.w1_a, self.w1_b, self.t1, weight)
        second = _product(self.w2_a, self.w2_b, self.t2, weight)
        return (first * second * self.scale).reshape(weight.shape)


def _product(a: Tensor, b: Tensor, core: Tensor | None, weight: Tensor) -> Tensor:
    a, b = _like(a, weight), _like(b, weight)
    return a @ _flat(b) if core is None else _tucker(_like(core, weight), a, b)


@dataclass(frozen=True)
class Kronecker(Additive):
    """LoKr: scale · w1 ⊗ w2, each whole or as a product of two (w2 also with a Tucker core)."""

    w1: Tensor | tuple[Tensor, Tensor]
    w2: Tensor | tuple[Tensor, Tensor]
    t2: Tensor | None
    scale: float

    def _sides(self) -> tuple[int, int]:
        out1, in1 = self.w1.shape if isinstance(self.w1, Tensor) else (self.w1[0].shape[0], self.w1[1].shape[1])
        if isinstance(self.w2, Tensor):
            out2, in2 = self.w2.shape[0], prod(self.w2.shape[1:])
        elif self.t2 is None:
            out2, in2 = self.w2[0].shape[0], prod(self.w2[1].shape[1:])
        else:
            out2, in2 = self.w2[0].shape[1], self.w2[1].shape[1] * prod(self.t2.shape[2:])
        return out1 * out2, in1 * in2

    def fits(self, shape: torch.Size) -> bool:
        return _matches(shape, *self._sides())

    def shape_text(self) -> str:
        return "{} outputs × {} inputs".format(*self._sides())

    def change(self, weight: Tensor) -> Tensor:
        first = _like(self.w1, weight) if isinstance(self.w1, Tensor) else _product(*self.w1, None, weight)
        second = _like(self.w2, weight) if isinstance(self.w2, Tensor) else _product(*self.w2, self.t2, weight)
        if weight.dim() > 2:
            # A convolution: the kernel belongs to w2 alone, so w1 is spread over it as 1×1.
            second = second.reshape(second.shape[0], -1, *weight.shape[2:])
            first = first.reshape(*first.shape, *[1] * (weight.dim() - 2))
        else:
            second = _flat(second)
        return (torch.kron(first, second.contiguous()) * self.scale).reshape(weight.shape)


@dataclass(frozen=True)
class Generalized(Additive):
    """GLoRA: scale · (W @ a1 @ a2 + b1 @ b2), the second term with a Tucker core where there is one."""

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    bm: Tensor | None
    scale: float

    def _sides(self) -> tuple[int, int]:
        kernel = prod(self.bm.shape[2:]) if self.bm is not None else 1
        return self.b1.shape[0], prod(self.b2.shape[1:]) * kernel

    def fits(self, shape: torch.Size) -> bool:
        return _matches(shape, *self._sides()) and shape[1] == self.a1.shape[0] == self.a2.shape[1]

    def shape_text(self) -> str:
        return "{} outputs × {} inputs".format(*self._sides())

    def change(self, weight: Tensor) -> Tensor:
        addend = LowRank(self.b1, self.b2, self.bm, 1.0).change(weight)
        product = _flat(_like(self.a1, weight)) @ _flat(_like(self.a2, weight))
        return (torch.einsum("o i ..., i j -> o j ...", weight, product) + addend) * self.scale


@dataclass(frozen=True)
class Full(Additive):
    """A whole difference: full fine-tunes stored as `diff`, and norm layers."""

    diff: Tensor

    def fits(self, shape: torch.Size) -> bool:
        return self.diff.dim() > 0 and _matches(shape, self.diff.shape[0], prod(self.diff.shape[1:]))

    def shape_text(self) -> str:
        return " × ".join(str(side) for side in self.diff.shape) or "a single number"

    def change(self, weight: Tensor) -> Tensor:
        return _like(self.diff, weight).reshape(weight.shape)


@dataclass(frozen=True)
class Unchanged(Additive):
    """No change to the weight: an entry that only moves the bias."""

    def fits(self, shape: torch.Size) -> bool:
        return True

    def shape_text(self) -> str:
        return "any"

    def change(self, weight: Tensor) -> Tensor:
        return torch.zeros_like(weight)


@dataclass(frozen=True)
class Replacement(Additive):
    """A weight to put in place of the base's (ComfyUI `set_weight`); at lower strength, part of the way."""

    value: Tensor

    def fits(self, shape: torch.Size) -> bool:
        return self.value.shape == shape

    def shape_text(self) -> str:
        return " × ".join(str(side) for side in self.value.shape) or "a single number"

    def change(self, weight: Tensor) -> Tensor:
        return _like(self.value, weight) - weight


@dataclass(frozen=True)
class Rescale(Additive):
    """IA³: W · (1 + strength · vector), along the outputs or the inputs."""

    vector: Tensor
    on_input: bool

    def fits(self, shape: torch.Size) -> bool:
        return len(shape) > 1 and shape[1 if self.on_input else 0] == self.vector.numel()

    def shape_text(self) -> str:
        return f"{self.vector.numel()} {'inputs' if self.on_input else 'outputs'}"

    def change(self, weight: Tensor) -> Tensor:
        sides = [1] * weight.dim()
        sides[1 if self.on_input else 0] = -1
        return weight * _like(self.vector, weight).reshape(sides)


def _rotations(blocks: Tensor, constraint: float) -> Tensor:
    """The Cayley transform of skew-symmetric blocks; `constraint` bounds their common norm where it is positive."""
    skew = blocks - blocks.transpose(-1, -2)
    norm = torch.linalg.vector_norm(skew) + 1e-8
    if 0 < constraint < float(norm):
        skew = skew * constraint / norm
    identity = torch.eye(blocks.shape[-1], device=blocks.device)
    rotations: Tensor = (identity + skew) @ torch.linalg.inv(identity - skew)
    return rotations


@dataclass(frozen=True)
class Orthogonal:
    """OFT and BOFT: rotate the outputs block by block. alpha, times the number of outputs, is the constraint."""

    blocks: Tensor
    rescale: Tensor | None
    alpha: float

    def __post_init__(self) -> None:
        if self.blocks.dim() not in (3, 4) or self.blocks.shape[-1] != self.blocks.shape[-2]:
            raise ValueError(f"oft_blocks of shape {list(self.blocks.shape)} are no square blocks")

    def _outputs(self) -> int:
        return self.blocks.shape[-3] * self.blocks.shape[-1]

    def fits(self, shape: torch.Size) -> bool:
        return len(shape) > 1 and shape[0] == self._outputs()

    def shape_text(self) -> str:
        return f"{self._outputs()} outputs"

    def change(self, weight: Tensor) -> Tensor:
        return self.changed(weight, 1.0) - weight

    def changed(self, weight: Tensor, strength: float) -> Tensor:
        rotations = _rotations(_like(self.blocks, weight), self.alpha * weight.shape[0])
        identity = torch.eye(rotations.shape[-1], device=weight.device)
        rotations = rotations * strength + (1 - strength) * identity
        rotate = _rotate_diagonal if rotations.dim() == 3 else _rotate_butterfly
        result = rotate(weight, rotations)
        if self.rescale is not None:
            result = result * _like(self.rescale, weight).reshape(-1, *[1] * (weight.dim() - 1))
        return result


def _rotate_diagonal(weight: Tensor, rotations: Tensor) -> Tensor:
    """(blocks, size, size) applied transposed, as LyCORIS and sd-scripts do."""
    grouped = weight.unflatten(0, (rotations.shape[0], rotations.shape[1]))
    return torch.einsum("k n m, k n ... -> k m ...", rotations, grouped).flatten(0, 1)


def _rotate_butterfly(weight: Tensor, rotations: Tensor) -> Tensor:
    """(stages, blocks, size, size): stage i mixes outputs that lie 2^i · size/2 apart."""
    size = rotations.shape[-1]
    for stage, rotation in enumerate(rotations):
        stride = 2**stage * (size // 2)
        weight = weight.unflatten(0, (-1, 2, stride)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, size))
        weight = torch.einsum("b i j, b j ... -> b i ...", rotation, weight)
        weight = weight.flatten(0, 1).unflatten(0, (-1, stride, 2)).transpose(1, 2).flatten(0, 2)
    return weight
