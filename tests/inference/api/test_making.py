"""The API of making: plans, jobs, publication, forms; the same services and refusals as the pages."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.policy import Use
from inference.models import Making, MakingJob
from inference.states import JobState
from registry.models import Version
from registry.services.delivery import gate_accept, gate_ask
from registry.services.versions import latest_statement
from registry.states import VersionState
from tests.factories.accounts import make_token, make_user
from tests.inference.made import ran, starter

pytestmark = pytest.mark.django_db


@pytest.fixture
def bea(db: None) -> User:
    return make_user("bea")


@pytest.fixture
def parts(ada: User) -> tuple[Version, Version]:
    return starter(ada, "striped"), starter(ada, "outlined")


class Caller:
    """A program with a token."""

    def __init__(self, user: User, scopes: list[str] | None = None) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {make_token(user, scopes)[1]}"})

    def post(self, name: str, body: Any = None, *args: Any) -> Any:
        return self.client.post(reverse(name, args=args), json.dumps(body or {}), content_type="application/json")

    def get(self, name: str, *args: Any) -> Any:
        return self.client.get(reverse(name, args=args))


MERGE = {
    "parts": [{"adapter": "ada/striped", "weight": 0.7}, {"adapter": "ada/outlined/v/1", "weight": 0.5}],
    "rank": 8, "owner": "bea", "name": "merged",
}  # fmt: skip


def test_merge_is_asked_accepted_made_and_published(bea: User, parts: tuple[Version, Version]) -> None:
    caller = Caller(bea)
    asked = caller.post("api_making_merges", MERGE)
    assert (asked.status_code, asked.json()["code"]) == (403, "acceptance-needed")
    assert asked.json()["licence"] == "apache-2.0"
    made = caller.post("api_making_merges", {**MERGE, "accepted_terms": asked.json()["terms"]})
    assert made.status_code == 201, made.json()
    assert made.json()["parts"] == [
        {"adapter": "ada/striped/v/1", "weight": 0.7, "proposed_weight": None},
        {"adapter": "ada/outlined/v/1", "weight": 0.5, "proposed_weight": None},
    ]
    job = MakingJob.objects.get(pk=made.json()["id"])
    assert caller.post("api_making_publish", {"rights_edition": "x"}, job.pk).status_code == 409
    ran(job)
    found = caller.get("api_making_job", job.pk).json()
    assert (found["state"], found["version"]) == ("done", "bea/merged/v/1")
    assert 0 < found["report"]["error"] < 1
    body = {"rights_edition": latest_statement().edition, "commercial_use": ["image"]}
    assert caller.post("api_making_publish", body, job.pk).status_code == 200
    version = Version.objects.get(adapter__name="merged")
    assert (version.state, version.commercial_use) == (VersionState.SCANNING, ["image"])
    assert [row["id"] for row in caller.get("api_making_jobs").json()] == [str(job.pk)]


def test_refusal_is_a_problem_with_its_decision(bea: User, parts: tuple[Version, Version]) -> None:
    Version.objects.filter(pk=parts[0].pk).update(allow_derivatives=False)
    answer = Caller(bea).post("api_making_merges", MERGE)
    assert (answer.status_code, answer.json()["code"]) == (403, "refused-by-policy")
    assert answer.json()["decision"]["outcome"] == "deny"
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("scopes", [["read"], ["read", "write"], ["read", "download"]])
def test_token_that_takes_weights_needs_both_scopes(
    bea: User, parts: tuple[Version, Version], scopes: list[str]
) -> None:
    assert Caller(bea, scopes).post("api_making_merges", MERGE).status_code == 403
    assert not MakingJob.objects.exists()


def test_unknown_parts_and_options_are_named(bea: User, parts: tuple[Version, Version]) -> None:
    caller = Caller(bea)
    wrong = caller.post("api_making_merges", {**MERGE, "parts": [{"adapter": "ada/nothing"}]})
    assert (wrong.status_code, list(wrong.json()["errors"])) == (400, ["parts"])
    alone = caller.post("api_making_merges", {**MERGE, "parts": MERGE["parts"][:1]})  # type: ignore[index]
    assert (alone.status_code, list(alone.json()["errors"])) == (422, ["parts"])
    method = caller.post("api_making_merges", {**MERGE, "method": "magic"})
    assert (method.status_code, list(method.json()["errors"])) == (400, ["method"])


def test_comparison_is_queued_and_cancelled(bea: User, parts: tuple[Version, Version]) -> None:
    caller = Caller(bea, ["read", "write"])
    job = caller.post("api_making_comparisons", {"parts": MERGE["parts"]})
    assert (job.status_code, job.json()["kind"]) == (201, "compare")
    assert caller.post("api_making_cancel", {}, job.json()["id"]).json()["state"] == "cancelled"
    assert caller.post("api_making_retry", {}, job.json()["id"]).json()["state"] == "queued"


def test_merged_base_model_is_handed_to_its_maker(bea: User, parts: tuple[Version, Version]) -> None:
    caller = Caller(bea)
    body: dict[str, Any] = {"parts": [{"adapter": "ada/striped", "weight": 0.5}]}
    asked = caller.post("api_making_checkpoints", body)
    made = caller.post("api_making_checkpoints", {**body, "accepted_terms": asked.json()["terms"]})
    job = MakingJob.objects.get(pk=made.json()["id"])
    assert caller.post("api_making_download", {}, job.pk).status_code == 409
    assert ran(job).state == JobState.DONE
    link = caller.post("api_making_download", {}, job.pk).json()
    answer = Client().get(link["download_url"])
    assert (answer.status_code, len(b"".join(answer))) == (200, link["size"])  # type: ignore[arg-type]
    Version.objects.filter(pk=parts[0].pk).update(allow_derivatives=False)
    assert Client().get(link["download_url"]).status_code == 409, "what it rests on has ended"


def test_extraction_of_an_upload_that_is_not_mine_is_absent(ada: User, bea: User) -> None:
    from tests.factories.registry import catalogue, make_upload

    catalogue()
    body = {
        "base_model": "tinybase", "upload": str(make_upload(actor=ada).pk), "licence_id": "apache-2.0",
        "sources": "x", "owner": "bea", "name": "extracted",
    }  # fmt: skip
    assert Caller(bea).post("api_making_extractions", body).status_code == 404


def test_forms_are_for_the_holder_of_the_receipt(bea: User, parts: tuple[Version, Version]) -> None:
    asked: dict[str, Any] = {"actor": bea, "organisation": None, "version": parts[1], "use": Use.PERSONAL}
    receipt = gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
    caller, stranger = Caller(bea), Caller(make_user("cid"))
    assert stranger.post("api_receipt_forms", {"rank": 4}, receipt.pk).status_code == 404
    assert stranger.get("api_receipt_forms", receipt.pk).status_code == 404
    assert Caller(bea, ["read"]).get("api_receipt_forms", receipt.pk).status_code == 403
    queued = caller.post("api_receipt_forms", {"rank": 4, "layout": "peft", "dtype": "bfloat16"}, receipt.pk)
    assert (queued.status_code, queued.json()["download_url"]) == (201, None)
    assert ran(MakingJob.objects.get(kind=Making.FORM)).state == JobState.DONE
    (form,) = caller.get("api_receipt_forms", receipt.pk).json()
    assert form["filename"] == "outlined-r4-bf16-peft.zip"
    assert form["report"]["error"] > 0
    answer = Client().get(form["download_url"])
    assert b"".join(answer)[:2] == b"PK"  # type: ignore[arg-type]
