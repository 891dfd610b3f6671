"""Fingerprints of adapters by their weights, which find re-uploads however the file was converted.

A fingerprint is a random projection of everything the adapter adds to a base model's weights: its cosine estimates the
cosine of the deltas themselves. It does not change with number format, names, key layout, strength, a change of basis
inside the factors, or a rank that loses nothing; a merge of two adapters lies between theirs.
"""

from moderation.matching.fingerprints.fingerprint import (
    DERIVED,
    SAME,
    Fingerprint,
    FingerprintError,
    fingerprint,
    similarity,
)
from moderation.matching.fingerprints.index import FingerprintIndex, Neighbour

__all__ = [
    "DERIVED",
    "SAME",
    "Fingerprint",
    "FingerprintError",
    "FingerprintIndex",
    "Neighbour",
    "fingerprint",
    "similarity",
]
