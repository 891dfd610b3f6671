"""Which pictures make a step: everyone's turn comes, buckets stay apart, and a position is all that has to be kept."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.sampler import Position, Sampler


@st.composite
def samplers(draw: st.DrawFn) -> tuple[Sampler, list[int], list[int], list[bool], int]:
    count = draw(st.integers(1, 9))
    buckets = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    repeats = draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    prior = [False, *draw(st.lists(st.booleans(), min_size=count - 1, max_size=count - 1))]
    batch = draw(st.integers(1, 4))
    sampler = Sampler(buckets, repeats, prior, batch=batch, seed=draw(st.integers(0, 99)))
    return sampler, buckets, repeats, prior, batch


@settings(deadline=None, max_examples=50)
@given(samplers(), st.integers(0, 4))
def test_epoch_has_every_picture_as_often_as_it_repeats(
    made: tuple[Sampler, list[int], list[int], list[bool], int], number: int
) -> None:
    sampler, buckets, repeats, prior, batch = made
    batches = sampler.epoch(number)
    seen = Counter(index for one in batches for index in one)
    own = {index: times for index, times in enumerate(repeats) if not prior[index]}
    assert {index: seen[index] for index in own} == own
    class_pictures = sum(seen[index] for index in seen if prior[index])
    assert class_pictures == (sum(own.values()) if any(prior) else 0)
    assert all(len({buckets[index] for index in one}) == 1 for one in batches)
    assert all(1 <= len(one) <= batch for one in batches)


@settings(deadline=None, max_examples=50)
@given(samplers())
def test_class_pictures_take_turns_over_the_epochs(
    made: tuple[Sampler, list[int], list[int], list[bool], int],
) -> None:
    sampler, _, repeats, prior, _ = made
    own = sum(times for index, times in enumerate(repeats) if not prior[index])
    few = sum(times for index, times in enumerate(repeats) if prior[index])
    seen = Counter(index for number in range(few) for one in sampler.epoch(number) for index in one if prior[index])
    assert all(seen[index] == own * times for index, times in enumerate(repeats) if prior[index])


@settings(deadline=None, max_examples=50)
@given(samplers(), st.integers(1, 3), st.integers(0, 12))
def test_position_is_all_that_is_needed_to_go_on(
    made: tuple[Sampler, list[int], list[int], list[bool], int], accumulation: int, steps: int
) -> None:
    sampler, buckets, repeats, prior, batch = made
    position = Position()
    for _ in range(steps):
        _, position = sampler.step(position, accumulation)
    again = Sampler(buckets, repeats, prior, batch=batch, seed=sampler._seed)
    assert again.step(position, accumulation) == sampler.step(position, accumulation)


@settings(deadline=None, max_examples=50)
@given(samplers(), st.integers(1, 3))
def test_places_count_through_the_whole_step(
    made: tuple[Sampler, list[int], list[int], list[bool], int], accumulation: int
) -> None:
    batches, _ = made[0].step(Position(), accumulation)
    assert len(batches) == accumulation
    places = [slot.place for batch in batches for slot in batch]
    assert places == list(range(len(places)))


def test_epochs_differ_and_seeds_differ() -> None:
    buckets, plain = [0] * 8, [False] * 8
    one = Sampler(buckets, [1] * 8, plain, batch=2, seed=1)
    other = Sampler(buckets, [1] * 8, plain, batch=2, seed=2)
    assert one.epoch(0) != one.epoch(1)
    assert one.epoch(0) != other.epoch(0)
