"""How different the pictures of a set are."""

from collections.abc import Sequence

from training.reporting.near import Look, colour_distance
from training.reporting.report.facts import DIVERSITY_PAIRS, PictureFacts


def diversity(pictures: Sequence[PictureFacts]) -> float:
    """0 to 1: half how far the hashes are apart (32 of 64 bits are unrelated), half the colours (60 of 255)."""
    every = -(-len(pictures) // DIVERSITY_PAIRS) or 1
    some = [Look(one.phash, one.colours) for one in pictures[::every]]
    apart = [
        min((one.phash ^ other.phash).bit_count() / 32, 1) / 2
        + min(colour_distance(one.colours, other.colours) / 60, 1) / 2
        for place, one in enumerate(some)
        for other in some[:place]
    ]
    return round(sum(apart) / len(apart), 2) if apart else 0.0
