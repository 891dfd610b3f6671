"""Who goes next: nobody starves, quotas hold, shares are kept, and the order does not hang on the order of asking."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.fair_share import (
    CREDIT,
    HALF_LIFE,
    Hindrance,
    Ledger,
    Quota,
    Usage,
    Waiting,
    faded,
    hindrance,
    next_run,
    order,
    served,
)

MANY = Quota(at_once=1000)


def free(*runs: Waiting, **given: object) -> Ledger:
    """A ledger in which nobody is kept by a quota."""
    return Ledger(owner_quotas={run.owner: MANY for run in runs}, user_quotas={run.user: MANY for run in runs}, **given)


RUNS = st.lists(
    st.builds(
        Waiting,
        run=st.integers(1, 10_000),
        owner=st.integers(1, 5),
        user=st.integers(1, 6),
        queued_at=st.floats(0, 10_000),
        priority=st.integers(-1, 1),
        resumed=st.booleans(),
        seconds=st.floats(0, 5000),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda run: run.run,
)


def test_who_has_had_less_goes_first() -> None:
    heavy, light = Waiting(1, owner=1, user=1, queued_at=0), Waiting(2, owner=2, user=2, queued_at=100)
    ledger = free(heavy, light, owners={1: Usage(seconds=5000), 2: Usage(seconds=10)})
    assert next_run([heavy, light], ledger, now=200) == light.run


def test_a_double_share_counts_half() -> None:
    one, two = Waiting(1, owner=1, user=1, queued_at=0), Waiting(2, owner=2, user=2, queued_at=0)
    ledger = free(one, two, owners={1: Usage(seconds=1000, share=4), 2: Usage(seconds=400)})
    assert next_run([one, two], ledger, now=0) == one.run


def test_one_with_a_hundred_runs_does_not_hold_up_one_with_a_single_run() -> None:
    flood = [Waiting(n, owner=1, user=1, queued_at=0, seconds=600) for n in range(100)]
    single = Waiting(1000, owner=2, user=2, queued_at=50, seconds=600)
    assert order([*flood, single], free(*flood, single), now=60).index(single.run) <= 1


def test_inside_an_organisation_its_people_take_turns() -> None:
    runs = [Waiting(n, owner=1, user=1 + n % 2, queued_at=n, seconds=100) for n in range(6)]
    users = [next(run.user for run in runs if run.run == pk) for pk in order(runs, free(*runs), now=10)]
    assert users[0] != users[1]
    assert users[2] != users[3]


def test_among_ones_own_the_higher_priority_goes_first_and_age_makes_up_for_it() -> None:
    low = Waiting(1, owner=1, user=1, queued_at=0, priority=-1)
    high = Waiting(2, owner=1, user=1, queued_at=3600 * 5, priority=1)
    assert next_run([low, replace(high, queued_at=10)], free(low, high), now=20) == high.run
    assert next_run([low, high], free(low, high), now=3600 * 5 + 1) == low.run


def test_a_priority_moves_nothing_between_owners() -> None:
    urgent = Waiting(1, owner=1, user=1, queued_at=0, priority=1)
    patient = Waiting(2, owner=2, user=2, queued_at=0, priority=-1)
    ledger = free(urgent, patient, owners={1: Usage(seconds=100)})
    assert next_run([urgent, patient], ledger, now=0) == patient.run


def test_what_was_broken_off_goes_on_before_ones_other_runs() -> None:
    new = Waiting(1, owner=1, user=1, queued_at=0, priority=1)
    broken = Waiting(2, owner=1, user=1, queued_at=100, priority=-1, resumed=True)
    assert next_run([new, broken], free(new, broken), now=200) == broken.run


@pytest.mark.parametrize(
    ("user", "owner", "expected"),
    [
        (Quota(running=1, at_once=1), MANY, Hindrance.USER_AT_ONCE),
        (MANY, Quota(running=4, at_once=4), Hindrance.OWNER_AT_ONCE),
        (replace(MANY, month=100, a_month=100), MANY, None),  # months are counted by owner
        (MANY, replace(MANY, month=101, a_month=100), Hindrance.OWNER_MONTH),
        (MANY, MANY, None),
    ],
)
def test_a_quota_keeps_a_run(user: Quota, owner: Quota, expected: Hindrance | None) -> None:
    run = Waiting(1, owner=1, user=2, queued_at=0)
    ledger = Ledger(owner_quotas={1: owner}, user_quotas={2: user})
    assert hindrance(run, ledger) is expected
    assert next_run([run], ledger, now=0) == (None if expected else 1)


def test_half_of_it_is_forgotten_after_a_half_life() -> None:
    assert faded(100, HALF_LIFE) == pytest.approx(50)
    assert faded(100, -5) == 100


@given(RUNS, st.randoms())
def test_the_order_of_asking_does_not_matter(runs: list[Waiting], dice: random.Random) -> None:
    shuffled = list(runs)
    dice.shuffle(shuffled)
    assert next_run(runs, free(*runs), now=10_000) == next_run(shuffled, free(*runs), now=10_000)


@given(RUNS)
def test_the_first_of_the_order_is_who_goes_next_and_everybody_is_in_it_once(runs: list[Waiting]) -> None:
    found = order(runs, free(*runs), now=10_000)
    assert found[0] == next_run(runs, free(*runs), now=10_000)
    assert sorted(found) == sorted(run.run for run in runs)


@given(RUNS, st.integers(0, 3), st.integers(0, 3))
def test_quotas_hold_however_often_a_worker_asks(runs: list[Waiting], users: int, owners: int) -> None:
    ledger = Ledger(
        owner_quotas={run.owner: Quota(at_once=owners) for run in runs},
        user_quotas={run.user: Quota(at_once=users) for run in runs},
    )
    left, started = list(runs), []
    while (found := next_run(left, ledger, now=10_000)) is not None:
        run = next(one for one in left if one.run == found)
        left.remove(run)
        started.append(run)
        ledger = served(ledger, run, 10_000)
    for run in started:
        assert sum(one.user == run.user for one in started) <= users
        assert sum(one.owner == run.owner for one in started) <= owners
    for run in left:
        assert hindrance(run, ledger) is not None


@settings(max_examples=15, deadline=None)
@given(
    had=st.floats(0, 20_000),
    rivals=st.integers(1, 6),
    length=st.floats(1200, 7200),
    dice=st.randoms(),
)
def test_nobody_starves_whoever_else_arrives(had: float, rivals: int, length: float, dice: random.Random) -> None:
    """One worker; rivals queue a run each time one of theirs starts, strangers who never had anything keep coming."""
    patient = Waiting(0, owner=0, user=0, queued_at=0, priority=-1, seconds=length)
    waiting = [patient, *(Waiting(n, n, n, 0, priority=1, seconds=length) for n in range(1, rivals + 1))]
    ledger = replace(free(*waiting), owners={0: Usage(seconds=had)}, members={(0, 0): Usage(seconds=had)})
    now, number = 0.0, 1000
    # Until had / CREDIT its credit does not outweigh what it has had; whoever comes after that has waited less. At most
    # one stranger comes while a run takes, so those who go first are served in as long again.
    bound = 2 * had / CREDIT + 3 * (rivals + 3) * length
    while True:
        found = next_run(waiting, _open(waiting, ledger), now)
        run = next(one for one in waiting if one.run == found)
        if run is patient:
            break
        assert now <= bound, "it starves"
        waiting.remove(run)
        ledger = served(ledger, run, now)
        number += 1
        waiting.append(replace(run, run=number, queued_at=now))
        if dice.random() < 0.3:
            number += 1
            waiting.append(Waiting(number, number, number, now, priority=1, seconds=length))
        now += length


def _open(waiting: list[Waiting], ledger: Ledger) -> Ledger:
    return replace(
        ledger,
        owner_quotas={run.owner: MANY for run in waiting},
        user_quotas={run.user: MANY for run in waiting},
    )
