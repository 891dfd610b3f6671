"""`/api/v1/images`, creators, tags and enumerations."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from registry.models import SamplePicture, SampleState, Version, VersionImage
from registry.models.adapters import Visibility
from registry.models.samples import SampleKind
from tests.registry.compat.civitai.conftest import Ask, published

pytestmark = pytest.mark.django_db
IMAGES = "/api/v1/images"


def picture(version: Version, number: int, **changes: Any) -> VersionImage:
    given: dict[str, Any] = {
        "version": version,
        "row": number,
        "column": 0,
        "prompt": "a red circle",
        "seed": 7,
        "steps": 15,
        "guidance": 3.0,
        "strength": 1.0,
        "base_model": "tinybase",
        "width": 64,
        "height": 64,
        "storage_key": "images/none.png",
        "sha256": f"{number:064x}",
        "blurhash": "L9TI:j|cfQ|c|co1fQo1fQfQfQfQ",
        "created_at": timezone.now() - timedelta(minutes=number),
        "screened_at": timezone.now(),
    }
    return VersionImage.objects.create(**{**given, **changes})


def sample(version: Version, number: int, **changes: Any) -> SamplePicture:
    given: dict[str, Any] = {
        "version": version,
        "state": SampleState.SHOWN,
        "storage_key": "samples/none.png",
        "sha256": f"{number:064x}",
        "width": 64,
        "height": 64,
        "added_by": version.created_by,
        "added_at": timezone.now() - timedelta(minutes=number, seconds=30),
    }
    return SamplePicture.objects.create(**{**given, **changes})


def test_picture_tells_how_it_was_made(ask: Ask, rosa: User) -> None:
    version = published(rosa, "ink", seed=9)
    row = picture(version, 1)
    (item,) = ask(IMAGES)["items"]
    assert item["url"] == f"http://testserver/images/{row.pk}.png"
    assert (item["hash"], item["width"], item["username"]) == (row.blurhash, 64, "rosa")
    assert item["modelVersionIds"] == [version.pk]
    assert item["meta"]["prompt"] == "a red circle"
    assert (item["meta"]["seed"], item["meta"]["cfgScale"], item["meta"]["Size"]) == (7, 3.0, "64x64")
    assert item["id"] < 2**53


def test_pictures_that_others_may_not_see_are_not_listed(ask: Ask, rosa: User) -> None:
    version = published(rosa, "ink", seed=9)
    picture(version, 1, screened_at=None)
    sample(version, 2, state=SampleState.WAITING)
    sample(version, 3, kind=SampleKind.TRAINING)
    hidden = published(rosa, "hidden", seed=10, visibility=Visibility.PRIVATE)
    picture(hidden, 4)
    assert ask(IMAGES)["items"] == []
    assert ask(IMAGES, modelVersionId=hidden.pk)["items"] == []
    owner = Client()
    owner.force_login(rosa)
    assert len(ask(IMAGES, by=owner, modelId=hidden.adapter_id)["items"]) == 1


@pytest.mark.parametrize("sort", ["Newest", "Oldest"])
def test_pages_hold_each_picture_once_in_order(ask: Ask, client: Client, rosa: User, sort: str) -> None:
    version = published(rosa, "ink", seed=9)
    moment = timezone.now()
    rows = [picture(version, n, created_at=moment - timedelta(hours=n // 3)) for n in range(1, 7)]  # some at one moment
    rows_too = [sample(version, n, added_at=moment - timedelta(hours=n // 3)) for n in range(1, 5)]
    expected = {row.pk.int >> 75 for row in [*rows, *rows_too]}
    answer, seen = ask(IMAGES, limit=3, sort=sort), []
    while True:
        seen += answer["items"]
        if "nextPage" not in answer["metadata"]:
            break
        answer = client.get(answer["metadata"]["nextPage"]).json()
    assert len(seen) == len(expected)
    assert {item["id"] for item in seen} == expected
    moments = [item["createdAt"] for item in seen]
    assert moments == sorted(moments, reverse=sort == "Newest")


def test_pictures_are_narrowed(ask: Ask, rosa: User) -> None:
    first, second = published(rosa, "one", seed=9), published(rosa, "two", seed=10, content_level="mature")
    picture(first, 1), picture(second, 2)
    assert len(ask(IMAGES)["items"]) == 1
    assert len(ask(IMAGES, nsfw="X")["items"]) == 2
    assert len(ask(IMAGES, nsfw="X", modelId=second.adapter_id)["items"]) == 1
    assert ask(IMAGES, username="nobody")["items"] == []
    assert ask(IMAGES, expect=400, nsfw="very")["error"]
    assert ask(IMAGES, expect=400, cursor="x")["error"]
    assert ask(IMAGES, expect=400, limit=201)["error"]


def test_creators_and_tags_are_those_of_what_everybody_may_find(ask: Ask, rosa: User) -> None:
    published(rosa, "one", seed=9, tags=["ink"])
    published(rosa, "hidden", seed=10, tags=["secret"], visibility=Visibility.PRIVATE)
    found = ask("/api/v1/creators")
    assert [(item["username"], item["modelCount"]) for item in found["items"]] == [("rosa", 1)]
    assert found["metadata"]["totalItems"] == 1
    owner = Client()
    owner.force_login(rosa)
    for by in (Client(), owner):
        assert [item["name"] for item in ask("/api/v1/tags", by=by)["items"]] == ["ink"]
    assert ask("/api/v1/tags", query="nk")["items"]
    assert ask("/api/v1/tags", query="secret")["items"] == []
    assert ask("/api/v1/creators", query="nobody")["items"] == []


def test_creators_are_counted_in_pages(ask: Ask, rosa: User) -> None:
    from tests.factories.accounts import make_user

    for number in range(3):
        published(make_user(f"person-{number}"), "style", seed=20 + number)
    found = ask("/api/v1/creators", limit=2)
    assert found["metadata"] | {"nextPage": ""} == {
        "totalItems": 3, "currentPage": 1, "pageSize": 2, "totalPages": 2, "nextPage": "",
    }  # fmt: skip
    assert "page=2" in found["metadata"]["nextPage"]
    assert len(ask("/api/v1/creators", limit=2, page=2)["items"]) == 1


def test_enumerations_name_what_the_filters_accept(ask: Ask, rosa: User) -> None:
    published(rosa, "one", seed=9)
    found = ask("/api/v1/enums")
    for name in found["ActiveBaseModel"]:
        ask("/api/v1/models", baseModels=name)
    for name in found["ModelType"]:
        ask("/api/v1/models", types=name)
    for name in found["ModelSort"]:
        ask("/api/v1/models", sort=name)
    assert {"SD 1.5", "Pony", "Flux.1 D"} <= set(found["BaseModel"])


def test_numbers_of_pictures_are_exact_in_every_json_reader() -> None:
    from registry.compat.civitai.pictures import number_of

    assert number_of(uuid.UUID(int=2**128 - 1)) == 2**53 - 1
    assert float(number_of(uuid.UUID(int=2**128 - 1))) == number_of(uuid.UUID(int=2**128 - 1))
