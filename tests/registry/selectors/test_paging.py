"""Paging by key: every row once, in both directions, also where moments are equal and rows are added meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from registry.selectors.paging import page_by_key
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db


def _people(*minutes: int) -> list[User]:
    now, people = timezone.now(), []
    for number, ago in enumerate(minutes):
        people.append(make_user(f"p{number}", date_joined=now - timedelta(minutes=ago)))
    return people


def _names(**keys: str) -> tuple[str, str, str]:
    page = page_by_key(User.objects.all(), by="date_joined", size=2, **keys)
    return "".join(user.username for user in page.rows), page.before, page.after


def test_pages_behind_each_other_show_every_row_once() -> None:
    _people(1, 2, 2, 2, 3)
    rows, before, after = _names()
    assert (rows, after) == ("p0p3", "")
    rows, before, after = _names(before=before)
    assert rows == "p2p1"
    assert after
    rows, last, _ = _names(before=before)
    assert (rows, last) == ("p4", "")


def test_the_way_back_shows_the_same_pages() -> None:
    _people(1, 2, 2, 2, 3)
    _, first, _ = _names()
    _, second, back = _names(before=first)
    _, _, further = _names(before=second)
    rows, before, after = _names(after=further)
    assert (rows, before, after) == ("p2p1", second, back)
    rows, before, after = _names(after=back)
    assert (rows, before, after) == ("p0p3", first, "")


def test_row_added_in_front_neither_repeats_nor_hides_another() -> None:
    _people(1, 2, 3)
    _, before, _ = _names()
    make_user("late")
    assert _names(before=before)[0] == "p2"


@pytest.mark.parametrize("key", ["x", "999999999", "9" * 40, "-1"])
def test_key_of_nothing_leads_to_the_first_page(key: str) -> None:
    _people(1, 2, 3)
    for name in ("before", "after"):
        assert _names(**{name: key})[0] == "p0p1"


def test_list_of_nothing_is_one_empty_page() -> None:
    assert _names() == ("", "", "")
