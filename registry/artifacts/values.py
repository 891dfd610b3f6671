"""Whether numbers are finite, from their bit patterns.

In the IEEE 754 formats an exponent of all ones is NaN or infinity; the 8-bit formats of the OCP and FNUZ kinds give NaN
patterns of their own.
"""

from typing import Any

import numpy as np

# number format → (unsigned type of its size, the bits to look at, what they are where it is not finite)
_PATTERNS: dict[str, tuple[np.dtype[Any], int, int]] = {
    "F16": (np.dtype(np.uint16), 0x7C00, 0x7C00),
    "BF16": (np.dtype(np.uint16), 0x7F80, 0x7F80),
    "F32": (np.dtype(np.uint32), 0x7F800000, 0x7F800000),
    "F64": (np.dtype(np.uint64), 0x7FF0000000000000, 0x7FF0000000000000),
    "C64": (np.dtype(np.uint32), 0x7F800000, 0x7F800000),  # two F32, the real and the imaginary part
    "F8_E5M2": (np.dtype(np.uint8), 0x7C, 0x7C),
    "F8_E4M3": (np.dtype(np.uint8), 0x7F, 0x7F),  # this format has no infinity, and NaN is all ones
    "F8_E8M0": (np.dtype(np.uint8), 0xFF, 0xFF),
    "F8_E4M3FNUZ": (np.dtype(np.uint8), 0xFF, 0x80),  # what would be minus zero is the only NaN
    "F8_E5M2FNUZ": (np.dtype(np.uint8), 0xFF, 0x80),
}


class FiniteCheck:
    """Watches the bytes of one tensor as they come in stretches; a number cut by a stretch's end is put together."""

    def __init__(self, dtype: str) -> None:
        self._known = _PATTERNS.get(dtype)  # whole numbers, bool and the formats of 4 and 6 bits have no NaN
        self._cut = b""
        self.finite = True

    def update(self, stretch: memoryview) -> None:
        if self._known is None or not self.finite:
            return
        unsigned, mask, bad = self._known
        size = unsigned.itemsize
        if self._cut:
            missing = size - len(self._cut)
            self._cut += bytes(stretch[:missing])
            stretch = stretch[missing:]
            if len(self._cut) < size:
                return
            self._look(memoryview(self._cut), unsigned, mask, bad)
        whole = len(stretch) // size * size
        self._cut = bytes(stretch[whole:])
        self._look(stretch[:whole], unsigned, mask, bad)

    def _look(self, stretch: memoryview, unsigned: np.dtype[Any], mask: int, bad: int) -> None:
        bits = np.frombuffer(stretch, unsigned) & unsigned.type(mask)
        self.finite = self.finite and not bool((bits == unsigned.type(bad)).any())
