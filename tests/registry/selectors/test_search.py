"""Search: prefixes, weights, facets with counts, every sort, and pages that neither repeat nor skip."""

import random
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.policy import ASKED_USES, Outcome, UseRequest, decide
from governance.rulebook import current_ruleset
from registry.models import Adapter, Version
from registry.selectors.search import (
    AdapterQuery,
    adapter_facets,
    adapter_search,
    search_query,
)
from registry.services.policy import version_components
from tests.factories.accounts import make_user
from tests.factories.registry import make_adapter
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
GUEST = AnonymousUser()


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _named(owner: User, name: str, **about: Any) -> Adapter:
    """An adapter with other tensors than every other."""
    return make_adapter(actor=owner, name=name, content=lora_bytes(seed=Adapter.objects.count() + 1), **about)


def _names(**query: Any) -> list[str]:
    return [adapter.name for adapter in adapter_search(actor=GUEST, query=AdapterQuery(**query)).adapters]


# Words


def test_words_are_found_wherever_they_stand(ada: User) -> None:
    _named(ada, "watercolour-fox", title="Painted", description="Soft *okapi* colours", tags=["aquarelle"],
           declared={"trigger_words": ("wtrclr style",)})  # fmt: skip
    for text in ("painted", "watercolour", "fox", "watercolour-fox", "okapi", "aquarelle", "wtrclr", "ada", "lora"):
        assert _names(text=text) == ["watercolour-fox"], text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("wat", True), ("WATER", True), ("water fox", True), ("fox water", True), ("wat fo", True), ("water!", True),
        ("ater", False), ("water wolf", False), ("waters", False), ("", True), ("   ", True), ("?!&|", True),
    ],
)  # fmt: skip
def test_every_word_must_occur_and_may_be_cut_short(ada: User, text: str, found: bool) -> None:
    _named(ada, "picture", title="Water and fox")
    assert (_names(text=text) == ["picture"]) is found


def test_name_counts_more_than_tag_and_tag_more_than_description(ada: User) -> None:
    _named(ada, "third", description="zebra")
    _named(ada, "second", tags=["zebra"])
    _named(ada, "first", title="Zebra")
    assert _names(text="zebra", sort="relevance") == ["first", "second", "third"]


ODD = [
    "'", "''", "a'b", "&", "a & b", "a && b", "!", "!a", "a!", "|", "a|b", "a:b", "a:*", ":*", "(", "a)(", "<->",
    "a <-> b", "\\", "a\\", "%", "_", '"a b"', "\x00", "a\x00b", "é", "日本語", "🦊", "a\u202eb", "\ud800".encode(
        "utf-8", "surrogatepass").decode("utf-8", "replace"), "-", "a-", "-a", ".a", "a.b.c", "x" * 5000,
    "word " * 500, "null", "'; DROP TABLE registry_adapter; --", "ﬁ", "İ", "ß", "\t\n", "0", "1e9", "½", "²",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_odd_text_is_a_search_like_any_other(ada: User, client: Client, text: str) -> None:
    _named(ada, "picture", title="Ordinary")
    adapter_search(actor=GUEST, query=AdapterQuery(text=text, sort="relevance"))
    adapter_facets(actor=GUEST, query=AdapterQuery(text=text))
    for address in ("home", "api_adapters", "api_facets", "may_i"):
        assert client.get(reverse(address), {"q": text}).status_code == 200


@pytest.mark.parametrize("name", ["family", "kind", "use", "tag", "level", "creator", "base_model", "sort", "limit"])
@pytest.mark.parametrize("value", ["\x00", "'", "²", "9" * 30, "-1", "é" * 300, "nobody", "[]"])
def test_odd_choice_leaves_nothing_or_everything_but_never_an_error(client: Client, name: str, value: str) -> None:
    for address in ("home", "api_adapters", "api_facets", "may_i"):
        assert client.get(reverse(address), {name: value}).status_code == 200


def test_text_of_any_seeded_noise_can_be_searched_for(ada: User) -> None:
    _named(ada, "picture")
    noise = random.Random(7)
    for _ in range(60):
        text = "".join(chr(noise.choice([*range(1, 128), 0xE9, 0x3042, 0x1F98A])) for _ in range(noise.randrange(40)))
        if search_query(text) is not None:
            adapter_search(actor=GUEST, query=AdapterQuery(text=text, sort="relevance"))


# Narrowing and facets


@pytest.fixture
def several(ada: User) -> None:
    bob = make_user("bob")
    _named(ada, "one", tags=["red", "blue"], content_level="mature")
    _named(ada, "two", tags=["red"], declared={"commercial_use": ()})
    _named(bob, "three", tags=["blue"], declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"tag": "red"}, {"one", "two"}),
        ({"tag": "RED"}, {"one", "two"}),
        ({"tag": "re"}, set()),
        ({"creator": "bob"}, {"three"}),
        ({"creator": "BOB"}, {"three"}),
        ({"level": "mature"}, {"one"}),
        ({"family": "tinybase"}, {"one", "two", "three"}),
        ({"family": "sdxl"}, set()),
        ({"base_model": "tinybase"}, {"one", "two", "three"}),
        ({"base_model": "sdxl-1-0"}, set()),
        ({"kind": "lora"}, {"one", "two", "three"}),
        ({"use": "commercial-outputs"}, {"one"}),
        ({"use": "personal", "tag": "blue"}, {"one", "three"}),
        ({"text": "two", "tag": "red"}, {"two"}),
    ],
)
def test_choices_narrow(several: None, query: dict[str, str], names: set[str]) -> None:
    assert set(_names(**query)) == names


def _counted(**query: str) -> dict[str, dict[str, int]]:
    facets, capped = adapter_facets(actor=GUEST, query=AdapterQuery(**query))
    assert not capped
    return {name: {facet.value: facet.count for facet in values} for name, values in facets.items()}


def test_facets_count_what_each_choice_would_leave(several: None) -> None:
    counted = _counted()
    assert counted["tag"] == {"blue": 2, "red": 2}
    assert counted["creator"] == {"ada": 2, "bob": 1}
    assert counted["level"] == {"general": 2, "mature": 1}
    assert counted["use"]["commercial-outputs"] == 1
    for name, values in counted.items():
        for value, count in values.items():
            assert len(_names(**{name: value})) == count, (name, value)


def test_facet_ignores_its_own_choice_and_obeys_the_others(several: None) -> None:
    counted = _counted(tag="red")
    assert counted["tag"] == {"blue": 2, "red": 2}
    assert counted["creator"] == {"ada": 2}
    facets, _ = adapter_facets(actor=GUEST, query=AdapterQuery(tag="red"))
    assert [facet.value for facet in facets["tag"] if facet.chosen] == ["red"]


@pytest.mark.parametrize("use", [use.value for use in ASKED_USES])
def test_filter_by_use_agrees_with_the_policy_engine(several: None, use: str) -> None:
    found = set(_names(use=use))
    for version in Version.objects.select_related("adapter__owner", "base_model", "created_by"):
        request = UseRequest(use=next(u for u in ASKED_USES if u.value == use), components=version_components(version))
        allowed = decide(request, current_ruleset()).outcome is Outcome.ALLOW
        assert (version.adapter.name in found) == allowed, version
