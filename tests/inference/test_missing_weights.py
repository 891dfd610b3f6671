"""Previews of a base model whose weights are not here: said to everybody, a remedy for who runs the workers only."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from inference.services.previews import preview_queue
from registry.models import Version
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
REMEDY, RETRY = "BASE_MODEL_LOCATIONS", "Retry"


@pytest.fixture
def version() -> Version:
    declared = {"base_model": "sd-1-5", "licence_id": "creativeml-openrail-m"}
    version = make_version(actor=make_user("ada"), declared=declared)
    job = preview_queue(version=version)
    assert job is not None
    assert job.state == "skipped"
    return version


def _text(client: Client, user: User, version: Version) -> str:
    client.force_login(user)
    address = reverse("previews", args=[version.adapter.owner.slug, version.adapter.name, version.number])
    return client.get(address).content.decode()


def test_owner_learns_why_and_is_offered_nothing_that_cannot_help(client: Client, version: Version) -> None:
    text = _text(client, version.created_by, version)
    assert "The weights of Stable Diffusion 1.5 are not on this registry" in text
    assert REMEDY not in text
    assert RETRY not in text


@pytest.mark.parametrize("who", ["moderator", "owner on the staff"])
def test_staff_and_moderators_learn_what_to_set(who: str, client: Client, version: Version) -> None:
    owner = version.created_by
    owner.is_staff = True
    owner.save()
    text = _text(client, make_user("mo", is_moderator=True) if who == "moderator" else owner, version)
    assert REMEDY in text
    assert RETRY not in text


def test_owner_may_retry_once_the_weights_are_here(client: Client, version: Version, settings: object) -> None:
    settings.BASE_MODEL_LOCATIONS = {"sd-1-5": "somewhere"}  # type: ignore[attr-defined]
    assert RETRY in _text(client, version.created_by, version)
