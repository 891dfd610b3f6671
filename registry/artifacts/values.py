"""Whether numbers are finite, from their bit patterns: an exponent of all ones is NaN or infinity (IEEE 754)."""

from typing import Any

import numpy as np

# number format → (unsigned type of its size, mask of the bits that are all ones where it is not finite)
_MASKS: dict[str, tuple[np.dtype[Any], int]] = {
    "F16": (np.dtype(np.uint16), 0x7C00),
    "BF16": (np.dtype(np.uint16), 0x7F80),
    "F32": (np.dtype(np.uint32), 0x7F800000),
    "F64": (np.dtype(np.uint64), 0x7FF0000000000000),
    "F8_E5M2": (np.dtype(np.uint8), 0x7C),
    "F8_E4M3": (np.dtype(np.uint8), 0x7F),  # this format has no infinity, and NaN is all ones
}


class FiniteCheck:
    """Watches the bytes of one tensor as they come in stretches; a number cut by a stretch's end is put together."""

    def __init__(self, dtype: str) -> None:
        self._known = _MASKS.get(dtype)  # whole numbers and bool have no NaN
        self._cut = b""
        self.finite = True

    def update(self, stretch: memoryview) -> None:
        if self._known is None or not self.finite:
            return
        unsigned, mask = self._known
        size = unsigned.itemsize
        if self._cut:
            missing = size - len(self._cut)
            self._cut += bytes(stretch[:missing])
            stretch = stretch[missing:]
            if len(self._cut) < size:
                return
            self._look(memoryview(self._cut), unsigned, mask)
        whole = len(stretch) // size * size
        self._cut = bytes(stretch[whole:])
        self._look(stretch[:whole], unsigned, mask)

    def _look(self, stretch: memoryview, unsigned: np.dtype[Any], mask: int) -> None:
        bits = np.frombuffer(stretch, unsigned) & unsigned.type(mask)
        self.finite = self.finite and not bool((bits == unsigned.type(mask)).any())
