"""My adapters and my downloads: everything of one's own in every state, and nothing of anybody else's."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Namespace, Organisation, User
from governance.policy import Use
from registry.models import Receipt, Upload, Version
from registry.selectors.paging import PAGE
from registry.services.delivery import gate_accept, gate_ask
from registry.services.uploads import upload_create, upload_path
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
UPLOADS, DOWNLOADS = "/account/uploads", "/account/downloads"


@pytest.fixture
def ada(client: Client) -> User:
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def _text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("path", [UPLOADS, DOWNLOADS])
def test_guest_is_sent_to_sign_in_and_nothing_leads_on(path: str, client: Client, ada: User) -> None:
    text = _text(client, path)
    assert "yet" in text
    assert f'href="{reverse("upload") if path == UPLOADS else reverse("home")}"' in text
    client.logout()
    assert client.get(path)["Location"] == f"/sign-in?next={path}"


def test_every_state_is_listed_newest_first_with_its_reason(client: Client, ada: User) -> None:
    make_version(actor=ada, name="out")
    held = make_version(actor=ada, name="held", content=lora_bytes(seed=2), declared={"depicts_real_person": True})
    refused = make_version(actor=ada, name="bad", content=b"no adapter at all", visibility="private")
    make_submitted(actor=ada, name="read", content=lora_bytes(seed=3))
    response = client.get(UPLOADS)
    assert [version.adapter.name for version in response.context["versions"]] == ["read", "bad", "held", "out"]
    text = response.content.decode()
    for state in ("scanning", "refused", "in review", "published"):
        assert f">{state}<" in text
    assert held.state_detail["what"] in text
    assert refused.state_detail["what"] in text


@pytest.mark.parametrize(
    ("role", "sees"), [("owner", True), ("maintainer", True), ("member", True), ("reader", False), (None, False)]
)
def test_unpublished_of_an_organisation_is_for_who_uploads_there(
    role: str | None, sees: bool, client: Client, ada: User
) -> None:
    studio = make_organisation(make_user("boss"), members={role: ada} if role else {})
    make_submitted(actor=User.objects.get(username="boss"), name="waits", namespace=studio.namespace)
    assert ("waits" in _text(client, UPLOADS)) is sees


def test_private_adapter_of_an_organisation_is_not_for_its_other_members(client: Client, ada: User) -> None:
    boss = make_user("boss")
    studio = make_organisation(boss, members={"member": ada})
    make_submitted(actor=boss, name="secret", namespace=studio.namespace, visibility="private")
    assert "secret" not in _text(client, UPLOADS)


def test_strangers_uploads_are_not_mine(client: Client, ada: User) -> None:
    make_version(actor=make_user("bob"), name="theirs")
    assert "theirs" not in _text(client, UPLOADS)


@pytest.fixture
def studio(ada: User) -> Organisation:
    """ada owns it; a member's upload waits there."""
    studio = make_organisation(ada, members={"member": make_user("mem")})
    make_version(actor=User.objects.get(username="mem"), name="ready", namespace=studio.namespace)
    return studio


def test_what_waits_for_me_stands_above_and_is_published_from_there(
    client: Client, ada: User, studio: Organisation
) -> None:
    text = _text(client, UPLOADS)
    assert "Waits for you to publish" in text
    assert text.index("Waits for you to publish") < text.index('id="versions"')
    release = reverse("release", args=["studio", "ready", 1])
    assert release in text
    client.post(release)
    assert Version.objects.get().state == "published"
    assert "Waits for you to publish" not in _text(client, UPLOADS)


def test_who_may_not_publish_sees_it_wait_but_not_for_them(client: Client, ada: User, studio: Organisation) -> None:
    client.force_login(User.objects.get(username="mem"))
    text = _text(client, UPLOADS)
    assert "studio/ready v1" in text
    assert "Waits for you to publish" not in text


def test_what_waits_for_a_moderator_does_not_wait_for_its_owner(client: Client, ada: User) -> None:
    make_version(actor=ada, declared={"depicts_real_person": True})
    assert "Waits for you to publish" not in _text(client, UPLOADS)


def test_many_versions_are_paged_without_a_gap(client: Client, ada: User) -> None:
    first = make_submitted(actor=ada)
    Version.objects.bulk_create(
        Version(
            adapter=first.adapter, number=number, state="draft", created_by=ada, base_model=first.base_model,
            licence_id="apache-2.0", training_sources="x", created_at=first.created_at,
        )
        for number in range(2, PAGE + 4)
    )  # fmt: skip
    page = client.get(UPLOADS)
    numbers = [version.number for version in page.context["versions"]]
    assert len(numbers) == PAGE
    assert page.context["previous_url"] == ""
    rest = client.get(page.context["next_url"])
    numbers += [version.number for version in rest.context["versions"]]
    assert numbers == list(range(PAGE + 3, 0, -1))
    assert rest.context["next_url"] == ""
    assert [v.number for v in client.get(rest.context["previous_url"]).context["versions"]] == numbers[:PAGE]


def _unfinished(actor: User) -> Upload:
    upload = upload_create(
        actor=actor, namespace=Namespace.objects.get(user=actor), filename="half.safetensors", length=10_000_000
    )
    Upload.objects.filter(pk=upload.pk).update(offset=2_500_000)
    return upload


def test_unfinished_upload_says_how_much_arrived_and_how_to_go_on(client: Client, ada: User) -> None:
    _unfinished(ada)
    text = " ".join(_text(client, UPLOADS).replace("\xa0", " ").split())
    assert "half.safetensors" in text
    assert "2.4 MB of 9.5 MB arrived" in text
    assert "Choose the same file" in text
    assert "Nothing uploaded yet" not in text


def test_upload_that_is_used_expired_or_anothers_is_not_listed(client: Client, ada: User) -> None:
    make_submitted(actor=ada)
    old = _unfinished(ada)
    Upload.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    _unfinished(make_user("bob"))
    assert "half.safetensors" not in _text(client, UPLOADS)


def test_discarded_upload_is_gone_with_its_bytes(client: Client, ada: User) -> None:
    upload = make_upload(actor=ada)
    assert upload_path(upload.pk).exists()
    discard = reverse("upload_discard", args=[upload.pk])
    assert client.get(discard).status_code == 405
    assert client.post(discard)["Location"] == UPLOADS
    assert not upload_path(upload.pk).exists()
    assert not Upload.objects.exists()
    assert client.post(discard).status_code == 404


def test_upload_of_somebody_else_or_in_use_cannot_be_discarded(client: Client, ada: User) -> None:
    theirs, used = make_upload(actor=make_user("bob")), make_submitted(actor=ada).upload
    assert used is not None
    for pk in (theirs.pk, used.pk, uuid.uuid4()):
        assert client.post(reverse("upload_discard", args=[pk])).status_code == 404
    assert Upload.objects.count() == 2


def _downloaded(version: Version, user: User, use: Use, organisation: Organisation | None = None) -> Receipt:
    asked = {"actor": user, "organisation": organisation, "version": version, "use": use}
    terms = gate_ask(**asked).terms  # type: ignore[arg-type]
    return gate_accept(**asked, accepted_terms=terms.digest)  # type: ignore[arg-type]


def test_downloads_are_listed_with_use_organisation_and_papers(client: Client, ada: User) -> None:
    version = make_version(actor=make_user("bob"))
    studio = make_organisation(ada)
    mine = _downloaded(version, ada, Use.RESEARCH, studio)
    _downloaded(version, make_user("eve"), Use.MERGING)
    response = client.get(DOWNLOADS)
    assert [receipt.pk for receipt in response.context["receipts"]] == [mine.pk]
    text = response.content.decode()
    for shown in ("bob/style v1", "Research", "Studio", reverse("receipt", args=[mine.pk])):
        assert shown in text
    assert reverse("receipt_notice", args=[mine.pk]) in text
    assert "Merging" not in text


def test_download_of_what_is_no_longer_readable_keeps_its_papers_without_a_dead_link(client: Client, ada: User) -> None:
    version = make_version(actor=make_user("bob"))
    mine = _downloaded(version, ada, Use.PERSONAL)
    version.adapter.visibility = "private"
    version.adapter.listed = False
    version.adapter.save()
    text = _text(client, DOWNLOADS)
    assert "bob/style v1" in text
    assert reverse("version", args=["bob", "style", 1]) not in text
    assert reverse("receipt", args=[mine.pk]) in text


def test_downloads_are_paged_newest_first(client: Client, ada: User) -> None:
    first = _downloaded(make_version(actor=make_user("bob")), ada, Use.PERSONAL)
    Receipt.objects.bulk_create(
        Receipt(acceptance=first.acceptance, file=first.file, body=first.body, notice="", issued_at=first.issued_at)
        for _ in range(PAGE + 1)
    )
    page = client.get(DOWNLOADS)
    rest = client.get(page.context["next_url"])
    shown = [receipt.pk for receipt in [*page.context["receipts"], *rest.context["receipts"]]]
    assert len(shown) == len(set(shown)) == PAGE + 2
    assert rest.context["next_url"] == ""


def test_account_and_menu_lead_to_both(client: Client, ada: User) -> None:
    text = _text(client, "/account")
    assert text.count(f'href="{UPLOADS}"') == 2
    assert text.count(f'href="{DOWNLOADS}"') == 2
