"""The queue: what waits for a person, oldest first, for moderators' eyes only."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from moderation.selectors.review import require_moderator, review_queue
from moderation.services.clocks import version_case_open
from registry.models import Version
from registry.services.inspection import MAX_ATTEMPTS
from registry.services.states import version_transition
from registry.services.versions import version_withdraw
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import inspect_and_screen, make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}  # for which the policy engine asks a person


@pytest.fixture
def moderator() -> User:
    return make_user("mo", is_moderator=True)


def test_what_is_held_waits_oldest_first() -> None:
    ada = make_user()
    names = ["first", "second", "third"]
    made = [
        make_version(actor=ada, name=name, content=lora_bytes(seed=seed), declared=HELD)
        for seed, name in enumerate(names, 1)
    ]
    now = timezone.now()
    for version, hours in zip(made, (1, 3, 2), strict=True):
        Version.objects.filter(pk=version.pk).update(submitted_at=now - timedelta(hours=hours))
    assert [version.adapter.name for version in review_queue()] == ["second", "third", "first"]


def test_equal_times_keep_one_order() -> None:
    ada = make_user()
    made = [make_version(actor=ada, name=f"n{n}", content=lora_bytes(seed=n), declared=HELD) for n in (1, 2, 3)]
    Version.objects.update(submitted_at=timezone.now())
    assert [version.pk for version in review_queue()] == [version.pk for version in made]


def test_what_does_not_wait_for_a_moderator_is_left_out() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={"member": ben})
    published = make_version(actor=ada, name="published")
    refused = make_version(actor=ada, name="refused", content=b"no adapter at all")
    waiting = make_submitted(actor=ada, name="waiting", content=lora_bytes(seed=2))
    withdrawn = make_version(actor=ada, name="withdrawn", content=lora_bytes(seed=3), declared=HELD)
    version_withdraw(version=withdrawn, actor=ada, reason="Mistake.")
    members = make_version(actor=ben, name="members", content=lora_bytes(seed=4), namespace=studio.namespace)
    states = {
        v.adapter.name: Version.objects.get(pk=v.pk).state for v in (published, refused, waiting, withdrawn, members)
    }
    assert states == {
        "published": "published",
        "refused": "refused",
        "waiting": "scanning",
        "withdrawn": "withdrawn",
        "members": "in-review",  # but for a maintainer of the studio
    }
    assert not review_queue().exists()


def test_what_broke_the_inspection_waits_too() -> None:
    version = make_submitted(actor=make_user())
    Version.objects.filter(pk=version.pk).update(scan_attempts=MAX_ATTEMPTS)
    inspect_and_screen(version_id=version.pk)
    assert [waiting.state_detail["code"] for waiting in review_queue()] == ["inspection-crashed"]


def test_private_version_waits_too() -> None:
    version = make_version(actor=make_user(), declared=HELD, visibility="private")
    assert [waiting.pk for waiting in review_queue()] == [version.pk]


def test_decided_version_leaves_the_queue() -> None:
    version = make_version(actor=make_user(), declared=HELD)
    version_transition(version=version, to=VersionState.QUARANTINED, actor=None)
    assert not review_queue().exists()


@pytest.mark.parametrize("path", ["/moderation", "/moderation/versions/1"])
def test_pages_do_not_exist_for_others(path: str, client: Client) -> None:
    version = make_version(actor=make_user("ada"), declared=HELD)
    path = path.replace("1", str(version.pk))
    assert client.get(path)["Location"] == f"/sign-in?next={path}"
    for user in (User.objects.get(username="ada"), make_user("eve"), make_user("su", is_superuser=True, is_staff=True)):
        client.force_login(user)
        for response in (client.get(path), client.post(path, {"verdict": "approve", "public_reasoning": "x"})):
            assert response.status_code in {404, 405}
            assert b"Deciding" not in response.content
    assert Version.objects.get().state == "in-review"


def test_only_a_signed_in_moderator_is_one(moderator: User) -> None:
    assert require_moderator(moderator) == moderator
    for actor in (AnonymousUser(), make_user("eve")):
        with pytest.raises(NotFound):
            require_moderator(actor)


def test_queue_page_names_version_reason_and_uploader(client: Client, moderator: User) -> None:
    client.force_login(moderator)
    assert "Nothing waits" in client.get("/moderation").content.decode()
    version = make_version(actor=make_user("ada"), declared=HELD)
    case = version_case_open(version.pk)
    assert case is not None
    text = client.get("/moderation").content.decode()
    assert case.get_absolute_url() in text
    assert "no consent of that person is on file" in text
    assert "ada" in text
