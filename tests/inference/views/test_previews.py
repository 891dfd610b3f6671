"""The previews on the adapter's page: what each state shows, who may cancel and repeat, and when polling ends."""

import uuid

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from inference.models import PreviewJob
from inference.services.previews import job_progress, preview_lease, preview_queue
from inference.states import JobState
from registry.models import Version, VersionImage
from registry.models.adapters import Visibility
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version

pytestmark = pytest.mark.django_db
POLLS = b'hx-trigger="every'


def _open(client: Client, version: Version) -> HttpResponse:
    address = reverse("previews", args=[version.adapter.owner.slug, version.adapter.name, version.number])
    return client.get(address)  # type: ignore[return-value]


def _in_state(job: PreviewJob, state: JobState, **fields: object) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(state=state, **fields)


def test_version_whose_job_is_on_its_way_is_polled_for(client: Client, version: Version) -> None:
    page = _open(client, version)
    assert b"being queued" in page.content
    assert POLLS in page.content


def test_version_that_waits_for_inspection_shows_none_and_does_not_poll(client: Client, ada: User) -> None:
    client.force_login(ada)
    page = _open(client, make_submitted(actor=ada))
    assert b"No preview has been rendered" in page.content
    assert POLLS not in page.content


def test_queued_job_waits_and_is_polled_for(client: Client, job: PreviewJob, version: Version) -> None:
    page = _open(client, version)
    assert b"Previews wait for a worker" in page.content
    assert POLLS in page.content
    assert b"Cancel" not in page.content


def test_running_job_shows_its_picture_and_share(client: Client, job: PreviewJob, version: Version) -> None:
    leased = preview_lease(job_id=str(job.pk), worker="w")
    assert leased is not None
    job_progress(job=leased, pictures_done=1, step=10, steps=20)
    page = _open(client, version)
    assert b"Rendering picture 2 of 4" in page.content
    assert b'value="37"' in page.content or b'value="38"' in page.content
    assert POLLS in page.content


def test_failed_job_says_what_why_and_to_its_owner_what_to_do(
    client: Client, job: PreviewJob, version: Version, ada: User
) -> None:
    _in_state(job, JobState.FAILED, problem={"what": "It does not fit.", "why": "<Too wide>", "remedy": "Choose X."})
    stranger = _open(client, version).content
    assert b"It does not fit." in stranger
    assert b"&lt;Too wide&gt;" in stranger
    assert b"Choose X." not in stranger
    assert b"Retry" not in stranger
    client.force_login(ada)
    owner = _open(client, version).content
    assert b"Choose X." in owner
    assert reverse("preview_retry", args=[job.pk]).encode() in owner
    assert POLLS not in owner


def test_finished_job_shows_the_strip_and_ends_the_polling(client: Client, job: PreviewJob, version: Version) -> None:
    _in_state(job, JobState.DONE)
    picture = VersionImage.objects.create(
        version=version, row=0, column=0, prompt="a <b> circle", seed=1, steps=1, guidance=1, strength=0,
        base_model="tinybase", width=64, height=64, storage_key="images/none.png", sha256="0" * 64,
        screened_at=timezone.now(),
    )  # fmt: skip
    page = _open(client, version).content
    assert reverse("image", args=[picture.pk]).encode() in page
    assert b"a &lt;b&gt; circle" in page
    assert b"AI-generated" in page
    assert b"without" in page
    assert POLLS not in page


def test_newest_job_is_the_one_shown(client: Client, job: PreviewJob, version: Version) -> None:
    _in_state(job, JobState.CANCELLED)
    assert b"The previews were cancelled." in _open(client, version).content
    preview_queue(version=version)
    assert b"Previews wait for a worker" in _open(client, version).content


def test_previews_of_a_private_adapter_are_absent_for_others(client: Client, ada: User) -> None:
    version = make_version(actor=ada, visibility=Visibility.PRIVATE)
    assert _open(client, version).status_code == 404
    client.force_login(ada)
    assert _open(client, version).status_code == 200


@pytest.mark.parametrize("action", ["preview_cancel", "preview_retry"])
class TestWhoMayChangeAJob:
    def test_guest_is_asked_to_sign_in(self, client: Client, job: PreviewJob, action: str) -> None:
        response = client.post(reverse(action, args=[job.pk]))
        assert response.status_code == 302
        assert "next=" in response["Location"]

    def test_reading_the_address_changes_nothing(self, client: Client, job: PreviewJob, ada: User, action: str) -> None:
        client.force_login(ada)
        assert client.get(reverse(action, args=[job.pk])).status_code == 405
        job.refresh_from_db()
        assert job.state == JobState.QUEUED

    def test_stranger_is_not_permitted(self, client: Client, job: PreviewJob, action: str) -> None:
        client.force_login(make_user("bob"))
        assert client.post(reverse(action, args=[job.pk])).status_code == 403
        job.refresh_from_db()
        assert (job.state, job.cancel_requested) == (JobState.QUEUED, False)

    def test_job_of_a_private_adapter_is_absent_like_none(self, client: Client, ada: User, action: str) -> None:
        job = preview_queue(version=make_version(actor=ada, visibility=Visibility.PRIVATE))
        assert job is not None
        client.force_login(make_user("bob"))
        closed, absent = (client.post(reverse(action, args=[pk])) for pk in (job.pk, uuid.uuid4()))
        assert (closed.status_code, absent.status_code) == (404, 404)

    def test_state_it_does_not_fit_is_a_conflict(self, client: Client, job: PreviewJob, ada: User, action: str) -> None:
        _in_state(job, JobState.DONE if action == "preview_cancel" else JobState.RUNNING)
        client.force_login(ada)
        response = client.post(reverse(action, args=[job.pk]))
        assert response.status_code == 409
        assert b"The job is in another state" in response.content


def test_owner_cancels_and_repeats(client: Client, job: PreviewJob, version: Version, ada: User) -> None:
    client.force_login(ada)
    cancelled = client.post(reverse("preview_cancel", args=[job.pk]))
    assert b"The previews were cancelled." in cancelled.content
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    repeated = client.post(reverse("preview_retry", args=[job.pk]))
    assert b"Previews wait for a worker" in repeated.content
    assert version.preview_jobs.filter(state=JobState.QUEUED).count() == 1


def test_member_of_the_organisation_may_cancel_and_a_reader_may_not(client: Client, ada: User) -> None:
    member, reader = make_user("mem"), make_user("rea")
    studio = make_organisation(ada, members={"member": member, "reader": reader})
    job = preview_queue(version=make_version(actor=ada, namespace=studio.namespace))
    assert job is not None
    client.force_login(reader)
    assert client.post(reverse("preview_cancel", args=[job.pk])).status_code == 403
    client.force_login(member)
    assert client.post(reverse("preview_cancel", args=[job.pk])).status_code == 200
