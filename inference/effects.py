"""What an adapter does to pictures, in numbers: from the previews alone, without torch or Django.

All of them are colour differences. They say how much changes, not whether it is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64  # pixels; larger pictures are shrunk, so that grain does not count as a change

# From linear sRGB to CIE XYZ (IEC 61966-2-1), each row divided by the white point D65.
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])

Lab = NDArray[np.float64]


def lab_of(image: Image.Image) -> Lab:
    """The picture at SIDE × SIDE pixels in CIELAB (CIE 15:2004): an array (SIDE, SIDE, 3), L* from 0 to 100."""
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def difference(one: Lab, other: Lab) -> float:
    """The mean colour difference ΔE*ab (CIE 1976) of two pictures; 0 where they are the same, black to white 100."""
    return float(np.sqrt(((one - other) ** 2).sum(axis=-1)).mean())


@dataclass(frozen=True)
class Shot:
    """One preview: in which part of the plan it is, its seed and strength, and its colours."""

    shows: str
    """strength, plain or seeds, as the plan names them."""
    prompt: str
    seed: int
    strength: float
    colours: Lab


@dataclass(frozen=True)
class Effects:
    """What was measured; None where there were no pictures to measure it on. All are ΔE*ab."""

    curve: tuple[tuple[float, float], ...]
    """Strength and change against the base alone, in rising order, without strength 0; the mean over the prompts."""
    change: float | None
    """The change at the reference strength, over the prompts as they are shown."""
    with_trigger: float | None
    """The same on the one prompt that was also rendered without its trigger word."""
    without_trigger: float | None
    diversity: float | None
    """How far apart pictures of one prompt lie from seed to seed, with the adapter."""
    base_diversity: float | None


def effects_of(shots: Sequence[Shot], *, reference: float) -> Effects:
    """Measure the shots; `reference` is the strength at which the adapter counts as used."""
    sweep, plain = _changes(shots, "strength"), _changes(shots, "plain").get(reference, {})
    curve = {strength: float(np.mean(list(by_seed.values()))) for strength, by_seed in sorted(sweep.items())}
    paired = sweep.get(reference, {})
    together = [seed for seed in plain if seed in paired]
    return Effects(
        curve=tuple(curve.items()),
        change=curve.get(reference),
        with_trigger=paired[together[0]] if together else None,
        without_trigger=plain[together[0]] if together else None,
        diversity=_spread(shots, reference),
        base_diversity=_spread(shots, 0.0),
    )


def _changes(shots: Sequence[Shot], shows: str) -> dict[float, dict[int, float]]:
    """For each strength but 0 and each seed, the difference from the base alone with that seed."""
    mine = [shot for shot in shots if shot.shows == shows]
    bases = {shot.seed: shot.colours for shot in mine if shot.strength == 0}
    found: dict[float, dict[int, float]] = {}
    for shot in mine:
        if shot.strength != 0 and shot.seed in bases:
            found.setdefault(shot.strength, {})[shot.seed] = difference(shot.colours, bases[shot.seed])
    return found


def _spread(shots: Sequence[Shot], strength: float) -> float | None:
    """The mean difference between pictures of one prompt at one strength, over every pair of seeds."""
    prompts = {shot.prompt for shot in shots if shot.shows == "seeds"}
    alike = {shot.seed: shot.colours for shot in shots if shot.prompt in prompts and shot.strength == strength}
    pairs = list(combinations([alike[seed] for seed in sorted(alike)], 2))
    return float(np.mean([difference(one, other) for one, other in pairs])) if pairs and prompts else None
