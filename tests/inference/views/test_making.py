"""The pages of making: plans with decision and terms, jobs for their own person alone, forms at a receipt."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.errors import GovernanceRefused
from governance.policy import Use
from inference.errors import GenerationRefused
from inference.models import Making, MakingJob
from inference.selectors.making import NOT_SHOWN
from inference.services.generation import generation_ask
from inference.services.making_forms import form_request
from inference.states import JobState
from registry.errors import NotAvailable
from registry.models import Receipt, Version
from registry.services.delivery import gate_accept, gate_ask
from registry.services.versions import latest_statement, version_withdraw
from registry.states import VersionState
from registry.storage import store_bytes
from tests.factories.accounts import make_user
from tests.factories.generation import spec
from tests.factories.registry import inspect_and_screen
from tests.inference.made import let_out, plan_of, ran, started, starter

pytestmark = pytest.mark.django_db


@pytest.fixture
def bea(db: None) -> User:
    return make_user("bea")


@pytest.fixture
def parts(ada: User) -> tuple[Version, Version]:
    return starter(ada, "striped"), starter(ada, "outlined")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def receipt_of(user: User, version: Version) -> Receipt:
    asked: dict[str, Any] = {"actor": user, "organisation": None, "version": version, "use": Use.PERSONAL}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


MERGE = {
    "adapter_1": "ada/striped", "weight_1": "0.7", "adapter_2": "ada/outlined", "weight_2": "0.5",
    "method": "svd", "rank": "8", "layout": "kohya", "dtype": "float16", "name": "merged", "title": "Merged",
}  # fmt: skip


def _publication(licence: str) -> dict[str, Any]:
    return {
        "title": "Merged", "visibility": "public", "content_level": "general", "licence": licence,
        "allow_derivatives": "on", "allow_different_licence": "on", "commercial_use": ["image"],
        "strength": "1", "rights": "on", "rights_edition": latest_statement().edition,
    }  # fmt: skip


@pytest.mark.slow
def test_merge_is_asked_accepted_made_published_and_downloaded(bea: User, parts: tuple[Version, Version]) -> None:
    client = signed_in(bea)
    wish = {**MERGE, "owner": str(bea.namespace.pk)}
    asked = client.post(reverse("making_merge"), {**wish, "step": "ask"})
    assert asked.status_code == 200
    assert asked.context["answer"].licensing.licence_id == "apache-2.0"
    terms = asked.context["answer"].digest
    sent = client.post(reverse("making_merge"), {**wish, "step": "accept", "terms": terms})
    job = MakingJob.objects.get()
    assert (sent.status_code, sent["Location"]) == (302, reverse("making_job", args=[job.pk]))
    assert b"Waits for a worker" in client.get(sent["Location"]).content
    version = ran(job).version
    assert version is not None
    assert b"is a draft" in client.get(sent["Location"]).content
    published = client.post(reverse("making_publish", args=[job.pk]), _publication("apache-2.0"))
    assert published.status_code == 302
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED, version.state_detail
    assert version.commercial_use == ["image"]
    receipt = receipt_of(make_user("cid"), version)
    assert receipt.file.sha256 == job.sha256
    assert "ada/striped v1" in receipt.notice


@pytest.mark.slow
def test_merge_that_the_rules_leave_to_a_person_is_made_and_meets_one_when_published(ada: User, bea: User) -> None:
    """A draft gives nobody's weights away, to its maker neither; a moderator decides before it does."""
    starter(ada, "striped")
    let_out(starter(ada, "outlined", licence_id="noobai-additions"))
    client = signed_in(bea)
    wish = {**MERGE, "owner": str(bea.namespace.pk)}
    asked = client.post(reverse("making_merge"), {**wish, "step": "ask"})
    assert asked.status_code == 200
    assert b"a moderator has decided what the rules leave open" in asked.content
    terms = asked.context["answer"].digest
    client.post(reverse("making_merge"), {**wish, "step": "accept", "terms": terms})
    job = ran(MakingJob.objects.get())
    assert (job.state, job.problem) == (JobState.DONE, {})
    version = job.version
    assert version is not None
    assert b"until then nobody can download it" in client.get(reverse("making_job", args=[job.pk])).content
    with pytest.raises(NotAvailable):
        receipt_of(bea, version)
    with pytest.raises((GovernanceRefused, GenerationRefused)):
        generation_ask(actor=bea, spec=spec("a house <lora:merged:1>"))
    client.post(reverse("making_publish", args=[job.pk]), _publication(job.licence_id))
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.IN_REVIEW, version.state_detail
    with pytest.raises(NotAvailable):
        receipt_of(bea, version)
    assert let_out(version).state == VersionState.PUBLISHED
    with pytest.raises(GovernanceRefused) as refusal:
        receipt_of(bea, version)
    assert refusal.value.code == "needs-review", "published is not handed out: the gate asks about each use"


def test_accepting_other_terms_shows_the_present_ones_again(bea: User, parts: tuple[Version, Version]) -> None:
    wish = {**MERGE, "owner": str(bea.namespace.pk), "step": "accept", "terms": "0" * 64}
    answer = signed_in(bea).post(reverse("making_merge"), wish)
    assert answer.status_code == 200
    assert answer.context["answer"].terms
    assert not MakingJob.objects.exists()


def test_refused_merge_shows_the_reasons(ada: User, bea: User, parts: tuple[Version, Version]) -> None:
    Version.objects.filter(pk=parts[1].pk).update(allow_derivatives=False)
    wish = {**MERGE, "owner": str(bea.namespace.pk), "step": "ask"}
    answer = signed_in(bea).post(reverse("making_merge"), wish)
    assert answer.status_code == 403
    assert b"permits no derivatives" in answer.content
    assert b"I accept" not in answer.content


def test_wrong_rows_are_named_at_their_place(bea: User, parts: tuple[Version, Version]) -> None:
    wish = {**MERGE, "owner": str(bea.namespace.pk), "step": "ask", "adapter_2": "nobody/nothing"}
    answer = signed_in(bea).post(reverse("making_merge"), wish)
    assert answer.status_code == 422
    assert "adapter_2" in answer.context["form"].errors


def test_address_fills_the_rows(bea: User) -> None:
    page = signed_in(bea).get(reverse("making_merge"), {"with": ["ada/striped@0.7", "ada/outlined"]})
    form = page.context["form"]
    assert [form[name].value() for name in ("adapter_1", "weight_1", "adapter_2", "weight_2")] == [
        "ada/striped", "0.7", "ada/outlined", "1",
    ]  # fmt: skip


def test_job_is_there_for_its_own_person_alone(bea: User, parts: tuple[Version, Version]) -> None:
    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    stranger, moderator = make_user("cid"), make_user("mona", is_moderator=True)
    for method, name in [
        ("get", "making_job"), ("post", "making_cancel"), ("post", "making_retry"), ("get", "making_publish"),
        ("post", "making_publish"), ("get", "api_making_job"), ("post", "api_making_cancel"),
        ("post", "api_making_retry"), ("post", "api_making_publish"), ("post", "api_making_download"),
    ]:  # fmt: skip
        for who in (stranger, moderator):
            answers = [
                getattr(signed_in(who), method)(reverse(name, args=[pk]))
                for pk in (job.pk, uuid.UUID("00000000-0000-4000-8000-000000000000"))
            ]
            assert [answer.status_code for answer in answers] == [404, 404], name
    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (JobState.QUEUED, False)


def test_job_is_cancelled_and_tried_again(bea: User, parts: tuple[Version, Version]) -> None:
    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    client = signed_in(bea)
    client.post(reverse("making_cancel", args=[job.pk]))
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert client.post(reverse("making_cancel", args=[job.pk])).status_code == 409
    client.post(reverse("making_retry", args=[job.pk]))
    assert ran(job).state == JobState.DONE


@pytest.mark.slow
def test_readers_of_a_merge_are_not_told_of_parts_that_they_may_not_see(ada: User, bea: User) -> None:
    public = starter(ada, "striped")
    secret = starter(bea, "outlined", called="secret-work", visibility="private")
    job = ran(started(bea, plan_of(bea, (public, 1.0), (secret, 0.5))))
    version = job.version
    assert version is not None
    client = signed_in(bea)
    client.post(
        reverse("making_publish", args=[job.pk]),
        {
            "title": "Merged", "visibility": "public", "content_level": "general", "licence": "apache-2.0",
            "allow_derivatives": "on", "strength": "1", "rights": "on", "rights_edition": latest_statement().edition,
        },
    )  # fmt: skip
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED, version.state_detail
    place = ["bea", "merged", version.number]
    mine = client.get(reverse("version_made", args=place)).content.decode()
    assert "bea/secret-work" in mine
    stranger = make_user("cid")
    for reader in (Client(), signed_in(stranger)):
        for address in (
            reverse("version_made", args=place), reverse("version", args=place), reverse("adapter", args=place[:2]),
            reverse("api_version_made", args=place), reverse("api_version", args=place),
            reverse("api_adapter", args=place[:2]),
        ):  # fmt: skip
            page = reader.get(address)
            assert page.status_code == 200, address
            assert "secret-work" not in page.content.decode(), address
            assert secret.files.get().sha256 not in page.content.decode(), address
    assert NOT_SHOWN in Client().get(reverse("version_made", args=place)).content.decode()
    receipt = receipt_of(stranger, version)
    assert "secret-work" not in receipt.notice + receipt.acceptance.terms.text + str(receipt.body)
    assert "secret-work" not in str(receipt.acceptance.decision.request) + str(receipt.acceptance.decision.reasons)


def test_form_of_a_file_is_made_once_and_downloaded_under_the_receipt(
    bea: User, parts: tuple[Version, Version]
) -> None:
    receipt = receipt_of(bea, parts[1])
    client, address = signed_in(bea), reverse("receipt_forms", args=[receipt.pk])
    assert client.post(address, {"layout": "diffusers"}).status_code == 302
    assert client.post(address, {"layout": "diffusers"}).status_code == 302
    job = MakingJob.objects.get(kind=Making.FORM)
    assert b"hx-get" in client.get(address, headers={"HX-Request": "true"}).content
    assert ran(job).state == JobState.DONE, job.problem
    page = client.get(address)
    url = page.context["rows"][0]["url"]
    answer = client.get(url)
    assert answer.status_code == 200
    content = b"".join(answer)
    assert len(content) == job.size
    assert "outlined-diffusers.safetensors" in answer["Content-Disposition"]
    version_withdraw(version=parts[1], actor=parts[1].created_by, reason="Mine.")
    assert client.get(url).status_code == 410, "a link ends with the version"


def test_receipt_of_another_gives_no_forms(bea: User, parts: tuple[Version, Version]) -> None:
    receipt = receipt_of(bea, parts[1])
    stranger = signed_in(make_user("cid"))
    address = reverse("receipt_forms", args=[receipt.pk])
    assert stranger.get(address).status_code == 404
    assert stranger.post(address, {"layout": "diffusers"}).status_code == 404
    assert not MakingJob.objects.exists()


def test_form_that_is_the_file_itself_is_refused(bea: User, parts: tuple[Version, Version]) -> None:
    address = reverse("receipt_forms", args=[receipt_of(bea, parts[1]).pk])
    assert signed_in(bea).post(address, {}).status_code == 422


def test_made_files_go_with_their_days_and_with_their_version(
    bea: User, parts: tuple[Version, Version], settings: Any
) -> None:
    from datetime import timedelta

    from django.core.files.storage import default_storage

    from inference.services.making_jobs import made_files_forget

    receipt = receipt_of(bea, parts[1])
    form = form_request(receipt=receipt, actor=bea, options={"dtype": "bfloat16"})
    store_bytes(content=b"made", key="made/x.safetensors")
    MakingJob.objects.filter(pk=form.job_id).update(
        state=JobState.DONE, storage_key="made/x.safetensors", finished_at=form.job.created_at
    )
    assert made_files_forget() == 0
    settings.MADE_FILES_LIFETIME = timedelta(seconds=0)
    assert made_files_forget() == 1
    assert not default_storage.exists("made/x.safetensors")
    again = form_request(receipt=receipt, actor=bea, options={"dtype": "bfloat16"})
    assert again.job.state == JobState.QUEUED


def test_file_made_of_several_goes_with_any_one_of_them(bea: User, parts: tuple[Version, Version]) -> None:
    from django.core.files.storage import default_storage

    from inference.services.making_jobs import made_files_forget

    form = form_request(receipt=receipt_of(bea, parts[1]), actor=bea, options={"dtype": "bfloat16"})
    store_bytes(content=b"made", key="made/y.safetensors")
    MakingJob.objects.filter(pk=form.job_id).update(
        state=JobState.DONE, storage_key="made/y.safetensors", finished_at=form.job.created_at
    )
    form.job.parts.create(version=parts[0], position=form.job.parts.count(), weight=1)
    assert made_files_forget() == 0
    Version.objects.filter(pk=parts[0].pk).update(state="withdrawn")
    assert made_files_forget() == 1
    assert not default_storage.exists("made/y.safetensors")


def test_permissions_cannot_be_wider_than_those_of_the_parts(ada: User, bea: User) -> None:
    first = starter(ada, "striped", commercial_use=("image",), credit_required=True)
    second = starter(ada, "outlined")
    job = ran(started(bea, plan_of(bea, (first, 1.0), (second, 1.0))))
    body = {"rights_edition": latest_statement().edition, "commercial_use": ["image", "sell"]}
    answer = signed_in(bea).post(reverse("api_making_publish", args=[job.pk]), body, content_type="application/json")
    assert answer.status_code == 422
    assert "sell" in answer.json()["errors"]["commercial_use"]
    body = {"rights_edition": latest_statement().edition, "credit_required": False}
    answer = signed_in(bea).post(reverse("api_making_publish", args=[job.pk]), body, content_type="application/json")
    assert "credit_required" in answer.json()["errors"]
