"""Which requests go together: nobody starves, none twice, deadlines in order, limits kept."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.scheduling import CREDIT, Batch, Limits, Waiting, alike, next_batch, overdue

SIZES = [alike(width=side, height=side, steps=20, guidance=7.0, sampler="euler") for side in (512, 768)]
NOW = 100.0


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    count = draw(st.integers(0, 10))
    return [
        Waiting(
            id=f"r{number}",
            owner=draw(st.sampled_from("abc")),
            base=draw(st.sampled_from(["sd1", "sdxl"])),
            alike=draw(st.sampled_from(SIZES)),
            arrived=draw(st.floats(0, NOW)),
            deadline=draw(st.none() | st.floats(NOW - 20, NOW + 200)),
            seconds=draw(st.floats(0.5, 30)),
            pixels=draw(st.sampled_from([1, 2, 4])),
            cancelled=draw(st.booleans()) and draw(st.booleans()),
        )
        for number in range(count)
    ]


limits = st.builds(
    Limits,
    rows=st.integers(1, 6),
    pixels=st.none() | st.integers(1, 10),
    patience=st.sampled_from([5.0, 60.0]),
    had=st.dictionaries(st.sampled_from("abc"), st.floats(0, 100)),
    loaded=st.sampled_from([None, "sd1", "sdxl"]),
    loading=st.sampled_from([0.0, 20.0]),
)


def _wanted(waiting: Sequence[Waiting]) -> list[Waiting]:
    return [one for one in waiting if not one.cancelled and (one.deadline is None or one.deadline > NOW)]


def _chosen(waiting: Sequence[Waiting], batch: Batch | None) -> list[Waiting]:
    by_id = {one.id: one for one in waiting}
    return [] if batch is None else [by_id[request] for request in batch.ids]


@settings(max_examples=60)
@given(queues(), limits)
def test_batch_is_made_of_wanted_requests_that_are_alike(waiting: list[Waiting], limit: Limits) -> None:
    batch = next_batch(waiting, now=NOW, limits=limit)
    assert (batch is None) == (not _wanted(waiting))
    chosen = _chosen(waiting, batch)
    assert len({one.id for one in chosen}) == len(chosen)
    assert all(one in _wanted(waiting) for one in chosen)
    assert len({(one.base, one.alike) for one in chosen}) <= 1


@settings(max_examples=60)
@given(queues(), limits)
def test_batch_keeps_the_limits(waiting: list[Waiting], limit: Limits) -> None:
    chosen = _chosen(waiting, next_batch(waiting, now=NOW, limits=limit))
    assert len(chosen) <= limit.rows
    if limit.pixels is not None and len(chosen) > 1:
        assert sum(one.pixels for one in chosen) <= limit.pixels


@settings(max_examples=60)
@given(queues(), limits)
def test_no_deadline_is_passed_by_a_later_one_of_its_owner(waiting: list[Waiting], limit: Limits) -> None:
    chosen = _chosen(waiting, next_batch(waiting, now=NOW, limits=limit))
    for left in _wanted(waiting):
        if left in chosen:
            continue
        for taken in chosen:
            if left.owner == taken.owner and left.deadline is not None and taken.deadline is not None:
                assert taken.deadline <= left.deadline


@settings(max_examples=60)
@given(queues(), limits, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(waiting: list[Waiting], limit: Limits, dice: object) -> None:
    shuffled = list(waiting)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert next_batch(waiting, now=NOW, limits=limit) == next_batch(shuffled, now=NOW, limits=limit)


@settings(max_examples=60)
@given(queues(), limits)
def test_everybody_is_served_once_where_nobody_comes(waiting: list[Waiting], limit: Limits) -> None:
    left, had, made = [replace(one, deadline=None) for one in waiting], dict(limit.had), []
    wanted = len([one for one in left if not one.cancelled])
    while (batch := next_batch(left, now=NOW, limits=replace(limit, had=had))) is not None:
        for one in _chosen(left, batch):
            had[one.owner] = had.get(one.owner, 0) + one.seconds
        made.extend(batch.ids)
        left = [one for one in left if one.id not in batch.ids]
    assert len(made) == len(set(made)) == wanted


@settings(max_examples=30)
@given(st.integers(1, 4), st.floats(0, 200), st.floats(1, 10), st.booleans())
def test_nobody_starves_beside_ever_new_owners(rows: int, had: float, seconds: float, urgent: bool) -> None:
    """Each round a newcomer with no use and an urgent deadline arrives for another size; the old request still goes."""
    old = Waiting("old", "old", "sd1", SIZES[0], arrived=0.0, seconds=seconds)
    now, crowd = 0.0, [old]
    use: dict[str, float] = {"old": had}
    bound = (had + 10 * seconds) / CREDIT + 20 * seconds
    number = 0
    while True:
        number += 1
        deadline = now + 2 * seconds if urgent else None
        crowd.append(Waiting(f"n{number}", f"n{number}", "sd1", SIZES[1], now, deadline, seconds))
        batch = next_batch(crowd, now=now, limits=Limits(rows=rows, had=use))
        assert batch is not None
        if "old" in batch.ids:
            break
        crowd = [one for one in crowd if one.id not in batch.ids]
        for request in batch.ids:
            use[request] = use.get(request, 0.0) + seconds
        now += seconds
        assert now < bound
    assert now <= bound


def _two(**more: object) -> list[Waiting]:
    many = [Waiting(f"m{number}", "many", "sd1", SIZES[0], arrived=number, seconds=10) for number in range(9)]
    return [*many, Waiting("one", "one", "sd1", SIZES[0], arrived=50.0, seconds=10, **more)]  # type: ignore[arg-type]


def test_an_owner_with_one_request_does_not_wait_behind_one_with_many() -> None:
    batch = next_batch(_two(), now=60.0, limits=Limits(rows=2, had={"many": 30.0}))
    assert batch is not None
    assert set(batch.ids) == {"one", "m0"}


def test_an_owner_whose_first_request_differs_adds_nothing() -> None:
    """Otherwise a deadline would be passed by what happens to fit."""
    waiting = [
        Waiting("lead", "a", "sd1", SIZES[0], arrived=0.0),
        Waiting("urgent", "b", "sd1", SIZES[1], arrived=5.0, deadline=110.0),
        Waiting("fits", "b", "sd1", SIZES[0], arrived=1.0, deadline=120.0),
    ]
    batch = next_batch(waiting, now=NOW, limits=Limits(rows=4))
    assert batch is not None
    assert batch.ids == ("lead",)


def test_the_loaded_base_goes_on_until_waiting_is_worth_the_loading() -> None:
    waiting = [
        Waiting("here", "a", "sd1", SIZES[0], arrived=90.0),
        Waiting("there", "b", "sdxl", SIZES[0], arrived=60.0),
    ]
    limit = Limits(loaded="sd1", loading=20.0)
    first, later = (next_batch(waiting, now=NOW, limits=replace(limit, loading=value)) for value in (20.0, 5.0))
    assert first is not None
    assert later is not None
    assert (first.ids, later.ids) == (("here",), ("there",))


def test_overdue_requests_are_named_and_cancelled_ones_are_not() -> None:
    late = Waiting("late", "a", "sd1", SIZES[0], arrived=0.0, deadline=NOW)
    waiting = [late, replace(late, id="gone", cancelled=True), replace(late, id="fine", deadline=NOW + 1)]
    assert overdue(waiting, now=NOW) == ["late"]
