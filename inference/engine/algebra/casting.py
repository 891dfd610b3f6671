"""Another number type for an adapter's tensors, with the rounding error; what does not fit is refused."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inference.engine.errors import AdapterError, EngineError
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from registry.artifacts.keys import split_key

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Cast:
    """The adapter in another number type."""

    file: AdapterFile
    lineage: Lineage
    error: float
    """Frobenius norm of the rounding as a share of that of all tensors."""
    vanished: int
    """Numbers that were too small for the type and are 0 now."""


def cast(file: AdapterFile, dtype: str) -> Cast:
    """Every floating tensor but alpha in this type. Raises AdapterError where a number is too large for it."""
    if dtype not in TYPES:
        raise EngineError(
            "The adapter cannot be written so.",
            f"{dtype!r} is no number format known here.",
            f"Use one of: {', '.join(TYPES)}.",
        )
    tensors, lost, whole, vanished = {}, 0.0, 0.0, 0
    for key, tensor in file.tensors.items():
        tensors[key] = _cast(key, tensor, TYPES[dtype])
        if tensor.is_floating_point():
            before, after = tensor.double(), tensors[key].double()
            lost += float((before - after).square().sum())
            whole += float(before.square().sum())
            vanished += int(((before != 0) & (after == 0)).sum())
    lineage = Lineage("cast", (file.parent,), {"dtype": dtype})
    result = replace(file, tensors=tensors, sha256="").described(lineage.as_metadata())
    return Cast(result, lineage, (lost / whole) ** 0.5 if whole else 0.0, vanished)


def _cast(key: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    split = split_key(key)
    if not tensor.is_floating_point() or (split is not None and split[1] == "alpha"):
        return tensor
    result = tensor.to(dtype)
    if not bool(torch.isfinite(result.float()).all()):
        raise AdapterError(
            f"The adapter cannot be written as {str(dtype).removeprefix('torch.')}.",
            f"The tensor “{key}” has numbers up to {float(tensor.abs().max()):.3g}, which that type cannot hold.",
            "Use bfloat16 or float32.",
        )
    return result
