"""Editing an adapter through its page: what was typed is what is kept."""

import pytest
from django.test import Client
from django.urls import reverse

from registry.models import Adapter
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
EDIT = reverse("adapter_edit", args=["ada", "style"])
SENT = {"title": "Style", "description": "", "visibility": "public", "content_level": "general"}


def test_tags_stay_words_when_the_form_is_saved_and_saved_again(client: Client) -> None:
    ada = make_user("ada")
    make_version(actor=ada, tags=["old"])
    client.force_login(ada)
    assert client.post(EDIT, {**SENT, "tags": " style, mine ,, two  words"}).status_code == 302
    assert Adapter.objects.get().tag_names == ["mine", "style", "two words"]
    shown = client.get(EDIT).context["form"].initial["tags"]
    client.post(EDIT, {**SENT, "tags": shown})
    assert Adapter.objects.get().tag_names == ["mine", "style", "two words"]


def test_emptied_tags_are_gone(client: Client) -> None:
    ada = make_user("ada")
    make_version(actor=ada, tags=["old"])
    client.force_login(ada)
    client.post(EDIT, {**SENT, "tags": ""})
    assert Adapter.objects.get().tag_names == []
