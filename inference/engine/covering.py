"""What covers what when two adapters act together, found by trying: small pictures of each alone and of both.

For pictures asked for in the words of one adapter, from the same noise:

    cover = ‖both − mine‖ / ‖mine − base‖      (norms over the pixels of one picture; the median over the pictures)

how much the other changes there, as a share of what the adapter itself changes. From 1 on the other has more of the
picture than the adapter. Weights cannot tell this: two changes that have nothing in common as matrices may want the
same pixels. `benchmarks.conflicts` says how far it foresees damage.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import permutations
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.engine.applying import applied
from inference.engine.errors import EngineError
from inference.engine.reading import Adapter
from inference.engine.sampling import RenderRequest, render_together

COVERS = 1.0
"""From which cover on an adapter is said to be covered: the other changes more of the picture than it does itself."""
_NOTHING = 1e-4
"""An adapter that changes the pictures by less than this share of their size does nothing that could be covered."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Tried:
    """An adapter at its weight, with pictures to ask for in its own words; they differ in prompt and seed only."""

    adapter: Adapter
    weight: float
    requests: tuple[RenderRequest, ...]


def covering(
    pipe: Any, tried: Sequence[Tried], on_pictures: Callable[[int, int], None] | None = None
) -> Mapping[tuple[int, int], float | None]:
    """(mine, other) → cover, for every ordered pair; None where mine does nothing by itself.

    `on_pictures(done, of)` is called after each set of pictures; what it raises (Cancelled) stops at once. Raises
    EngineError, AdapterError as rendering and applying do.
    """
    pairs = list(permutations(range(len(tried)), 2))
    total, done = 2 * len(tried) + len(pairs), 0

    def pictures(requests: Sequence[RenderRequest], *acting: Tried) -> Pixels:
        nonlocal done
        found = _pictures(pipe, requests, acting)
        done += 1
        if on_pictures is not None:
            on_pictures(done, total)
        return found

    alone = [(pictures(one.requests), pictures(one.requests, one)) for one in tried]
    found: dict[tuple[int, int], float | None] = {}
    for mine, other in pairs:
        base, own = alone[mine]
        first, second = sorted((mine, other))  # the order in which they act is that of the set
        both = pictures(tried[mine].requests, tried[first], tried[second])
        found[mine, other] = _cover(base, own, both)
    return found


def _pictures(pipe: Any, requests: Sequence[RenderRequest], acting: Sequence[Tried]) -> Pixels:
    with ExitStack() as stack:
        for one in acting:
            stack.enter_context(applied(pipe, one.adapter, one.weight))
        made = render_together(pipe, requests)
    pixels = []
    for picture in made:
        if isinstance(picture, EngineError):
            raise picture
        pixels.append(np.asarray(picture.convert("RGB"), np.float32).ravel() / 255)
    return np.stack(pixels)


def _cover(base: Pixels, own: Pixels, both: Pixels) -> float | None:
    changed = np.linalg.norm(own - base, axis=1)
    if float(np.median(changed)) <= _NOTHING * own.shape[1] ** 0.5:
        return None
    shares = np.linalg.norm(both - own, axis=1) / np.maximum(changed, 1e-6)
    return float(median(shares.tolist()))
