"""Preview jobs over the API: listed for readers, cancelled and repeated by those who may."""

import uuid

import pytest
from django.test import Client

from accounts.models import User
from inference.models import PreviewJob
from inference.services.previews import preview_queue
from inference.states import JobState
from registry.models import Version
from registry.models.adapters import Visibility
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db


def _as(user: User, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, list(scopes) or None)[1]}"}


def _list(version: Version) -> str:
    return f"/api/v1/adapters/{version.adapter.owner.slug}/{version.adapter.name}/versions/{version.number}/previews"


def test_jobs_are_listed_newest_first(client: Client, job: PreviewJob, version: Version) -> None:
    PreviewJob.objects.filter(pk=job.pk).update(
        state=JobState.FAILED, pictures_done=1, problem={"what": "a", "why": "b", "remedy": "c"}
    )
    again = preview_queue(version=version)
    assert again is not None
    body = client.get(_list(version)).json()
    assert [(one["id"], one["state"]) for one in body] == [(str(again.pk), "queued"), (str(job.pk), "failed")]
    assert body[1]["problem"] == {"what": "a", "why": "b", "remedy": "c"}
    assert body[1]["share"] == 0.25
    assert "lease_token" not in body[0]
    assert "worker" not in body[0]


def test_jobs_of_a_private_adapter_are_absent_for_others(client: Client, ada: User) -> None:
    version = make_version(actor=ada, visibility=Visibility.PRIVATE)
    preview_queue(version=version)
    assert client.get(_list(version)).status_code == 404
    assert client.get(_list(version), headers=_as(make_user("bob"))).status_code == 404
    assert len(client.get(_list(version), headers=_as(ada)).json()) == 1


def test_owner_cancels_and_repeats(client: Client, job: PreviewJob, ada: User) -> None:
    headers = _as(ada)
    cancelled = client.post(f"/api/v1/previews/{job.pk}/cancel", headers=headers)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    repeated = client.post(f"/api/v1/previews/{job.pk}/retry", headers=headers)
    assert (repeated.status_code, repeated.json()["state"]) == (201, "queued")
    assert repeated.json()["id"] != str(job.pk)


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_guest_stranger_and_narrow_token_change_nothing(
    client: Client, job: PreviewJob, ada: User, action: str
) -> None:
    address = f"/api/v1/previews/{job.pk}/{action}"
    assert client.post(address).status_code == 401
    assert client.post(address, headers=_as(make_user("bob"))).status_code == 403
    assert client.post(address, headers=_as(ada, "read")).status_code == 403
    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (JobState.QUEUED, False)


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_closed_and_absent_jobs_answer_alike(client: Client, ada: User, action: str) -> None:
    job = preview_queue(version=make_version(actor=ada, visibility=Visibility.PRIVATE))
    assert job is not None
    headers = _as(make_user("bob"))
    closed, absent = (client.post(f"/api/v1/previews/{pk}/{action}", headers=headers) for pk in (job.pk, uuid.uuid4()))
    assert closed.status_code == absent.status_code == 404
    assert closed.json() == absent.json()


def test_state_it_does_not_fit_is_a_conflict(client: Client, job: PreviewJob, ada: User) -> None:
    response = client.post(f"/api/v1/previews/{job.pk}/retry", headers=_as(ada))
    assert response.status_code == 409
    body = response.json()
    assert body["code"] == "job-conflict"
    assert "queued" in body["detail"]
    assert body["remedy"]
