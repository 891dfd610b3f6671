"""What search and cards read is the newest published version, whatever becomes of it."""

import pytest
from django.utils import timezone

from accounts.models import User
from registry.models import Adapter, Version, VersionImage
from registry.models.adapters import Visibility
from registry.selectors.search import AdapterQuery, adapter_search
from registry.services.adapters import MAX_TAGS, adapter_update, clean_tag
from registry.services.listing import adapter_refresh
from registry.services.states import version_transition
from registry.services.versions import version_withdraw
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def pair(ada: User) -> tuple[Version, Version]:
    old = make_version(actor=ada, declared={"trigger_words": ("oldword",), "commercial_use": ()})
    new = make_version(actor=ada, content=lora_bytes(seed=2), declared={"trigger_words": ("newword",)})
    return old, new


def _adapter() -> Adapter:
    return Adapter.objects.get()


def _found(actor: User, text: str) -> list[str]:
    return [adapter.name for adapter in adapter_search(actor=actor, query=AdapterQuery(text=text)).adapters]


def test_newest_published_version_is_the_one_that_counts(ada: User, pair: tuple[Version, Version]) -> None:
    assert _adapter().latest == pair[1]
    assert _adapter().trigger_words == ["newword"]
    assert "commercial-outputs" in _adapter().permitted_uses
    assert (_found(ada, "newword"), _found(ada, "oldword")) == (["style"], [])


def test_withdrawn_newest_falls_back_to_the_one_before(ada: User, pair: tuple[Version, Version]) -> None:
    version_withdraw(version=pair[1], actor=ada, reason="Broken.")
    assert _adapter().latest == pair[0]
    assert _adapter().trigger_words == ["oldword"]
    assert "commercial-outputs" not in _adapter().permitted_uses
    assert (_found(ada, "newword"), _found(ada, "oldword")) == ([], ["style"])


def test_withdrawn_older_one_changes_nothing(ada: User, pair: tuple[Version, Version]) -> None:
    version_withdraw(version=pair[0], actor=ada, reason="Old.")
    assert _adapter().latest == pair[1]


@pytest.mark.parametrize("state", ["withdrawn", "quarantined", "taken-down", "in-review"])
def test_adapter_without_a_published_version_is_not_listed(ada: User, state: str) -> None:
    version = make_version(actor=ada)
    published_at = _adapter().published_at
    version_transition(version=version, to=VersionState(state), actor=None)
    assert not _adapter().listed
    assert _adapter().latest is None
    assert _found(make_user("bob"), "style") == []
    assert _adapter().published_at == published_at


def test_older_version_that_comes_back_does_not_displace_the_newest(ada: User, pair: tuple[Version, Version]) -> None:
    version_transition(version=pair[0], to=VersionState.QUARANTINED, actor=None)
    version_transition(version=pair[0], to=VersionState.PUBLISHED, actor=None)
    assert _adapter().latest == pair[1]


def test_new_version_does_not_move_the_adapter_to_the_top_again(ada: User) -> None:
    make_version(actor=ada)
    first = _adapter().published_at
    make_version(actor=ada, content=lora_bytes(seed=2))
    assert _adapter().published_at == first


def test_hidden_adapter_leaves_the_lists_and_comes_back(ada: User) -> None:
    make_version(actor=ada)
    adapter_update(actor=ada, adapter=_adapter(), visibility=Visibility.PRIVATE)
    assert not _adapter().listed
    adapter_update(actor=ada, adapter=_adapter(), visibility=Visibility.PUBLIC)
    assert _adapter().listed


def test_edited_words_are_found_at_once(ada: User) -> None:
    make_version(actor=ada)
    adapter_update(actor=ada, adapter=_adapter(), title="Zebra", description="An okapi", tags=["Quagga"])
    for word in ("zebra", "okapi", "quagga"):
        assert _found(ada, word) == ["style"]
    adapter_update(actor=ada, adapter=_adapter(), title="Horse", description="", tags=[])
    for word in ("zebra", "okapi", "quagga"):
        assert _found(ada, word) == []


def test_tags_are_few_clean_and_single(ada: User) -> None:
    make_version(actor=ada)
    adapter_update(actor=ada, adapter=_adapter(), tags=[" Two  Words ", "two words", *(f"t{n}" for n in range(30))])
    names = _adapter().tag_names
    assert len(names) == MAX_TAGS
    assert "two words" in names
    assert clean_tag("X" * 50) == "x" * 40


def test_card_shows_the_strongest_picture_of_the_newest_version(ada: User, pair: tuple[Version, Version]) -> None:
    pictures = [
        VersionImage.objects.create(
            version=version,
            row=0,
            column=column,
            prompt="",
            seed=1,
            steps=1,
            guidance=1,
            strength=column,
            base_model="tinybase",
            width=1,
            height=1,
            storage_key="x",
            sha256="0" * 64,
            screened_at=timezone.now(),
        )
        for version in pair
        for column in (0, 1)
    ]
    assert adapter_refresh(adapter=_adapter()).thumbnail == str(pictures[3].pk)
    version_withdraw(version=pair[1], actor=ada, reason="Broken.")
    assert _adapter().thumbnail == str(pictures[1].pk)
    version_withdraw(version=pair[0], actor=ada, reason="Broken too.")
    assert _adapter().thumbnail == ""
