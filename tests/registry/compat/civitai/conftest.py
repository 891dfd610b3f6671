"""Some adapters as Civitai's clients look for them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Version
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

Ask = Callable[..., Any]


@pytest.fixture
def rosa(db: None) -> User:
    return make_user("rosa")


@pytest.fixture
def ask(client: Client) -> Ask:
    """The JSON answer of a GET, which has to succeed unless another status is expected."""

    def get(path: str, *, expect: int = 200, by: Client = client, **query: Any) -> Any:
        response = by.get(path, query)
        assert response.status_code == expect, response.content
        return response.json()

    return get


@pytest.fixture
def several(rosa: User) -> list[Version]:
    """Three published adapters, the oldest first."""
    return [published(rosa, f"style-{n}", seed=40 + n) for n in range(3)]


def published(actor: User, name: str, *, seed: int, **given: Any) -> Version:
    version = make_version(actor=actor, name=name, content=lora_bytes(seed=seed), **given)
    assert version.state == "published", version.state_detail
    return version
