"""The API: what it answers, in problem documents, with ETags and rate limits, by token and scope."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from config.throttling import HeaderThrottle
from registry.models import Adapter, Version
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import catalogue, declaration, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
STYLE = ["ada", "style"]
JSON: dict[str, Any] = {"content_type": "application/json"}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def version(ada: User) -> Version:
    return make_version(actor=ada, title="A Style", tags=["red"], declared={"trigger_words": ("sks",)})


def _bearer(user: User, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, list(scopes) or None)[1]}"}


def test_list_has_what_a_card_needs_and_leads_on(client: Client, ada: User, version: Version) -> None:
    make_version(actor=ada, name="other", content=lora_bytes(seed=2))
    page = client.get(reverse("api_adapters"), {"limit": 1}).json()
    assert [item["name"] for item in page["items"]] == ["other"]
    rest = client.get(reverse("api_adapters"), {"limit": 1, "cursor": page["next_cursor"]}).json()
    (item,) = rest["items"]
    assert rest["next_cursor"] == ""
    assert (item["owner"], item["name"], item["title"]) == ("ada", "style", "A Style")
    assert (item["tags"], item["trigger_words"], item["kind"]) == (["red"], ["sks"], "lora")
    assert "commercial-outputs" in item["permitted_uses"]
    assert item["latest_version"] == 1


def test_version_has_its_hashes_inspection_and_permissions(client: Client, version: Version) -> None:
    answer = client.get(reverse("api_version", args=[*STYLE, 1])).json()
    file = version.files.get()
    assert answer["adapter"] == "ada/style"
    assert answer["state"] == "published"
    assert answer["revision"] == version.revision.sha  # type: ignore[union-attr]
    assert answer["files"][0]["sha256"] == file.sha256
    assert answer["inspection"]["kind"] == "lora"
    assert answer["permissions"]["uses"]["personal"]["outcome"] == "allow"


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("api_adapters", []), ("api_adapter", STYLE), ("api_versions", STYLE), ("api_version", [*STYLE, 1]),
        ("api_base_models", []), ("api_rights_statement", []),
    ],
)  # fmt: skip
def test_unchanged_answer_costs_no_bytes(client: Client, version: Version, name: str, args: list[Any]) -> None:
    first = client.get(reverse(name, args=args))
    etag = first["ETag"]
    for held in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.get(reverse(name, args=args), headers={"If-None-Match": held})
        assert again.status_code == 304
        assert again.content == b""
        assert again["ETag"] == etag
    assert client.get(reverse(name, args=args), headers={"If-None-Match": '"other"'}).status_code == 200
    assert first["Cache-Control"] == "private, no-cache"


def test_changed_answer_has_another_etag(client: Client, version: Version) -> None:
    address = reverse("api_adapter", args=STYLE)
    before = client.get(address)["ETag"]
    Adapter.objects.update(title="Another")
    changed = client.get(address, headers={"If-None-Match": before})
    assert changed.status_code == 200
    assert changed["ETag"] != before


PROBLEMS = [
    ("get", "api_adapter", ["ada", "nothing"], {}, 404, "not-found"),
    ("get", "api_version", [*STYLE, 99], {}, 404, "not-found"),
    ("get", "api_version", [*STYLE, 10**30], {}, 404, "not-found"),
    ("patch", "api_adapter", STYLE, {"title": ""}, 400, "invalid"),
    ("patch", "api_adapter", STYLE, {"visibility": "secret"}, 400, "invalid"),
    ("delete", "api_adapter", STYLE, {}, 405, "method-not-allowed"),
    ("post", "api_versions", STYLE, {}, 400, "invalid"),
    ("post", "api_download", [*STYLE, 1], {"use": "world-domination"}, 400, "invalid"),
    ("post", "api_download", [*STYLE, 1], {"use": "personal", "organisation": "nobody"}, 404, "not-found"),
    ("post", "api_download", [*STYLE, 1], {"use": "personal", "accepted_terms": "0" * 64}, 403, "acceptance-needed"),
    ("post", "api_withdraw", [*STYLE, 1], {}, 400, "invalid"),
]


@pytest.mark.parametrize(("method", "name", "args", "body", "status", "code"), PROBLEMS)
def test_error_is_a_problem_document(
    client: Client, version: Version, method: str, name: str, args: list[Any], body: Any, status: int, code: str
) -> None:
    address = reverse(name, args=args)
    headers = _bearer(version.created_by)
    response = getattr(client, method)(address, body, headers=headers, **({} if method == "get" else JSON))
    problem = response.json()
    assert response.status_code == status, problem
    assert response["Content-Type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["remedy"]


def test_body_that_is_no_json_is_a_problem_too(client: Client, version: Version) -> None:
    headers = _bearer(version.created_by)
    broken = client.patch(reverse("api_adapter", args=STYLE), "{", headers=headers, **JSON)
    assert (broken.status_code, broken["Content-Type"]) == (400, "application/problem+json")
    other = client.patch(reverse("api_adapter", args=STYLE), "<a/>", content_type="text/xml", headers=headers)
    assert (other.status_code, other["Content-Type"]) == (415, "application/problem+json")
    assert client.get("/api/v1/nothing").json()["code"] == "not-found"


def test_wrong_token_is_an_error_and_no_guest(client: Client, version: Version) -> None:
    response = client.get(reverse("api_adapters"), headers={"Authorization": "Bearer reg_wrong"})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "name", "args", "needed"),
    [
        ("get", "api_adapter", STYLE, "read"),
        ("patch", "api_adapter", STYLE, "write"),
        ("post", "api_withdraw", [*STYLE, 1], "write"),
        ("post", "api_download", [*STYLE, 1], "download"),
        ("put", "api_rating", STYLE, "write"),
    ],
)
def test_token_does_what_its_scopes_cover(
    client: Client, version: Version, method: str, name: str, args: list[Any], needed: str
) -> None:
    body = {"title": "New", "reason": "Mine.", "use": "personal", "stars": 5}
    for scope in ("read", "write", "download", "admin"):
        headers = _bearer(version.created_by, scope)
        response = getattr(client, method)(reverse(name, args=args), body, headers=headers, **(
            {} if method == "get" else JSON))  # fmt: skip
        assert (response.status_code == 403 and "scopes" in response.json()["detail"]) == (scope != needed), scope


def test_every_answer_says_how_much_of_the_limit_is_left(client: Client, version: Version) -> None:
    left = [int(client.get(reverse("api_adapters"))["RateLimit-Remaining"]) for _ in range(3)]
    assert left == [left[0], left[0] - 1, left[0] - 2]
    response = client.get(reverse("api_adapters"))
    limit = int(django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["anon"].split("/")[0])
    assert int(response["RateLimit-Limit"]) == limit
    assert 0 < int(response["RateLimit-Reset"]) <= 60


def test_too_many_calls_are_told_to_wait_each_caller_for_themselves(
    client: Client, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeaderThrottle, "THROTTLE_RATES", {"user": "2/min", "anon": "1/min"})
    headers = _bearer(version.created_by)
    address = reverse("api_adapters")
    assert client.get(address).status_code == 200
    refused = client.get(address)
    assert refused.status_code == 429
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "throttled"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused["RateLimit-Remaining"] == "0"
    assert [client.get(address, headers=headers).status_code for _ in range(3)] == [200, 200, 429]


def test_edit_changes_what_is_given_and_nothing_else(client: Client, version: Version) -> None:
    address = reverse("api_adapter", args=STYLE)
    headers = _bearer(version.created_by)
    changed = client.patch(address, {"tags": ["Blue"], "visibility": "private"}, headers=headers, **JSON).json()
    assert (changed["title"], changed["tags"], changed["visibility"]) == ("A Style", ["blue"], "private")
    assert client.get(address).status_code == 404


def _submission(ada: User, **changes: Any) -> dict[str, Any]:
    catalogue()
    given = {
        "upload": str(make_upload(actor=ada).pk),
        "base_model": "tinybase",
        "licence_id": "apache-2.0",
        "training_sources": "Drawn by hand.",
        "depicts_real_person": False,
        "rights_edition": declaration().rights_edition,
    }
    return given | changes


def test_upload_becomes_a_version(client: Client, ada: User) -> None:
    body = _submission(ada, title="Made by a program", tags=["x"], commercial_use=["image"])
    response = client.post(reverse("api_versions", args=["ada", "Made"]), body, headers=_bearer(ada), **JSON)
    assert response.status_code == 201, response.json()
    assert (response.json()["adapter"], response.json()["state"]) == ("ada/made", "scanning")
    version = Version.objects.get()
    assert (version.adapter.title, version.commercial_use) == ("Made by a program", ["image"])


@pytest.mark.parametrize("name", ["style%0A", "-style", "st%20yle", "style%00", "..%2Fx", "%E2%80%AE"])
def test_name_that_is_no_address_is_refused(client: Client, ada: User, name: str) -> None:
    address = f"/api/v1/adapters/ada/{name}/versions"
    response = client.post(address, _submission(ada), headers=_bearer(ada), **JSON)
    assert response.status_code in {404, 422}
    assert not Adapter.objects.exists()


def test_declaration_that_is_wrong_names_each_field(client: Client, ada: User) -> None:
    body = _submission(ada, base_model="x", licence_id="x", rights_edition="x")
    response = client.post(reverse("api_versions", args=STYLE), body, headers=_bearer(ada), **JSON)
    assert response.status_code == 422
    assert set(response.json()["errors"]) == {"base_model", "licence", "rights_edition"}


def test_upload_of_somebody_else_cannot_be_submitted(client: Client, ada: User) -> None:
    bob = make_user("bob")
    body = _submission(bob)
    response = client.post(reverse("api_versions", args=STYLE), body, headers=_bearer(ada), **JSON)
    assert response.status_code == 404
    assert not Version.objects.exists()


def test_program_passes_the_gate_in_two_calls(client: Client, version: Version) -> None:
    bob = make_user("bob")
    make_organisation(bob, "studio")
    address = reverse("api_download", args=[*STYLE, 1])
    headers = _bearer(bob, "download")
    asked = {"use": "commercial-outputs", "organisation": "studio"}
    first = client.post(address, asked, headers=headers, **JSON).json()
    assert first["decision"]["outcome"] == "allow"
    assert first["download_url"] is None
    accepted = {**asked, "accepted_terms": first["terms"]["digest"]}
    second = client.post(address, accepted, headers=headers, **JSON).json()
    assert second["receipt"]["organisation"] == "studio"
    assert second["notice"].startswith("NOTICE")
    bytes_ = b"".join(client.get(second["download_url"]).streaming_content)  # type: ignore[arg-type]
    assert bytes_ == lora_bytes()


def test_refusal_is_a_problem_document_with_the_decision_on_record(client: Client, ada: User) -> None:
    make_version(actor=ada, declared={"commercial_use": ()})
    bob = make_user("bob")
    response = client.post(
        reverse("api_download", args=[*STYLE, 1]), {"use": "selling-weights"}, headers=_bearer(bob), **JSON
    )
    problem = response.json()
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert problem["decision"]["outcome"] == "deny"
    record = client.get(reverse("api_decision", args=[problem["record"]]), headers=_bearer(bob)).json()
    assert record["outcome"] == "deny"


def test_withdrawn_version_is_gone_at_the_gate_and_keeps_its_notice(client: Client, version: Version) -> None:
    headers = _bearer(version.created_by)
    answer = client.post(reverse("api_withdraw", args=[*STYLE, 1]), {"reason": "Broken."}, headers=headers, **JSON)
    assert answer.json()["state"] == VersionState.WITHDRAWN
    gone = client.post(reverse("api_download", args=[*STYLE, 1]), {"use": "personal"}, headers=headers, **JSON)
    assert (gone.status_code, gone.json()["code"]) == (410, "not-available")
    assert client.get(reverse("api_version", args=[*STYLE, 1])).json()["state_detail"]["why"] == "Broken."


def test_schema_describes_every_call(client: Client) -> None:
    paths = client.get(reverse("schema"), headers={"Accept": "application/json"}).json()["paths"]
    assert "/api/v1/adapters/{owner}/{name}/versions/{number}/download" in paths
    assert "/api/v1/adapters" in paths
