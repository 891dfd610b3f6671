"""Cutting the tensors of one entry by output rows, and putting cut ones together again: nothing is computed.

A layer that one program keeps whole (`qkv`) is several layers in another. Which rows of the outputs belong to which is
all that differs, so an entry for the one becomes entries for the others by copying rows. Kinds that mix outputs cannot
be cut this way: `Uncut` says which, and why.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Slots = Mapping[str, Tensor]


class Uncut(ValueError):
    """An entry whose outputs cannot be told apart without computing them."""


_ALONG_FIRST = frozenset("up diff diff_b w_norm b_norm set_weight b1 up_bias rescale embedding_up".split())
_SHARED = frozenset("down mid alpha on_input embedding_down a1 a2 b2 bm".split())
_KRONECKER = "its Kronecker factors mix the outputs"
_MIXED = "its blocks reach over the border between two layers"


def cut(slots: Slots, sizes: Sequence[int]) -> list[dict[str, Tensor]]:
    """The entry's tensors for each stretch of output rows, one below the other; raises Uncut.

    The parts act on their rows exactly as the whole did, except that what they share is now there several times.
    """
    parts: list[dict[str, Tensor]] = [{} for _ in sizes]
    for slot, tensor in slots.items():
        for part, piece in zip(parts, _pieces(slot, tensor, slots, sizes), strict=True):
            part[slot] = piece
    return parts


def _pieces(slot: str, tensor: Tensor, slots: Slots, sizes: Sequence[int]) -> Sequence[Tensor]:
    if slot in _SHARED:
        return [tensor] * len(sizes)
    if slot in _ALONG_FIRST:
        return _split(tensor, sizes, 0)
    if slot.startswith("hada_"):
        axis = _hadamard_axis(slot, slots)
        return [tensor] * len(sizes) if axis is None else _split(tensor, sizes, axis)
    if slot.startswith("lokr_"):
        raise Uncut(_KRONECKER)
    return _SPECIAL[slot](tensor, slots, sizes)


def _hadamard_axis(slot: str, slots: Slots) -> int | None:
    """Where the outputs lie: in the a-factors, behind the rank where there is a core."""
    if not slot.endswith("_a"):
        return None
    return 1 if "hada_t1" in slots else 0


def _magnitude(tensor: Tensor, slots: Slots, sizes: Sequence[int]) -> Sequence[Tensor]:
    total = sum(sizes)
    if tensor.dim() > 1 and tensor.shape[0] == 1 and tensor.numel() != total:
        raise Uncut("its magnitude is one for each input, taken over all the outputs")
    if tensor.numel() != total:
        raise Uncut(f"its magnitude has {tensor.numel()} numbers for {total} outputs")
    axis = max(range(tensor.dim()), key=lambda side: tensor.shape[side])
    return _split(tensor, sizes, axis)


def _split(tensor: Tensor, sizes: Sequence[int], axis: int) -> list[Tensor]:
    return list(torch.split(tensor, list(sizes), dim=axis))


def _vector(tensor: Tensor, slots: Slots, sizes: Sequence[int]) -> Sequence[Tensor]:
    """IA³: along the outputs it is cut, along the inputs it is the same for all."""
    on_input = slots.get("on_input")
    if on_input is not None and bool(on_input.reshape(-1)[0]):
        return [tensor] * len(sizes)
    return _split(tensor, sizes, 0)


def _peft_vector(tensor: Tensor, slots: Slots, sizes: Sequence[int]) -> Sequence[Tensor]:
    raise Uncut("whether its vector is along the outputs stands in a configuration")


def _blocks(tensor: Tensor, slots: Slots, sizes: Sequence[int]) -> Sequence[Tensor]:
    if tensor.dim() == 4:
        raise Uncut("its butterflies mix all the outputs")
    size = tensor.shape[-1]
    if any(rows % size for rows in sizes):
        raise Uncut(_MIXED)
    alpha = slots.get("alpha")
    if alpha is not None and float(alpha.float().reshape(-1)[0]) > 0:
        raise Uncut("its constraint is on all blocks together")
    return _split(tensor, [rows // size for rows in sizes], 0)


_SPECIAL: Mapping[str, Callable[[Tensor, Slots, Sequence[int]], Sequence[Tensor]]] = {
    "dora_scale": _magnitude,
    "magnitude": _magnitude,
    "weight": _vector,
    "ia3_l": _peft_vector,
    "oft_blocks": _blocks,
}


def joined(parts: Sequence[Slots]) -> tuple[dict[str, Tensor], tuple[int, ...] | None]:
    """One entry for stretches of output rows that lie one below the other; raises Uncut.

    The reverse of `cut` where what was shared is still the same. Low-rank parts that share nothing are put side by
    side, with the ranks added and alpha with them: `down` one below the other, `up` in blocks on the diagonal; the
    second value is then the rank of each.
    """
    first = parts[0]
    if any(part.keys() != first.keys() for part in parts):
        raise Uncut("its parts hold different tensors")
    whole = {slot: _whole(slot, [part[slot] for part in parts], parts) for slot in first}
    if any(value is None for value in whole.values()):
        return _side_by_side(parts), tuple(part["down"].shape[0] for part in parts)
    return {slot: value for slot, value in whole.items() if value is not None}, None


def _whole(slot: str, tensors: Sequence[Tensor], parts: Sequence[Slots]) -> Tensor | None:
    """The tensor of the whole entry, or None where a shared one is not the same everywhere."""
    shared = slot in _SHARED or (slot.startswith("hada_") and _hadamard_axis(slot, parts[0]) is None)
    if slot == "weight" and bool(parts[0]["on_input"].reshape(-1)[0]):
        shared = True
    if shared:
        return tensors[0] if all(torch.equal(tensors[0], other) for other in tensors[1:]) else None
    if slot in {"dora_scale", "magnitude"}:
        axis = max(range(tensors[0].dim()), key=lambda side: tensors[0].shape[side])
        return torch.cat(list(tensors), dim=axis)
    along = _hadamard_axis(slot, parts[0]) if slot.startswith("hada_") else 0
    if slot.startswith("lokr_"):
        raise Uncut(_KRONECKER)
    if slot == "up" and len({tensor.shape[1:] for tensor in tensors}) > 1:
        return None  # the ranks differ, so `down` does as well
    return torch.cat(list(tensors), dim=along or 0)


def _side_by_side(parts: Sequence[Slots]) -> dict[str, Tensor]:
    if any(not part.keys() <= {"up", "down", "alpha", "diff_b", "dora_scale", "magnitude"} for part in parts):
        raise Uncut("its parts share a factor in one program and have one each in the other")
    downs, ups = [part["down"] for part in parts], [part["up"] for part in parts]
    if len({tensor.dtype for tensor in (*downs, *ups)}) > 1 or any(up.dim() != 2 for up in ups):
        raise Uncut("its parts have different types or are convolutions")
    whole = {"down": torch.cat(downs), "up": torch.block_diag(*ups)}
    if "alpha" in parts[0]:
        filled = [part for part in parts if part["down"].shape[0]]
        scales = {float(part["alpha"].double().reshape(-1)[0]) / part["down"].shape[0] for part in filled}
        if len(scales) > 1:
            raise Uncut("its parts have different scales")
        total = torch.tensor(scales.pop() * whole["down"].shape[0])
        whole["alpha"] = total.to(parts[0]["alpha"].dtype).reshape(parts[0]["alpha"].shape)
    for slot in parts[0].keys() - whole.keys():
        value = _whole(slot, [part[slot] for part in parts], parts)
        if value is not None:
            whole[slot] = value
    return whole


def without_empty_columns(slots: Slots, columns: tuple[int, int]) -> dict[str, Tensor]:
    """One part of what `joined` put side by side: its own stretch of the rank; alpha shrinks with it."""
    start, stop = columns
    rank = slots["down"].shape[0]
    kept = {**slots, "up": slots["up"][:, start:stop], "down": slots["down"][start:stop]}
    if "alpha" in slots:
        alpha = slots["alpha"]
        kept["alpha"] = (alpha.double() * (stop - start) / rank).to(alpha.dtype)
    return kept


def exchanged(slots: Slots, rows: int) -> dict[str, Tensor]:
    """The entry with the upper and the lower half of its outputs in each other's place."""
    upper, lower = cut(slots, [rows // 2, rows - rows // 2])
    return joined([lower, upper])[0]
