"""`/api/v1/models`: shapes, filters, pages by key, and what nobody may learn."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from registry.models import Adapter, Version
from registry.models.adapters import Visibility
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_user
from tests.factories.discussions import make_discussion, say
from tests.registry.compat.civitai.conftest import Ask, published

pytestmark = pytest.mark.django_db
MODELS = "/api/v1/models"


def names(answer: Any) -> list[str]:
    return [item["name"] for item in answer["items"]]


def test_model_has_the_shape_that_clients_read(ask: Ask, rosa: User) -> None:
    declared = {"trigger_words": ("sks",), "commercial_use": ("image",), "credit_required": False}
    version = published(rosa, "ink", seed=9, title="Ink", declared=declared, tags=["drawing"], description="*Ink*")
    found = ask(f"{MODELS}/{version.adapter_id}")
    assert found["id"] == version.adapter_id
    assert (found["name"], found["type"], found["nsfw"], found["poi"]) == ("Ink", "LORA", False, False)
    assert found["description"].strip() == "<p><em>Ink</em></p>"
    assert found["allowCommercialUse"] == ["Image"]
    assert found["tags"] == ["drawing"]
    assert found["creator"] == {"username": "rosa", "image": None}
    assert "mode" not in found
    (entry,) = found["modelVersions"]
    assert (entry["id"], entry["index"], entry["trainedWords"]) == (version.pk, 0, ["sks"])
    (file,) = entry["files"]
    row = version.files.get()
    assert file["hashes"]["SHA256"] == row.sha256.upper()
    assert set(file["hashes"]) >= {"AutoV2", "AutoV3", "SHA256", "CRC32", "BLAKE3"}
    assert file["sizeKB"] == row.size / 1024
    assert (file["primary"], file["metadata"]["format"]) == (True, "SafeTensor")
    assert entry["downloadUrl"] == f"http://testserver/api/download/models/{version.pk}"


def test_flags_are_computed_from_the_rules_and_not_from_ticks_alone(ask: Ask, rosa: User) -> None:
    everything = {"commercial_use": ("image", "rent", "sell"), "credit_required": False}
    free = published(rosa, "free", seed=3, declared={**everything, "allow_different_licence": True})
    bound = published(rosa, "bound", seed=4, declared={**everything, "licence_id": "cc-by-nc-4.0"})
    flags = ask(f"{MODELS}/{free.adapter_id}")
    assert flags["allowCommercialUse"] == ["Image", "RentCivit", "Rent", "Sell"]
    assert flags["allowDerivatives"] is True
    flags = ask(f"{MODELS}/{bound.adapter_id}")
    assert flags["allowCommercialUse"] == ["None"]
    assert flags["allowNoCredit"] is False, "the licence asks for attribution, whatever its uploader ticked"


def test_comments_of_its_discussions_are_counted(ask: Ask, rosa: User) -> None:
    version = published(rosa, "talk", seed=5)
    for _ in range(2):
        talk = make_discussion(version.adapter, rosa)
    say(talk, rosa)
    assert ask(f"{MODELS}/{version.adapter_id}")["stats"]["commentCount"] == 3


def test_absent_and_unreadable_models_give_the_same_answer(ask: Ask, rosa: User) -> None:
    private = published(rosa, "hidden", seed=5, visibility=Visibility.PRIVATE)
    absent = ask(f"{MODELS}/987654321", expect=404)
    hidden = ask(f"{MODELS}/{private.adapter_id}", expect=404)
    assert absent["error"] == "No model with id 987654321"
    assert hidden["error"] == f"No model with id {private.adapter_id}"
    assert ask(MODELS)["items"] == []
    for query in ({"ids": private.adapter_id}, {"query": "hidden"}, {"username": "rosa"}):
        assert ask(MODELS, **query)["items"] == []
    owner = Client()
    owner.force_login(rosa)
    assert names(ask(MODELS, by=owner)) == [private.adapter.title]


def test_taken_down_and_withdrawn_models_leave_their_notice(ask: Ask, rosa: User) -> None:
    withdrawn = published(rosa, "gone", seed=6, description="Secret words")
    version_withdraw(version=withdrawn, actor=rosa, reason="Mine.")
    found = ask(f"{MODELS}/{withdrawn.adapter_id}")
    assert (found["mode"], found["modelVersions"], found["tags"]) == ("Archived", [], [])
    removed = published(rosa, "removed", seed=7, description="Secret words")
    from registry.services.holding import version_take_down

    version_take_down(
        version=removed, actor=make_user("mona", is_moderator=True), public_reasoning="Against the rules."
    )
    found = ask(f"{MODELS}/{removed.adapter_id}")
    assert (found["mode"], found["modelVersions"], found["description"]) == ("TakenDown", [], "")
    assert ask(MODELS)["items"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"types": "LORA"}, 3),
        ({"types": "LORA,Checkpoint"}, 3),
        ({"types": "Checkpoint"}, 0),
        ({"types[]": "TextualInversion"}, 0),
        ({"baseModels": "Tinybase"}, 3),
        ({"baseModels": ["SDXL 1.0", "tinybase"]}, 3),
        ({"baseModels": "SDXL 1.0"}, 0),
        ({"username": "ROSA"}, 3),
        ({"username": "nobody"}, 0),
        ({"query": "style"}, 3),
        ({"query": "style 1"}, 1),
        ({"query": "..."}, 0),
        ({"tag": "none-such"}, 0),
        ({"period": "Day"}, 3),
        ({"allowCommercialUse": "Sell"}, 3),
        ({"allowCommercialUse": "None"}, 0),
        ({"allowDerivatives": "true"}, 3),
        ({"allowDerivatives": "false"}, 0),
        ({"allowDifferentLicenses": "false"}, 3),
        ({"nsfw": "true"}, 3),
    ],
)
def test_filters_narrow_the_list(ask: Ask, several: list[Version], query: dict[str, Any], expected: int) -> None:
    assert len(ask(MODELS, **query)["items"]) == expected


def test_flags_filter_exactly_what_the_items_say(ask: Ask, rosa: User) -> None:
    published(rosa, "one", seed=3, declared={"credit_required": False, "licence_id": "mit"})
    published(rosa, "two", seed=4, declared={"credit_required": False, "licence_id": "cc-by-4.0"})
    published(rosa, "three", seed=5, declared={"allow_derivatives": False})
    items = ask(MODELS)["items"]
    for name, flag in [
        ("allowNoCredit", "allowNoCredit"),
        ("allowDerivatives", "allowDerivatives"),
        ("allowDifferentLicenses", "allowDifferentLicense"),
    ]:
        for wanted in (True, False):
            found = ask(MODELS, **{name: str(wanted).lower()})["items"]
            assert {one["id"] for one in found} == {one["id"] for one in items if one[flag] is wanted}, name


def test_what_is_for_adults_is_shown_when_asked_for(ask: Ask, several: list[Version]) -> None:
    Adapter.objects.filter(pk=several[0].adapter_id).update(content_level="mature")
    assert len(ask(MODELS)["items"]) == 2
    shown = ask(MODELS, nsfw="true")["items"]
    assert [one["nsfw"] for one in shown if one["id"] == several[0].adapter_id] == [True]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"sort": "Prettiest"}, "Most Downloaded"),
        ({"types": "Soup"}, "TextualInversion"),
        ({"limit": "101"}, "1 to 100"),
        ({"limit": "x"}, "1 to 100"),
        ({"page": "2", "query": "x"}, "nextPage"),
        ({"ids": "1,two"}, "two"),
        ({"cursor": "nonsense"}, "without it"),
        ({"period": "Century"}, "AllTime"),
        ({"nsfw": "maybe"}, "true or false"),
    ],
)
def test_what_cannot_be_understood_is_named_with_what_can(ask: Ask, query: dict[str, str], word: str) -> None:
    assert word in ask(MODELS, expect=400, **query)["error"]


def test_nonsense_base_model_is_answered_with_all_that_there_are(ask: Ask, several: list[Version]) -> None:
    assert "SDXL 1.0" in ask(MODELS, expect=400, baseModels="GET_ALL_PLEASE")["error"]


def test_own_lists_need_a_token(ask: Ask, rosa: User) -> None:
    assert "token" in ask(MODELS, expect=401, favorites="true")["error"]


@pytest.mark.parametrize("sort", ["Newest", "Oldest", "Most Downloaded", "Highest Rated", "Most Liked", "Most Images"])
def test_pages_by_cursor_neither_repeat_nor_skip(ask: Ask, client: Client, rosa: User, sort: str) -> None:
    before = {published(rosa, f"a-{n}", seed=60 + n).adapter_id for n in range(5)}
    seen: list[int] = []
    answer = ask(MODELS, limit=2, sort=sort)
    for round_ in range(10):
        seen += [item["id"] for item in answer["items"]]
        if "nextPage" not in answer["metadata"]:
            break
        published(rosa, f"b-{round_}", seed=80 + round_)  # while the client reads
        response = client.get(answer["metadata"]["nextPage"])
        answer = response.json()
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_pages_by_number_say_where_they_are(ask: Ask, several: list[Version]) -> None:
    answer = ask(MODELS, limit=2, page=2, sort="Oldest")
    assert names(answer) == [several[2].adapter.title]
    assert answer["metadata"] == {"currentPage": 2, "pageSize": 2}


def test_cursor_of_another_order_is_refused(ask: Ask, several: list[Version]) -> None:
    cursor = ask(MODELS, limit=1, sort="Newest")["metadata"]["nextCursor"]
    assert "another search" in ask(MODELS, expect=400, sort="Oldest", cursor=cursor)["error"]


def test_token_does_not_travel_in_the_next_address(client: Client, ask: Ask, several: list[Version]) -> None:
    from tests.factories.accounts import make_token

    _, secret = make_token(several[0].created_by)
    answer = ask(MODELS, limit=1, token=secret)
    assert secret not in answer["metadata"]["nextPage"]
    assert ask(MODELS, expect=401, token="reg_wrong")["error"]


def test_rate_limits_are_announced(client: Client, db: None) -> None:
    assert int(client.get(MODELS)["RateLimit-Limit"]) > 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(
        st.sampled_from(
            "limit page cursor query ids tag username types baseModels sort period nsfw primaryFileOnly "
            "allowNoCredit allowDerivatives allowDifferentLicenses allowCommercialUse favorites token".split()
        ),
        st.text(max_size=30),
        max_size=5,
    )
)
def test_no_query_breaks_the_list(client: Client, several: list[Version], query: dict[str, str]) -> None:
    cache.clear()  # the rate limit is no subject here
    assert client.get(MODELS, query).status_code in {200, 400, 401}
