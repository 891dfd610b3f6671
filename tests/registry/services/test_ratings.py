"""Ratings: only from who downloaded, once each, weighed in the sort, shown as the plain mean."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.policy import Use
from registry.errors import RatingRefused
from registry.models import Adapter, Rating, Version
from registry.models.adapters import RATING_PRIOR, RATING_PRIOR_WEIGHT
from registry.selectors.search import AdapterQuery, adapter_search
from registry.services.delivery import gate_accept, gate_ask
from registry.services.ratings import adapter_rate
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


def _download(actor: User, version: Version) -> None:
    asked = {"actor": actor, "organisation": None, "version": version, "use": Use.PERSONAL}
    gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def test_rating_before_a_download_is_refused(version: Version) -> None:
    with pytest.raises(RatingRefused):
        adapter_rate(actor=make_user("bob"), adapter=version.adapter, stars=5)
    assert not Rating.objects.exists()


def test_own_adapter_cannot_be_rated_even_after_a_download(version: Version) -> None:
    _download(version.created_by, version)
    with pytest.raises(RatingRefused):
        adapter_rate(actor=version.created_by, adapter=version.adapter, stars=5)


def test_second_rating_replaces_the_first(version: Version) -> None:
    bob = make_user("bob")
    _download(bob, version)
    adapter_rate(actor=bob, adapter=version.adapter, stars=1)
    rated = adapter_rate(actor=bob, adapter=version.adapter, stars=4)
    assert rated.rating_count == 1
    assert rated.mean_stars == pytest.approx(4)
    assert rated.rating == pytest.approx((RATING_PRIOR_WEIGHT * RATING_PRIOR + 4) / (RATING_PRIOR_WEIGHT + 1))


@pytest.mark.parametrize("stars", [-1, 0, 6])
def test_stars_out_of_range_are_refused(version: Version, stars: int) -> None:
    bob = make_user("bob")
    _download(bob, version)
    with pytest.raises(RatingRefused, match="stars"):
        adapter_rate(actor=bob, adapter=version.adapter, stars=stars)
    with pytest.raises(IntegrityError), transaction.atomic():
        Rating.objects.create(adapter=version.adapter, user=bob, stars=stars)


def test_one_enthusiast_does_not_lead_the_sort(version: Version) -> None:
    hyped = make_version(actor=make_user("eve"), name="hyped", content=lora_bytes(seed=2))
    fans = [make_user(f"fan{n}") for n in range(8)]
    for fan in fans:
        _download(fan, version)
        adapter_rate(actor=fan, adapter=version.adapter, stars=4)
    _download(fans[0], hyped)
    adapter_rate(actor=fans[0], adapter=hyped.adapter, stars=5)
    page = adapter_search(actor=fans[0], query=AdapterQuery(sort="rating"))
    assert [adapter.name for adapter in page.adapters] == ["style", "hyped"]


def test_page_offers_the_form_to_downloaders_and_takes_stars(client: Client, version: Version) -> None:
    bob = make_user("bob")
    client.force_login(bob)
    page = reverse("adapter", args=["ada", "style"])
    assert "Rate it" not in client.get(page).content.decode()
    _download(bob, version)
    assert "Rate it" in client.get(page).content.decode()
    client.post(reverse("rate", args=["ada", "style"]), {"stars": "5"})
    assert Adapter.objects.get().mean_stars == pytest.approx(5)
    assert "★ 5.0" in client.get(page).content.decode()
    client.post(reverse("rate", args=["ada", "style"]), {"stars": "11"})
    assert Rating.objects.get().stars == 5


def test_api_rates_and_refuses_with_a_problem_document(client: Client, version: Version) -> None:
    bob = make_user("bob")
    _, secret = make_token(bob)
    url = reverse("api_rating", args=["ada", "style"])
    headers = {"Authorization": f"Bearer {secret}"}
    refused = client.put(url, {"stars": 3}, content_type="application/json", headers=headers)
    assert refused.status_code == 403
    assert refused.json()["code"] == "rating-refused"
    _download(bob, version)
    taken = client.put(url, {"stars": 3}, content_type="application/json", headers=headers)
    assert taken.json()["mean_stars"] == pytest.approx(3)
    assert taken.json()["rating_count"] == 1


def test_owner_address_leads_to_their_adapters(client: Client, version: Version) -> None:
    response = client.get("/ada")
    assert response.status_code == 302
    assert response["Location"] == "/?creator=ada"
    assert client.get("/nobody-at-all").status_code == 404
