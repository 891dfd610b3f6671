"""What the pages remember: the use and on whose behalf it was asked for, and how much room is left."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, User
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
GATE = ["ada", "style", 1]


@pytest.fixture
def bob(client: Client) -> User:
    make_version(actor=make_user("ada"))
    bob = make_user("bob")
    client.force_login(bob)
    return bob


def test_gate_remembers_the_use_of_a_person(client: Client, bob: User) -> None:
    client.post(reverse("gate", args=GATE), {"step": "ask", "use": "research", "organisation": ""})
    form = client.get(reverse("gate", args=GATE)).context["form"]
    assert form.initial == {"use": "research", "organisation": None}


def test_gate_remembers_the_organisation_and_its_own_use(client: Client, bob: User) -> None:
    studio = make_organisation(bob, "studio")
    client.post(reverse("gate", args=GATE), {"step": "ask", "use": "personal", "organisation": ""})
    client.post(reverse("gate", args=GATE), {"step": "ask", "use": "merging", "organisation": studio.pk})
    form = client.get(reverse("gate", args=GATE)).context["form"]
    assert form.initial == {"use": "merging", "organisation": studio}
    Membership.objects.filter(organisation=studio).delete()
    form = client.get(reverse("gate", args=GATE)).context["form"]
    assert form.initial == {"use": "personal", "organisation": None}


def test_upload_page_says_how_much_room_is_left(client: Client, bob: User, settings: object) -> None:
    settings.QUOTA_USER_BYTES = 3 * 1024**2  # type: ignore[attr-defined]
    make_version(actor=bob, name="mine", content=lora_bytes(rank=64, width=2048))
    room = dict(client.get(reverse("upload")).context["room"])
    (left,) = room.values()
    assert 0 < left < 3 * 1024**2 - 1024**2
