"""What a moderator sees of a case, and the history of decided ones."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.models import DecisionRecord
from registry.models import Version, VersionImage
from registry.selectors.paging import PAGE
from registry.services.inspection import MAX_ATTEMPTS
from registry.services.review import version_review
from tests.factories.accounts import make_user
from tests.factories.registry import inspect_and_screen, make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}
REASONING = "No consent of the person was given."


@pytest.fixture
def moderator(client: Client) -> User:
    moderator = make_user("mo", is_moderator=True)
    client.force_login(moderator)
    return moderator


def _case(client: Client, version: Version) -> str:
    response = client.get(reverse("review_version", args=[version.pk]))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def _decided(version: Version, moderator: User, *, approve: bool = False) -> DecisionRecord:
    return version_review(
        version=version, actor=moderator, approve=approve, public_reasoning=REASONING, private_notes="Asked twice."
    )


def test_case_shows_declaration_previews_and_inspection(client: Client, moderator: User) -> None:
    declared = {
        **HELD,
        "training_sources": "Twelve portraits.",
        "commercial_use": ("image",),
        "allow_derivatives": False,
    }
    content = lora_bytes(metadata={"modelspec.license": "CC-BY-NC-4.0"})
    version = make_version(actor=make_user("ada"), declared=declared, content=content, tags=["face"])
    picture = VersionImage.objects.create(
        version=version, row=0, column=0, prompt="p", seed=1, steps=1, guidance=1, strength=0,
        base_model="tinybase", width=64, height=64, storage_key="images/none.png", sha256="0" * 64,
    )  # fmt: skip
    text = _case(client, version)
    assert reverse("image", args=[picture.pk]) in text
    for shown in (
        "Twelve portraits.",
        "Sell pictures made with it",
        "derivatives not allowed",
        "face",
        "in kohya layout",
    ):
        assert shown in text
    assert '<dt>Depicts a real person</dt><dd><span class="badge badge--review">yes' in text
    assert f"edition {version.rights_statement.edition}" in text  # type: ignore[union-attr]
    assert text.count("Twelve portraits.") == 1


def test_case_shows_the_warnings_of_the_inspection(client: Client, moderator: User) -> None:
    version = make_version(actor=make_user("ada"), declared={"base_model": "sdxl-1-0", "licence_id": "openrail++"})
    warnings = (version.inspection or {})["warnings"]
    assert warnings
    text = _case(client, version)
    for warning in warnings:
        assert warning["message"] in text
    assert version.state_detail["why"] in text  # the licences allow it, so no decision says why it is held


def test_case_links_what_it_copies(client: Client, moderator: User) -> None:
    make_version(actor=make_user("ada"))
    copy = make_version(actor=make_user("eve"), name="copy")
    assert f'href="{reverse("version", args=["ada", "style", 1])}"' in _case(client, copy)


def test_reasoning_stands_once(client: Client, moderator: User) -> None:
    version = make_version(actor=make_user("ada"), declared=HELD)
    assert _case(client, version).count("no consent of that person is on file") == 1
    record = _decided(version, moderator)
    assert _case(client, version).count(REASONING) == 1
    decision = " ".join(client.get(f"/decisions/{record.public_id}").content.decode().split())
    assert decision.split("How it went on")[0].count(REASONING) == 1


def test_case_without_decision_says_why_it_waits(client: Client, moderator: User) -> None:
    version = make_submitted(actor=make_user("ada"))
    Version.objects.filter(pk=version.pk).update(scan_attempts=MAX_ATTEMPTS)
    inspect_and_screen(version_id=version.pk)
    assert "A check that does not finish is never a pass." in _case(client, version)


def test_history_lists_what_moderators_decided_and_nothing_else(client: Client, moderator: User) -> None:
    ada = make_user("ada")
    assert "Nothing decided yet" in client.get("/moderation/decided").content.decode()
    refused = _decided(make_version(actor=ada, name="one", declared=HELD), moderator)
    out = _decided(
        make_version(actor=ada, name="two", content=lora_bytes(seed=2), declared=HELD), moderator, approve=True
    )
    make_version(actor=ada, name="by-the-engine", content=lora_bytes(seed=3))
    page = client.get("/moderation/decided")
    assert list(page.context["records"]) == [out, refused]
    text = page.content.decode()
    for shown in ("ada/one v1", "ada/two v1", REASONING, "Asked twice.", f"/decisions/{refused.public_id}"):
        assert shown in text
    assert "by-the-engine" not in text
    assert "/moderation/decided" in client.get("/moderation").content.decode()


def test_history_is_paged(client: Client, moderator: User) -> None:
    record = _decided(make_version(actor=make_user("ada"), declared=HELD), moderator)
    DecisionRecord.objects.bulk_create(
        DecisionRecord(
            actor=moderator, subject_type="registry.version", subject_id="1", subject_label=f"more {n}",
            action="publish", outcome="deny", request={}, reasons=record.reasons, ruleset_digest="0" * 64,
            created_at=record.created_at,
        )
        for n in range(PAGE)
    )  # fmt: skip
    page = client.get("/moderation/decided")
    rest = client.get(page.context["next_url"])
    shown = [row.pk for row in [*page.context["records"], *rest.context["records"]]]
    assert len(set(shown)) == len(shown) == PAGE + 1


def test_history_does_not_exist_for_others(client: Client) -> None:
    assert client.get("/moderation/decided")["Location"] == "/sign-in?next=/moderation/decided"
    client.force_login(make_user("eve"))
    assert client.get("/moderation/decided").status_code == 404
