"""Which Walsh patterns over a descriptor make its word and its signature, and where each is cut.

A pattern is a row of the Hadamard matrix of order 128. Chosen by measurement on features of photographs, paintings and
drawn pictures and of altered copies: the word has the 20 patterns that vary most between features against what they
vary between copies of one feature, and correlate less than .15 with each other; the signature has the next 64. Each is
cut at its median.
"""

import numpy as np
from numpy.typing import NDArray

_WORD = np.array([22, 6, 4, 66, 67, 3, 18, 24, 84, 86, 12, 99, 98, 103, 23, 64, 80, 115, 8, 119])
_WORD_CUTS = np.array([-4, 27, 16, -2, 2, 33, 1, -54, 13, -5, -1, -11, -11, -3, -1, 0, 0, 0, 0, 0])
_SIGNATURE = np.array(
    [
        92,
        68,
        2,
        118,
        20,
        21,
        14,
        30,
        19,
        5,
        96,
        100,
        28,
        120,
        70,
        7,
        26,
        27,
        16,
        71,
        94,
        36,
        90,
        1,
        116,
        29,
        91,
        95,
        83,
        82,
        117,
        102,
        110,
        69,
        13,
        124,
        60,
        93,
        85,
        114,
        87,
        34,
        112,
        35,
        11,
        31,
        126,
        38,
        54,
        10,
        32,
        101,
        52,
        62,
        17,
        39,
        108,
        65,
        78,
        76,
        88,
        122,
        123,
        37,
    ]
)
_SIGNATURE_CUTS = np.array(
    [
        1,
        -2,
        33,
        -1,
        -2,
        -2,
        -2,
        -31,
        2,
        17,
        -38,
        -3,
        -16,
        14,
        0,
        3,
        -12,
        -12,
        0,
        0,
        0,
        0,
        1,
        13,
        -1,
        -16,
        -1,
        0,
        4,
        -3,
        -1,
        -3,
        0,
        1,
        -1,
        3,
        0,
        0,
        -2,
        0,
        -5,
        -1,
        0,
        1,
        1,
        -2,
        5,
        0,
        0,
        1,
        0,
        -4,
        2,
        0,
        0,
        0,
        0,
        0,
        -2,
        4,
        0,
        2,
        2,
        0,
    ]
)


def _walsh(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of the Hadamard matrix as columns [128, n] of 1 and -1."""
    odd = np.bitwise_count(np.arange(128)[:, None] & rows[None, :]) & 1
    signs: NDArray[np.float32] = 1 - 2 * odd.astype(np.float32)
    return signs


WORD_PATTERNS, WORD_CUTS = _walsh(_WORD), _WORD_CUTS.astype(np.int32)
SIGNATURE_PATTERNS, SIGNATURE_CUTS = _walsh(_SIGNATURE), _SIGNATURE_CUTS.astype(np.int32)
