"""Facet counts and pages: exact where few match, of the newest where many do, and the same by every way of looking."""

import math
import random
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts.models import Namespace, User
from registry.models import Adapter, BaseModel, Version
from registry.models.adapters import Visibility
from registry.selectors import search, ways
from registry.selectors.access import adapters_visible_apart, adapters_visible_to
from registry.selectors.search import AdapterQuery, adapter_browse, adapter_facets, adapter_search
from registry.services.listing import adapter_index
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import catalogue

pytestmark = pytest.mark.django_db
STRANGER = AnonymousUser()
FAMILIES, KINDS, TAGS = ("sdxl", "sd1", "flux1"), ("lora", "locon"), ("anime", "portrait", "rare")


def shelf(owner: Namespace, by: User, count: int, label: str = "adapter", **given: object) -> list[Adapter]:
    """Adapters as search sees them, with every mixture of family, kind, tag and word; the first is the newest."""
    catalogue()
    base, now = BaseModel.objects.get(slug="sdxl-1-0"), timezone.now()
    made = []
    for number in range(count):
        fields = {
            "owner": owner,
            "created_by": by,
            "name": f"{label}-{number}",
            "title": f"{'Misty' if number % 2 else 'Sunny'} lake {number}",
            "listed": True,
            "published_at": now - timedelta(hours=number // 3),  # some at the same moment
            "base_model": base,
            "family": FAMILIES[number % 3],
            "kind": KINDS[number % 2],
            "tag_names": [TAGS[0], TAGS[1]] if number % 4 else [TAGS[0]],
            "permitted_uses": ["personal", "merging"] if number % 5 else ["personal"],
            "download_count": number % 4,
            "rating": 0.0 if number % 3 else 4.5,
        }
        adapter = Adapter.objects.create(**{**fields, **given})
        adapter.latest = Version.objects.create(adapter=adapter, number=1, created_by=by, base_model=base)
        adapter.save(update_fields=["latest"])
        adapter_index(adapter=adapter)
        made.append(adapter)
    return made


@pytest.fixture
def ada() -> User:
    return make_user("ada")


WAYS = ("walk", "walk further", "look up", "look up to a place", "led", "together", "together to a place")


@pytest.fixture(params=WAYS)
def any_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One way to the first matches, whatever it is expected to cost."""
    take(request.param, monkeypatch)


def take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    to_a_place, looked_up = 2 if "place" in way or "further" in way else None, "look up" in way or "together" in way
    monkeypatch.setattr(ways, "LED", 10_000 if way == "led" else 0)
    monkeypatch.setattr(ways, "SHORT_WALK", 2)
    chosen = ways._Expected.look_up if looked_up else ways._Expected.walk
    monkeypatch.setattr(ways._Expected, "best", lambda self, most: replace(chosen(self, to_a_place), cost=20_000))
    # Nothing is cheaper than to answer all questions at once, or nothing dearer.
    price = -1.0 if "together" in way else math.inf
    monkeypatch.setattr(
        ways._Expected,
        "together",
        lambda self, rows: replace(
            self.look_up(to_a_place), cost=price if bool(rows) is bool(to_a_place) else math.inf
        ),
    )


def counts(facets: dict[str, list[search.Facet]], name: str) -> dict[str, int]:
    return {facet.value: facet.count for facet in facets[name]}


def all_pages(actor: User | AnonymousUser, query: AdapterQuery) -> list[int]:
    found: list[int] = []
    while True:
        page = adapter_search(actor=actor, query=query)
        found += [adapter.pk for adapter in page.adapters]
        if not page.next_cursor:
            return found
        query = AdapterQuery(**{**query.__dict__, "cursor": page.next_cursor})


@pytest.mark.slow
@pytest.mark.usefixtures("any_way")
def test_every_filter_finds_the_same_by_every_way(ada: User) -> None:
    made = shelf(ada.namespace, ada, 24)
    for family, kind, tag, use, word in product(
        ("", "sd1"), ("", "lora"), ("", "portrait"), ("", "merging"), ("", "mis")
    ):
        wanted = [
            adapter.pk
            for adapter in made
            if family in ("", adapter.family)
            and kind in ("", adapter.kind)
            and (not tag or tag in adapter.tag_names)
            and (not use or use in adapter.permitted_uses)
            and (not word or adapter.title.startswith("Misty"))
        ]
        query = AdapterQuery(text=word, family=family, kind=kind, tag=tag, use=use, limit=5)
        assert sorted(all_pages(STRANGER, query)) == sorted(wanted)
        assert len(all_pages(STRANGER, query)) == len(wanted)


@pytest.mark.usefixtures("any_way")
@pytest.mark.parametrize("sort", ["newest", "downloads", "rating", "relevance"])
def test_pages_of_each_sort_hold_every_match_once_in_order(ada: User, sort: str) -> None:
    made = shelf(ada.namespace, ada, 17)
    found = all_pages(STRANGER, AdapterQuery(text="lake", sort=sort, limit=4))
    key = search.ORDERS[sort]
    if key != "rank":
        in_order = sorted(made, key=lambda adapter: (getattr(adapter, key), adapter.pk), reverse=True)
        assert found == [adapter.pk for adapter in in_order]
    assert sorted(found) == sorted(adapter.pk for adapter in made)


def test_counts_leave_out_the_facets_own_choice(ada: User) -> None:
    shelf(ada.namespace, ada, 12)
    facets, capped = adapter_facets(actor=STRANGER, query=AdapterQuery(family="sd1", kind="lora"))
    assert counts(facets, "family") == {"sdxl": 2, "sd1": 2, "flux1": 2}
    assert counts(facets, "kind") == {"lora": 2, "locon": 2}
    assert counts(facets, "level") == {"general": 2}
    assert counts(facets, "creator") == {"ada": 2}
    assert not capped
    assert [facet.value for facet in facets["family"] if facet.chosen] == ["sd1"]


def test_counts_look_at_the_newest_when_more_match_than_candidates(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 6)
    shelf(ada.namespace, ada, 3, "old", family="sd3", published_at=timezone.now() - timedelta(days=9))
    shelf(ada.namespace, ada, 6)
    facets, capped = adapter_facets(actor=STRANGER, query=AdapterQuery())
    assert capped
    assert counts(facets, "family") == {"sdxl": 2, "sd1": 2, "flux1": 2}


def test_counts_are_exact_up_to_the_last_candidate(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 6)
    shelf(ada.namespace, ada, 6)
    facets, capped = adapter_facets(actor=STRANGER, query=AdapterQuery())
    assert not capped
    assert sum(counts(facets, "family").values()) == 6


def test_relevance_of_later_pages_keeps_its_candidates_when_newer_ones_come(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 6)
    made = shelf(ada.namespace, ada, 6)
    query = AdapterQuery(text="lake", sort="relevance", limit=2)
    page = adapter_search(actor=STRANGER, query=query)
    newer = shelf(make_user("bob").namespace, ada, 4, published_at=timezone.now() + timedelta(hours=1))
    seen = [adapter.pk for adapter in page.adapters]
    seen += all_pages(STRANGER, AdapterQuery(text="lake", sort="relevance", limit=2, cursor=page.next_cursor))
    assert sorted(seen) == sorted(adapter.pk for adapter in made)
    assert not {adapter.pk for adapter in newer} & set(seen)


@pytest.mark.usefixtures("any_way")
@pytest.mark.parametrize("role", ["reader", "member", "maintainer"])
def test_members_are_counted_what_is_inside_and_strangers_are_not(ada: User, role: str) -> None:
    bob, eve = make_user("bob"), make_user("eve")
    studio = make_organisation(ada, "studio", {role: bob})
    shelf(ada.namespace, ada, 6)
    shelf(studio.namespace, ada, 4, "shared", listed=False, visibility=Visibility.ORGANISATION, family="wan")
    shelf(studio.namespace, ada, 3, "closed", listed=False, visibility=Visibility.PRIVATE, family="kolors")
    shelf(studio.namespace, ada, 2, "draft", listed=False, published_at=None, family="sd2")
    inside = {"wan": 4} | ({"kolors": 3} if role == "maintainer" else {})
    for actor, more in ((STRANGER, {}), (eve, {}), (bob, inside)):
        page, facets, _ = adapter_browse(actor=actor, query=AdapterQuery(text="lake", sort="newest"))
        assert counts(facets, "family") == {"sdxl": 2, "sd1": 2, "flux1": 2, **more}
        assert len(page.adapters) == 6 + sum(more.values())
        for family in ("wan", "kolors"):
            hidden = adapter_search(actor=actor, query=AdapterQuery(family=family)).adapters
            assert len(hidden) == more.get(family, 0)


def test_parts_are_together_what_is_visible_and_do_not_overlap(ada: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {"member": bob})
    shelf(studio.namespace, ada, 3)
    shelf(studio.namespace, ada, 3, "closed", listed=False, visibility=Visibility.PRIVATE)
    shelf(ada.namespace, ada, 3, listed=False, visibility=Visibility.PRIVATE)
    shelf(bob.namespace, bob, 2, listed=False, published_at=None)
    shelf(make_user("eve").namespace, bob, 2, listed=False, visibility=Visibility.PRIVATE)
    for actor in (STRANGER, ada, bob):
        apart = [pk for part in adapters_visible_apart(actor) for pk in part.rows.values_list("pk", flat=True)]
        assert sorted(apart) == sorted(adapters_visible_to(actor).values_list("pk", flat=True))
        assert len(apart) == len(set(apart))


@pytest.mark.parametrize("candidates", [3, 500])
@pytest.mark.parametrize("sort", ["newest", "downloads", "rating", "relevance"])
def test_browse_answers_what_search_and_facets_answer(
    ada: User, sort: str, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CANDIDATES", candidates)
    shelf(ada.namespace, ada, 30)
    query = AdapterQuery(text="misty", family="sd1", sort=sort, limit=2)
    for _ in range(2):
        page, facets, capped = adapter_browse(actor=ada, query=query)
        assert page == adapter_search(actor=ada, query=query)
        assert (facets, capped) == adapter_facets(actor=ada, query=query)
        assert page.next_cursor or candidates == 3
        query = AdapterQuery(**{**query.__dict__, "cursor": page.next_cursor})


@pytest.mark.parametrize("sort", ["newest", "downloads", "relevance"])
def test_a_cursor_of_another_sort_or_none_is_refused(ada: User, sort: str) -> None:
    shelf(ada.namespace, ada, 3)
    other = adapter_search(actor=STRANGER, query=AdapterQuery(sort="rating", limit=1)).next_cursor
    for cursor in (other, "nonsense", "WyJuZXdlc3QiXQ", "W10"):
        with pytest.raises(search.BadCursor):
            adapter_search(actor=STRANGER, query=AdapterQuery(text="lake", sort=sort, cursor=cursor))


QUERIES = [
    AdapterQuery(text=text, family=family, tag=tag, use=use, sort=sort, limit=3)
    for text, family, tag, use, sort in product(
        ("", "mis", "lake sun"), ("", "sd1"), ("", "rare", "portrait"), ("", "merging"), ("newest", "downloads")
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_answer_depends_on_what_the_database_expects(ada: User, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 7)
    studio = make_organisation(ada, "studio", {"member": make_user("bob")})
    shelf(make_user("eve").namespace, ada, 20)
    shelf(studio.namespace, ada, 8, "shared", listed=False, visibility=Visibility.ORGANISATION)
    bob, chance = User.objects.get(username="bob"), random.Random(seed)
    asked = chance.sample(QUERIES, 12)
    right = [adapter_browse(actor=bob, query=query) for query in asked]
    monkeypatch.setattr(ways, "SHORT_WALK", 2)
    monkeypatch.setattr(ways.Estimates, "_rows", lambda self, name, rows: 10 ** chance.uniform(0, 7))
    for query, answer in zip(asked, right, strict=True):
        for _ in range(3):
            assert adapter_browse(actor=bob, query=query) == answer, query
