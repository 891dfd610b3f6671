"""A copy is linked and waits for a person where its uploader may know of the first; a hidden one is told to nobody."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.models import DecisionRecord
from registry.models import Version
from registry.models.adapters import Visibility
from registry.services.review import version_review
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
SAME = lora_bytes(seed=7)
RELABELLED = lora_bytes(seed=7, metadata={"ss_network_module": "networks.lora", "ss_output_name": "another name"})
OTHER = lora_bytes(seed=8)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def _copied(version: Version, original: Version) -> bool:
    return version.duplicate_of == original and version.state == VersionState.IN_REVIEW


@pytest.mark.parametrize("content", [SAME, RELABELLED])
def test_copy_of_a_public_version_is_linked_and_waits(ada: User, bob: User, content: bytes) -> None:
    original = make_version(actor=ada, content=SAME)
    copy = make_version(actor=bob, content=content)
    assert _copied(copy, original)
    assert "ada/style v1" in str(copy.decision.reasons)  # type: ignore[union-attr]


def test_copy_of_ones_own_private_version_is_linked_and_waits(ada: User) -> None:
    original = make_version(actor=ada, content=SAME, visibility=Visibility.PRIVATE)
    assert _copied(make_version(actor=ada, name="again", content=RELABELLED), original)


def test_copy_within_an_organisation_is_linked_for_who_may_read_the_first(ada: User, bob: User) -> None:
    studio = make_organisation(ada, "studio", {"member": bob})
    original = make_version(actor=ada, namespace=studio.namespace, content=SAME, visibility=Visibility.ORGANISATION)
    assert _copied(make_version(actor=bob, content=RELABELLED), original)


def test_first_of_several_copies_is_the_one_that_is_named(ada: User, bob: User) -> None:
    original = make_version(actor=ada, content=SAME)
    make_version(actor=bob, content=RELABELLED)
    assert make_version(actor=make_user("cy"), content=SAME).duplicate_of == original


def test_same_tensors_as_a_new_version_of_the_same_adapter_are_no_copy(ada: User) -> None:
    make_version(actor=ada, content=SAME)
    again = make_version(actor=ada, content=RELABELLED)
    assert again.duplicate_of is None
    assert again.state == VersionState.PUBLISHED


def test_other_tensors_under_the_same_metadata_are_no_copy(ada: User, bob: User) -> None:
    make_version(actor=ada, content=SAME)
    assert make_version(actor=bob, content=OTHER).state == VersionState.PUBLISHED


def _hidden(ada: User, how: str) -> Version:
    """A version with these tensors that no stranger may read."""
    if how == "scanning":
        return make_submitted(actor=ada, content=SAME)
    if how == "in-review":
        return make_version(actor=ada, content=SAME, declared={"depicts_real_person": True})
    if how == "withdrawn-early":
        version = make_version(actor=ada, content=SAME, declared={"depicts_real_person": True})
        return version_transition(version=version, to=VersionState.WITHDRAWN, actor=ada)
    return make_version(actor=ada, content=SAME, visibility=how)


VARIES = re.compile(
    r"(?:owner|adapter)=\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9]{64}|\b[0-9a-f]{40}\b|\d{4}-\d\d-\d\dT[\d:.]+Z"
    r"|\b\d\d:\d\d\b"
)
HASHES = ("sha256", "autov1", "autov2", "autov3", "blake3", "crc32")  # a short one may begin a long one


def _told(client: Client, uploader: User, version: Version) -> tuple[Any, ...]:
    """All that the site tells the uploader of a version, without its ids, digests and times."""
    _, secret = make_token(uploader)
    headers = {"Authorization": f"Bearer {secret}"}
    api = client.get(reverse("api_version", args=[uploader, version.adapter.name, 1]), headers=headers).json()
    for name in ("id", "files"):
        del api[name]
    client.force_login(uploader)
    page = client.get(reverse("version", args=[uploader, version.adapter.name, 1])).content.decode()
    record = client.get(reverse("decision_json", args=[version.decision.public_id])).json()  # type: ignore[union-attr]
    for name in ("subject", "created_at"):
        del record[name]
    for digest in version.files.values_list(*HASHES).get():
        page = re.sub(re.escape(digest), "…", page, flags=re.IGNORECASE) if digest else page
    return tuple(VARIES.sub("…", str(part)) for part in (api, page, record))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["private", "organisation", "in-review", "scanning", "withdrawn-early"])
def test_copy_of_what_is_hidden_looks_like_any_fresh_upload(client: Client, ada: User, bob: User, how: str) -> None:
    _hidden(ada, how)
    probe = make_version(actor=bob, name="style", content=RELABELLED)
    cy = make_user("cyo")
    fresh = make_version(actor=cy, name="style", content=lora_bytes(seed=9, metadata={
        "ss_network_module": "networks.lora", "ss_output_name": "another name"}))  # fmt: skip
    assert probe.state == fresh.state == VersionState.PUBLISHED
    told = [part.replace("bob", "who") for part in _told(client, bob, probe)]
    assert told == [part.replace("cyo", "who") for part in _told(client, cy, fresh)]


def test_hidden_copy_is_no_parent_of_anything_the_uploader_can_ask_for(client: Client, ada: User, bob: User) -> None:
    hidden = make_version(actor=ada, name="very-secret", content=SAME, visibility=Visibility.PRIVATE)
    copy = make_version(actor=bob, content=RELABELLED)
    client.force_login(bob)
    for address in ("version", "api_version", "previews"):
        assert "very-secret" not in client.get(reverse(address, args=["bob", "style", 1])).content.decode()
    assert not DecisionRecord.objects.filter(subject_id=str(copy.pk), reasons__icontains="very-secret").exists()
    assert str(hidden) not in str(copy.decision.request)  # type: ignore[union-attr]


def _taken_out(ada: User, how: str) -> Version:
    if how == "refused by a moderator":
        version = make_version(actor=ada, content=SAME, declared={"depicts_real_person": True})
        mona = make_user("mona", is_moderator=True)
        version_review(version=version, actor=mona, approve=False, public_reasoning="No consent.")
        return version
    version = make_version(actor=ada, name="very-secret", content=SAME)
    return version_transition(version=version, to=VersionState(how), actor=None)


@pytest.mark.parametrize("how", ["quarantined", "taken-down", "refused by a moderator"])
def test_copy_of_what_people_took_out_waits_without_naming_it(client: Client, ada: User, bob: User, how: str) -> None:
    original = _taken_out(ada, how)
    if how == "taken-down":
        original.adapter.visibility = Visibility.PRIVATE
        original.adapter.save()
    copy = make_version(actor=bob, content=RELABELLED)
    assert _copied(copy, original)
    client.force_login(bob)
    page = client.get(reverse("version", args=["bob", "style", 1])).content.decode()
    assert "very-secret" not in page
    assert "ada/" not in page


def test_moderator_sees_what_the_copy_is_a_copy_of(client: Client, ada: User, bob: User) -> None:
    _taken_out(ada, "quarantined")
    copy = make_version(actor=bob, content=RELABELLED)
    client.force_login(make_user("mona", is_moderator=True))
    page = client.get(reverse("review_version", args=[copy.pk])).content.decode()
    assert "ada/very-secret" in page


def test_same_file_is_stored_apart_for_each_adapter(ada: User, bob: User) -> None:
    mine, theirs = make_version(actor=ada, content=SAME), make_version(actor=bob, content=SAME)
    blobs = [version.files.get().blob for version in (mine, theirs)]
    assert blobs[0].sha256 == blobs[1].sha256
    assert blobs[0].pk != blobs[1].pk
    assert blobs[0].storage_key != blobs[1].storage_key
    assert uuid.UUID(str(mine.public_id)) != theirs.public_id
