"""The split: deterministic, as large as asked, and never with a near-duplicate on either side."""

import hashlib
import random

from hypothesis import given
from hypothesis import strategies as st

from training.reporting.split import LEAST_TRAINING, Splittable, validation_of


def pictures(groups: list[int | None]) -> list[Splittable]:
    return [Splittable(hashlib.sha256(str(n).encode()).hexdigest(), group) for n, group in enumerate(groups)]


@given(st.lists(st.one_of(st.none(), st.integers(1, 6)), max_size=60), st.floats(0, 0.5), st.randoms())
def test_split_keeps_its_promises(groups: list[int | None], share: float, order: random.Random) -> None:
    every = pictures(groups)
    aside = validation_of(every, share)
    mixed = list(every)
    order.shuffle(mixed)
    assert validation_of(mixed, share) == aside, "order plays no part"
    assert len(aside) <= round(share * len(every))
    assert len(every) - len(aside) >= min(LEAST_TRAINING, len(every))
    for group in set(groups) - {None}:
        members = {one.digest for one in every if one.group == group}
        assert members <= aside or not members & aside


def test_usual_share_of_pictures_of_their_own_is_exact() -> None:
    assert len(validation_of(pictures([None] * 50), 0.2)) == 10
    assert len(validation_of(pictures([None] * 12), 0.2)) == 2


def test_few_pictures_stay_for_training() -> None:
    assert validation_of(pictures([None] * 3), 0.5) == frozenset()
    assert validation_of([], 0.2) == frozenset()
