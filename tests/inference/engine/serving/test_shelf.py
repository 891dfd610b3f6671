"""The cache: least recently used goes first, under both limits, with what was made from it; what is in use stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.serving.shelf import Shelf


def _put(shelf: Shelf, key: str, size: int = 10) -> str:
    return shelf.get(key, lambda: (key, size))


def test_least_recently_used_goes_first() -> None:
    shelf = Shelf(budget=30, places=9)
    for key in ("a", "b", "c", "a", "d"):
        _put(shelf, key)
        shelf.release()
    assert [key in shelf for key in "abcd"] == [True, False, True, True]
    assert (shelf.memory().hits, shelf.memory().misses, shelf.memory().evictions) == (1, 4, 1)


def test_number_of_places_counts_as_well() -> None:
    shelf = Shelf(budget=1000, places=2)
    for key in "abc":
        _put(shelf, key)
        shelf.release()
    assert [key in shelf for key in "abc"] == [False, True, True]


def test_what_is_in_use_stays_over_the_budget_until_release() -> None:
    shelf = Shelf(budget=15, places=9)
    _put(shelf, "a")
    _put(shelf, "b")
    assert "a" in shelf
    assert shelf.memory().bytes == 20
    shelf.release()
    assert "a" not in shelf
    assert shelf.memory().bytes == 10


def test_what_was_made_from_a_value_goes_with_it_and_keeps_it_young() -> None:
    shelf = Shelf(budget=35, places=9)
    _put(shelf, "a")
    shelf.get("plan", lambda: ("plan", 5), ("a",))
    shelf.release()
    _put(shelf, "b")
    shelf.release()
    shelf.get("plan", lambda: ("another", 5), ("a",))  # a is used by it
    shelf.release()
    _put(shelf, "c")
    shelf.release()
    _put(shelf, "d")
    shelf.release()
    assert "b" not in shelf
    assert "a" in shelf
    shelf.make_room(35)
    assert shelf.memory().bytes == 0
    assert "plan" not in shelf


def test_failed_making_leaves_nothing() -> None:
    shelf = Shelf(budget=35, places=9)
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: ("a", 1 // 0))
    assert "a" not in shelf
    assert _put(shelf, "a") == "a"


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.booleans()), max_size=60))
def test_budget_holds_after_every_release(steps: list[tuple[str, bool, bool]]) -> None:
    sizes = {key: 3 + 4 * place for place, key in enumerate("abcdefgh")}
    shelf = Shelf(budget=60, places=5)
    for key, plan, release in steps:
        assert _put(shelf, key, sizes[key]) == key
        if plan:
            shelf.get((key, "plan"), lambda: ("plan", 2), (key,))
        assert key in shelf
        if release:
            shelf.release()
            assert shelf.memory().bytes <= 60
            assert shelf.memory().adapters <= 5
            assert shelf.room == 60 - shelf.memory().bytes
