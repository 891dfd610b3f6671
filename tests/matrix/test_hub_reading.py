"""The Hub protocol's reading half for everybody: what may not be seen answers as what is absent."""

import pytest
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client

from tests.factories.accounts import make_token
from tests.matrix.asking import body_of, without_names
from tests.matrix.expectations import TABLES, standing
from tests.matrix.house import EVERYBODY, Case, House, everybody_in
from tests.matrix.hub_reading import HUB_DATASETS, HUB_OPEN, HUB_READING, HubReading, expected

pytestmark = pytest.mark.django_db
INSIDE = {"member", "uploader", "maintainer", "owner"}  # who reads the organisation's datasets


@pytest.fixture(scope="module")
def tokens(house: House, django_db_blocker: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """The Authorization header of each role."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        secrets = {role: make_token(person)[1] for role, person in house.people.items()}
    return {"anonymous": {}} | {role: {"Authorization": f"Bearer {secret}"} for role, secret in secrets.items()}


def _ask(method: str, path: str, headers: dict[str, str]) -> HttpResponseBase:
    cache.clear()
    with transaction.atomic():
        asked = {"paths": ["style.safetensors"]} if "paths-info" in path else {}
        client = Client()
        if method == "POST" and asked:
            response: HttpResponseBase = client.post(path, asked, headers=headers)
        else:
            response = client.generic(method, path, "{}", content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return response


def _wrong(address: HubReading, case: Case, role: str, headers: dict[str, str]) -> str:
    place, nowhere = (case.space, case.version.adapter.name), (case.space, "nothing-here")
    response = _ask(address.method, address.path.format(owner=place[0], name=place[1]), headers)
    wanted = expected(address, case, role)
    if response.status_code != wanted:
        said = "" if response.streaming else response.content[:200]  # type: ignore[attr-defined]
        return f"{role} {case}: {response.status_code} instead of {wanted} {said!r}"
    if standing(case, role):
        body_of(response)
        return ""
    absent = _ask(address.method, address.path.format(owner=nowhere[0], name=nowhere[1]), headers)
    told = (without_names(response, list(place)), response.get("X-Error-Code"), response.get("X-HF-Warning"))
    nothing = (without_names(absent, list(nowhere)), absent.get("X-Error-Code"), absent.get("X-HF-Warning"))
    return "" if told == nothing else f"{role} {case}: tells more than an absent one"


@pytest.mark.parametrize("address", HUB_READING, ids=str)
def test_repository_answers_everybody_as_expected(
    house: House, tokens: dict[str, dict[str, str]], address: HubReading
) -> None:
    wrong = [found for case, role in everybody_in(house.cases) if (found := _wrong(address, case, role, tokens[role]))]
    assert wrong == []


@pytest.mark.wide
@pytest.mark.parametrize("address", HUB_READING, ids=str)
def test_repository_answers_in_every_further_situation(
    house: House, further_cases: list[Case], tokens: dict[str, dict[str, str]], address: HubReading
) -> None:
    assert [
        found for case, role in everybody_in(further_cases) if (found := _wrong(address, case, role, tokens[role]))
    ] == []


@pytest.mark.parametrize(("name", "method", "path", "guest", "others"), HUB_OPEN)
def test_address_of_no_repository_answers_everybody_alike(
    tokens: dict[str, dict[str, str]], name: str, method: str, path: str, guest: int, others: int
) -> None:
    found = {role: _ask(method, path, tokens[role]).status_code for role in EVERYBODY}
    assert found == dict.fromkeys(EVERYBODY, others) | {"anonymous": guest}


def test_list_holds_nothing_that_one_may_not_find(house: House, tokens: dict[str, dict[str, str]]) -> None:
    for role in EVERYBODY:
        listed = {row["id"] for row in _ask("GET", "/api/models?limit=100", tokens[role]).json()}  # type: ignore[attr-defined]
        for case in house.cases:
            if f"{case.space}/{case.version.adapter.name}" not in listed:
                continue
            assert case.situation == "published", f"{role} {case}"
            known = (case.visibility, role) in TABLES[case.space]
            assert standing(case, role if known else "stranger"), f"{role} {case}"


@pytest.mark.parametrize(("name", "path", "done"), HUB_DATASETS)
def test_dataset_is_there_for_its_own_people_alone(
    tokens: dict[str, dict[str, str]], name: str, path: str, done: int
) -> None:
    wrong = []
    for role in EVERYBODY:
        response = _ask("GET", path.format(owner="studio", name="matrix-set"), tokens[role])
        wanted = done if role in INSIDE else 401 if role == "anonymous" else 404
        body = body_of(response)
        if response.status_code != wanted:
            wrong.append(f"{role}: {response.status_code} instead of {wanted} {body[:200]!r}")
        if wanted != done:
            absent = _ask("GET", path.format(owner="studio", name="nothing-here"), tokens[role])
            if without_names(response, ["studio", "matrix-set"]) != without_names(absent, ["studio", "nothing-here"]):
                wrong.append(f"{role}: tells more than an absent one")
    assert wrong == []
