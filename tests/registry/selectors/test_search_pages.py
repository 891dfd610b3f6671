"""Search results page by page: each sort, nothing twice and nothing skipped while rows are added, odd cursors."""

import base64
import contextlib
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Namespace, User
from registry.models import Adapter, Tag
from registry.selectors.search import (
    MAX_PAGE,
    SORTS,
    AdapterQuery,
    BadCursor,
    adapter_search,
)
from registry.services.adapters import adapter_update
from registry.services.listing import adapter_refresh
from tests.factories.accounts import make_user
from tests.factories.registry import make_adapter, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
GUEST = AnonymousUser()


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _named(owner: User, name: str, **about: Any) -> Adapter:
    """An adapter with other tensors than every other."""
    return make_adapter(actor=owner, name=name, content=lora_bytes(seed=Adapter.objects.count() + 1), **about)


def _copies(model: Adapter, count: int, start: int = 0) -> list[Adapter]:
    """Listed rows like `model`, made by the hundred for what only reads rows."""
    namespace = Namespace.objects.get(pk=model.owner_id)
    now = timezone.now()
    rows = [
        Adapter(
            owner=namespace,
            name=f"copy-{number}",
            title=f"Copy {number}",
            created_by_id=model.created_by_id,
            listed=True,
            latest_id=model.latest_id,
            published_at=now - timedelta(minutes=number % 7),
            download_count=number % 5,
            rating=number % 3,
            rating_count=1,
            family=model.family,
            kind=model.kind,
        )
        for number in range(start, start + count)
    ]
    made = Adapter.objects.bulk_create(rows)
    Adapter.objects.filter(pk__in=[row.pk for row in made]).update(search=F("search"))
    return made


def _names(**query: Any) -> list[str]:
    return [adapter.name for adapter in adapter_search(actor=GUEST, query=AdapterQuery(**query)).adapters]


def test_each_sort_orders_by_what_it_says(ada: User) -> None:
    for place, name in enumerate(["one", "two", "three"]):
        adapter = _named(ada, name)
        Adapter.objects.filter(pk=adapter.pk).update(
            published_at=timezone.now() + timedelta(days=place), download_count=10 - place, rating=[2, 5, 1][place]
        )
    assert _names(sort="newest") == ["three", "two", "one"]
    assert _names(sort="downloads") == ["one", "two", "three"]
    assert _names(sort="rating") == ["two", "one", "three"]
    assert _names(sort="unknown") == ["three", "two", "one"]
    assert _names(sort="relevance") == ["three", "two", "one"]  # without a text there is none


def _walk(query: AdapterQuery, between: Any = lambda page: None) -> list[int]:
    found: list[int] = []
    cursor = ""
    for number in range(200):
        page = adapter_search(
            actor=GUEST, query=AdapterQuery(**{**query.__dict__, "cursor": cursor})
        )  # fmt: skip
        found += [adapter.pk for adapter in page.adapters]
        if not page.next_cursor:
            return found
        cursor = page.next_cursor
        between(number)
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort != "relevance"])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_hold_everything_once_where_many_are_equal(ada: User, sort: str, limit: int) -> None:
    model = _named(ada, "model")
    made = [model, *_copies(model, 20)]
    found = _walk(AdapterQuery(sort=sort, limit=limit))
    assert sorted(found) == sorted(adapter.pk for adapter in made)


def test_pages_by_relevance_hold_everything_once(ada: User) -> None:
    for number in range(9):
        _named(ada, f"fox-{number}", title="Fox " * (number % 3 + 1), description="fox " * (number % 2))
    found = _walk(AdapterQuery(text="fox", sort="relevance", limit=2))
    assert len(found) == len(set(found)) == 9


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort != "relevance"])
def test_pages_neither_repeat_nor_skip_while_rows_are_added_and_edited(ada: User, sort: str, seed: int) -> None:
    chance = random.Random(seed)
    model = _named(ada, "model")
    stay = {model.pk, *(adapter.pk for adapter in _copies(model, 25))}

    def meanwhile(number: int) -> None:
        _copies(model, chance.randrange(1, 6), start=1000 + 10 * number)  # as good as any that is there
        edited = Adapter.objects.get(pk=chance.choice(sorted(stay)))
        adapter_update(actor=ada, adapter=edited, title=f"Edited {number}")
        Adapter.objects.filter(pk=edited.pk).update(listed=True)  # the copies have no version of their own

    found = _walk(AdapterQuery(sort=sort, limit=chance.randrange(2, 6)), meanwhile)
    assert len(found) == len(set(found)), "a row came twice"
    assert stay <= set(found), "a row was skipped"


def test_new_version_between_two_pages_moves_nothing(ada: User) -> None:
    adapters = [_named(ada, f"a{number}") for number in range(4)]

    def publish(number: int) -> None:
        if number == 0:
            make_version(actor=ada, name="a0", content=lora_bytes(seed=99))

    assert _walk(AdapterQuery(limit=2), publish) == [adapter.pk for adapter in reversed(adapters)]


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-5, 1), (2, 2), (10**9, MAX_PAGE)])
def test_page_size_has_bounds(ada: User, asked: int, given: int) -> None:
    model = _named(ada, "model")
    _copies(model, MAX_PAGE + 1)
    assert len(_names(limit=asked)) == given


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NOW = "2026-01-01T00:00:00+00:00"
BAD_CURSORS = [
    "x", "====", "é", "🦊", "\x00", " ", "bm90IGpzb24",
    *map(_encoded, [
        5, None, [], {}, [1], "abc", ["newest"], ["newest", NOW], ["newest", None, 1], ["newest", 5, 1],
        ["newest", "yesterday", 1], ["newest", "2026-01-01T00:00:00", 1], ["newest", NOW, None], ["newest", NOW, "x"],
        ["newest", NOW, [1]], ["newest", NOW, float("inf")], ["newest", NOW, float("nan")], ["downloads", 1, 1],
        ["rating", 1.5, 1], ["unknown", NOW, 1], [[], NOW, 1], ["newest", "0001-01-01T00:00:00+23:59", 1],
    ]),
    base64.urlsafe_b64encode(b"[" * 3000).decode(),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
]  # fmt: skip


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_unreadable_cursor_is_told_so(client: Client, cursor: str) -> None:
    for address in ("home", "api_adapters"):
        answer = client.get(reverse(address), {"cursor": cursor})
        assert answer.status_code in {200, 400}, address
        if answer.status_code == 400 and address == "api_adapters":
            assert answer.json()["code"] == "bad-cursor"


@pytest.mark.parametrize("sort", ["downloads", "rating"])
@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("-inf"), float("nan"), "1", 10**40, True])
@pytest.mark.parametrize("pk", [1, -1, 10**30, 1.5])
def test_cursor_with_an_odd_number_is_no_error(ada: User, sort: str, value: Any, pk: Any) -> None:
    _named(ada, "model")
    with contextlib.suppress(BadCursor):
        adapter_search(actor=GUEST, query=AdapterQuery(sort=sort, cursor=_encoded([sort, value, pk])))


def test_unreadable_cursor_is_a_problem_document(client: Client) -> None:
    answer = client.get(reverse("api_adapters"), {"cursor": "x"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "bad-cursor"


def test_cursor_of_another_sort_is_refused(ada: User) -> None:
    model = _named(ada, "model")
    _copies(model, 3)
    cursor = adapter_search(actor=GUEST, query=AdapterQuery(limit=1)).next_cursor
    with pytest.raises(BadCursor, match="another sort"):
        adapter_search(actor=GUEST, query=AdapterQuery(sort="downloads", cursor=cursor))


def test_refreshed_row_of_nothing_published_has_no_place(ada: User) -> None:
    model = _named(ada, "model")
    (copy,) = _copies(model, 1)
    assert adapter_refresh(adapter=copy).listed is False
    assert _names() == ["model"]
    assert not Tag.objects.exists()
