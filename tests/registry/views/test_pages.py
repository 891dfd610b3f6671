"""The pages: each renders for whom it should, with what it is for."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from registry.models import Adapter, Version
from registry.models.adapters import Visibility
from registry.services.states import version_transition
from registry.services.versions import Parent
from registry.states import MEANINGS, VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
STYLE = ["ada", "style"]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def version(ada: User) -> Version:
    return make_version(
        actor=ada, title="Old Photos", description="Looks *old*.", tags=["sepia"],
        declared={"trigger_words": ("oldphoto",), "label": "gentle", "notes": "Less **grain**."},
    )  # fmt: skip


def _text(client: Client, name: str, args: list[Any], **more: Any) -> str:
    response = client.get(reverse(name, args=args), **more)
    assert response.status_code == 200
    return response.content.decode()


# The adapter


def test_adapter_page_shows_what_it_is_and_what_may_be_done(client: Client, version: Version) -> None:
    page = _text(client, "adapter", STYLE)
    for part in (
        "Old Photos", "Looks <em>old</em>.", "sepia", "oldphoto", "gentle", "Less <strong>grain</strong>.",
        version.files.get().sha256, "Commercial use of the pictures", "from_pretrained", "ComfyUI", "Tinybase",
    ):  # fmt: skip
        assert part in page, part
    assert reverse("gate", args=[*STYLE, 1]) in page
    assert reverse("adapter_edit", args=STYLE) not in page


def test_address_is_the_same_in_any_case(client: Client, version: Version) -> None:
    assert client.get("/ADA/Style").status_code == 200


def test_owner_finds_what_to_manage(client: Client, ada: User, version: Version) -> None:
    client.force_login(ada)
    page = _text(client, "adapter", STYLE)
    for part in (reverse("adapter_edit", args=STYLE), reverse("withdraw", args=[*STYLE, 1])):
        assert part in page
    assert "Decision about its publication" in page


def test_reader_of_an_organisation_manages_nothing(client: Client, ada: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {"reader": bob})
    make_version(actor=ada, namespace=studio.namespace, visibility=Visibility.ORGANISATION)
    client.force_login(bob)
    page = _text(client, "adapter", ["studio", "style"])
    assert "Manage" not in page
    assert "Members of the organisation" in page


def test_newest_published_version_is_shown_and_older_ones_stay_at_their_address(client: Client, ada: User) -> None:
    make_version(actor=ada, declared={"label": "first"})
    make_version(actor=ada, content=lora_bytes(seed=2), declared={"label": "second"})
    assert client.get(reverse("adapter", args=STYLE)).context["version"].number == 2
    assert client.get(reverse("version", args=[*STYLE, 1])).context["version"].number == 1
    page = _text(client, "adapter", STYLE)
    assert reverse("version", args=[*STYLE, 1]) in page


def test_lineage_leads_both_ways(client: Client, ada: User, version: Version) -> None:
    make_version(actor=ada, name="child", content=lora_bytes(seed=2),
                 declared={"parents": (Parent(version.pk, "fine-tune"),)})  # fmt: skip
    assert reverse("version", args=[*STYLE, 1]) in _text(client, "adapter", ["ada", "child"])
    assert reverse("version", args=["ada", "child", 1]) in _text(client, "adapter", STYLE)


def test_uploader_sees_the_warnings_and_others_do_not(client: Client, ada: User) -> None:
    metadata = {"ss_network_module": "networks.lora", "ss_network_dim": "64"}
    version = make_version(actor=ada, content=lora_bytes(metadata=metadata))
    warning = version.inspection["warnings"][0]["message"][:25]  # type: ignore[index]
    assert warning not in _text(client, "adapter", STYLE)
    client.force_login(ada)
    assert warning in _text(client, "adapter", STYLE)


STATES = [state for state in VersionState if state not in {VersionState.DRAFT, VersionState.SCANNING}]


@pytest.mark.parametrize("state", STATES)
def test_owner_reads_the_state_and_its_reason_in_every_state(client: Client, ada: User, state: VersionState) -> None:
    held = state in {VersionState.IN_REVIEW, VersionState.REFUSED}
    version = make_version(actor=ada, declared={"depicts_real_person": held})
    if version.state != state:
        version_transition(version=version, to=state, actor=None)
    client.force_login(ada)
    page = _text(client, "version", [*STYLE, 1])
    if state is not VersionState.PUBLISHED:
        said = version.state_detail.get("what") or MEANINGS[state]
        assert said in page
        assert f'href="{reverse("gate", args=[*STYLE, 1])}"' not in page


def test_owner_watches_the_inspection_and_the_page_moves_on(client: Client, ada: User) -> None:
    version = make_submitted(actor=ada)
    client.force_login(ada)
    page = _text(client, "adapter", STYLE)
    status = reverse("version_status", args=[*STYLE, 1])
    assert f'hx-get="{status}"' in page
    Version.objects.filter(pk=version.pk).update(scan_progress=0.42)
    fragment = client.get(status, headers=HTMX)
    assert b"42 %" in fragment.content
    assert b"<html" not in fragment.content
    Version.objects.filter(pk=version.pk).update(state="refused", state_detail={"what": "No."})
    assert client.get(status, headers=HTMX)["HX-Refresh"] == "true"
    assert b"No." in client.get(status).content


def test_withdrawn_version_leaves_its_notice_and_no_download(client: Client, ada: User, version: Version) -> None:
    client.force_login(ada)
    form = client.get(reverse("withdraw", args=[*STYLE, 1]))
    assert form.status_code == 200
    assert client.post(reverse("withdraw", args=[*STYLE, 1]), {"reason": ""}).status_code == 200
    assert Version.objects.get().state == VersionState.PUBLISHED
    done = client.post(reverse("withdraw", args=[*STYLE, 1]), {"reason": "Too *strong*."}, follow=True)
    assert "is withdrawn" in done.content.decode()
    guest = Client()
    page = _text(guest, "version", [*STYLE, 1])
    assert "Withdrawn by its owner." in page
    assert "Too *strong*." in page
    assert 'href="/ada/style/v/1/download"' not in page
    assert guest.get(reverse("home")).content.decode().count("Old Photos") == 0


def test_maintainer_publishes_what_a_member_uploaded(client: Client, ada: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {"member": bob})
    make_version(actor=bob, namespace=studio.namespace)
    release = reverse("release", args=["studio", "style", 1])
    client.force_login(bob)
    assert release not in _text(client, "version", ["studio", "style", 1])
    assert client.post(release).status_code == 403
    client.force_login(ada)
    assert release in _text(client, "version", ["studio", "style", 1])
    assert client.post(release).status_code == 302
    assert Version.objects.get().state == VersionState.PUBLISHED
    assert client.post(release).status_code == 409


# Home


def test_home_shows_cards_facets_and_sorts(client: Client, version: Version) -> None:
    page = _text(client, "home", [])
    for part in ("Old Photos", "?family=tinybase", "sepia", "commercial"):
        assert part in page
    assert _text(client, "browse", []).count("Old Photos") == page.count("Old Photos")


def test_home_narrows_and_says_so_when_nothing_is_left(client: Client, version: Version) -> None:
    assert "Old Photos" in _text(client, "home", [], data={"q": "old", "tag": "sepia", "use": "commercial-outputs"})
    response = client.get(reverse("home"), {"q": "nothing-like-it"})
    assert "Old Photos" not in response.content.decode()
    assert response.context["adapters"] == []


def test_home_answers_htmx_with_fragments(client: Client, ada: User) -> None:
    for number in range(26):
        make_version(actor=ada, name=f"a{number}", content=lora_bytes(seed=number + 1))
    whole = client.get(reverse("home"))
    results = client.get(reverse("home"), headers=HTMX)
    assert b"<html" in whole.content
    assert b"<html" not in results.content
    following = whole.context["next_url"]
    more = client.get(following, headers=HTMX)
    assert b"<html" not in more.content
    assert [adapter.name for adapter in more.context["adapters"]] == ["a1", "a0"]
    plain = client.get(following)  # the same link without a script is a page
    assert b"<html" in plain.content


def test_card_of_a_private_adapter_is_seen_by_its_owner_alone(client: Client, ada: User) -> None:
    make_version(actor=ada, title="My Secret", visibility=Visibility.PRIVATE)
    assert "My Secret" not in _text(client, "home", [])
    client.force_login(ada)
    assert "My Secret" in _text(client, "home", [])


# May I?


def test_may_i_answers_with_reasons_for_what_is_chosen(client: Client, ada: User, version: Version) -> None:
    nc = make_version(actor=ada, name="nc", content=lora_bytes(seed=2),
                      declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})  # fmt: skip
    asked = {"adapter": [version.adapter_id, nc.adapter_id], "use": "commercial-outputs"}
    response = client.get(reverse("may_i"), asked)
    assert response.context["decision"]["outcome"] != "allow"
    assert "cc-by-nc-4.0" in response.content.decode()
    alone = client.get(reverse("may_i"), {"adapter": version.adapter_id, "use": "commercial-outputs"})
    assert alone.context["decision"]["outcome"] == "allow"
    fragment = client.get(reverse("may_i"), asked, headers=HTMX)
    assert b"<html" not in fragment.content


@pytest.mark.parametrize(
    "asked",
    [
        {"adapter": "²"}, {"adapter": "9" * 40}, {"adapter": "-1"}, {"adapter": "x"}, {"use": "nothing"},
        {"annual_revenue_usd": "9" * 5000}, {"monthly_users": "²"}, {"territory": "\x00\x00"}, {"q": "\x00"},
        {"receives_payment": "perhaps"},
    ],
)  # fmt: skip
def test_may_i_takes_odd_questions(client: Client, version: Version, asked: dict[str, str]) -> None:
    whole = {"adapter": str(version.adapter_id), "use": "hosted-service", **asked}
    assert client.get(reverse("may_i"), whole).status_code == 200


def test_may_i_leaves_no_record(client: Client, ada: User, version: Version) -> None:
    from governance.models import DecisionRecord

    before = DecisionRecord.objects.count()
    client.force_login(ada)
    client.get(reverse("may_i"), {"adapter": version.adapter_id, "use": "personal"})
    assert DecisionRecord.objects.count() == before


# Errors


def test_unknown_address_is_a_page_for_people_and_a_document_for_programs(client: Client) -> None:
    page = client.get("/ada/nothing")
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")
    assert "Content-Security-Policy" in page
    document = client.get("/ada/nothing", headers={"Accept": "application/json"})
    assert document["Content-Type"] == "application/problem+json"
    assert document.json()["code"] == "not-found"


@pytest.mark.parametrize("path", ["/%00", "/ada/%00", "/ada/style/v/0", f"/ada/style/v/{10**30}", "/ada/style/v/-1"])
def test_odd_address_is_not_found(client: Client, version: Version, path: str) -> None:
    assert client.get(path).status_code == 404


def test_pages_that_change_something_want_a_token_of_the_form(version: Version) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(version.created_by)
    for name, args in (("withdraw", [*STYLE, 1]), ("adapter_edit", STYLE), ("rate", STYLE), ("upload", [])):
        assert strict.post(reverse(name, args=args), {"reason": "x"}).status_code == 403
    assert Version.objects.get().state == VersionState.PUBLISHED
    assert Adapter.objects.get().title == "Old Photos"
