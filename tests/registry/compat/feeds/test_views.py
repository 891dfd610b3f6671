"""Feeds: new versions in their order for any reader, and nothing that a stranger may not see."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.models import AuditEntry
from registry.models import Version
from registry.selectors import news
from registry.services.adapters import adapter_update
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"
Titles = Callable[..., list[str]]


@pytest.fixture
def rosa() -> User:
    return make_user("rosa")


@pytest.fixture
def titles(client: Client) -> Titles:
    """The entries of an Atom feed, newest first."""

    def read(name: str, *args: str, **query: str) -> list[str]:
        response = client.get(reverse(name, args=[*args, "atom"]), query)
        assert (response.status_code, response["Content-Type"]) == (200, "application/atom+xml; charset=utf-8")
        root = ElementTree.fromstring(response.content)
        return [entry.findtext(f"{ATOM}title") or "" for entry in root.iter(f"{ATOM}entry")]

    return read


def made(actor: User, name: str, seed: int, **given: object) -> Version:
    return make_version(actor=actor, name=name, content=lora_bytes(seed=seed), **given)


def test_versions_come_newest_first_also_new_ones_of_old_adapters(rosa: User, titles: Titles) -> None:
    made(rosa, "first", 1)
    made(rosa, "second", 2)
    made(rosa, "first", 3)
    assert titles("feed") == ["first v2", "second v1", "first v1"]
    assert titles("feed_adapter", "rosa", "first") == ["first v2", "first v1"]


def test_owner_and_search_narrow(rosa: User, titles: Titles) -> None:
    made(rosa, "dots", 1, tags=["pattern"])
    made(make_user("sam"), "stripes", 2, tags=["pattern"])
    assert titles("feed_owner", "rosa") == ["dots v1"]
    assert titles("feed_owner", "ROSA") == ["dots v1"]
    assert titles("feed", tag="pattern") == ["stripes v1", "dots v1"]
    assert titles("feed", q="stri") == ["stripes v1"]
    assert titles("feed", q="nothing-like-it") == []


def test_search_feed_has_a_bound(rosa: User, titles: Titles, monkeypatch: pytest.MonkeyPatch) -> None:
    made(rosa, "old", 1, tags=["pattern"])
    made(rosa, "new", 2)
    monkeypatch.setattr(news, "SEARCHED", 1)
    assert titles("feed", tag="pattern") == []


def test_nothing_that_strangers_may_not_see_even_for_its_owner(rosa: User, titles: Titles, client: Client) -> None:
    studio = make_organisation(rosa)
    kept = made(rosa, "kept", 1)
    made(rosa, "hidden", 2, visibility="private")
    made(rosa, "inside", 3, visibility="organisation", namespace=studio.namespace)
    make_submitted(actor=rosa, name="waiting", content=lora_bytes(seed=4))
    gone = made(rosa, "gone", 5)
    version_withdraw(version=gone, actor=rosa, reason="No.")
    client.force_login(rosa)
    assert titles("feed") == titles("feed_owner", "rosa") == titles("feed", level="general") == ["kept v1"]
    assert titles("feed_owner", "studio") == []
    for name in ("hidden", "waiting", "nothing-at-all"):
        assert client.get(reverse("feed_adapter", args=["rosa", name, "atom"])).status_code == 404
    adapter_update(actor=rosa, adapter=kept.adapter, visibility="private")
    assert titles("feed") == []


def test_unchanged_feed_is_answered_with_304(rosa: User, client: Client) -> None:
    for before in (lambda: None, lambda: made(rosa, "dots", 1)):
        before()
        first = client.get(reverse("feed", args=["rss"]))
        again = client.get(reverse("feed", args=["rss"]), headers={"If-None-Match": first["ETag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        assert first["Cache-Control"] == again["Cache-Control"] == "public, no-cache"
    assert ElementTree.fromstring(first.content).findtext("channel/item/title") == "dots v1"


@pytest.mark.parametrize("form", ["atom", "rss"])
def test_words_that_xml_forbids_are_left_out(rosa: User, client: Client, form: str) -> None:
    made(rosa, "odd", 1, title="A\x0bB\ufffe<C>", description="x\x08y & z \U0001f600")
    response = client.get(reverse("feed", args=[form]))
    assert response.status_code == 200
    text = "".join(ElementTree.fromstring(response.content).itertext())
    assert "AB<C> v1" in text
    assert "xy &amp; z \U0001f600" in text


def test_reading_a_feed_leaves_nothing_in_the_log(rosa: User, titles: Titles) -> None:
    made(rosa, "dots", 1)
    before = AuditEntry.objects.count()
    titles("feed")
    assert AuditEntry.objects.count() == before


def test_pages_lead_to_their_feeds(rosa: User, client: Client) -> None:
    made(rosa, "dots", 1, tags=["pattern"])
    assert reverse("feed_adapter", args=["rosa", "dots", "atom"]) in client.get("/rosa/dots").content.decode()
    found = client.get(reverse("home"), {"tag": "pattern", "sort": "downloads"}).content.decode()
    assert f"{reverse('feed', args=['atom'])}?tag=pattern" in found
