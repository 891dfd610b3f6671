"""The Hub protocol's writing half for everybody, with a token of each."""

import json

import pytest
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client

from tests.factories.accounts import make_token
from tests.matrix.asking import without_names
from tests.matrix.expectations import answer
from tests.matrix.house import EVERYBODY, Case, House, everybody_in
from tests.matrix.hub_writing import (
    HUB_DATASETS_WRITING,
    HUB_PLAIN,
    HUB_WRITING,
    HubAddress,
    PlainAddress,
    repository_of,
)

pytestmark = pytest.mark.django_db
INSIDE = {"member", "uploader", "maintainer", "owner"}  # who reads the organisation's datasets, and adds to them
MANAGING = INSIDE - {"member"}  # the uploader made it


@pytest.fixture
def tokens(house: House) -> dict[str, dict[str, str]]:
    """The Authorization header of each role."""
    secrets = {role: make_token(person)[1] for role, person in house.people.items()}
    return {"anonymous": {}} | {role: {"Authorization": f"Bearer {secret}"} for role, secret in secrets.items()}


def _ask(address: HubAddress | PlainAddress, headers: dict[str, str], owner: str, name: str) -> HttpResponseBase:
    cache.clear()
    body = address.body(owner, name) if isinstance(address, HubAddress) else {}
    path = address.path.format(owner=owner, name=name)
    with transaction.atomic():
        response = Client().generic(
            address.method, path, json.dumps(body), content_type="application/json", headers=headers
        )
        transaction.set_rollback(True)
    return response


@pytest.mark.parametrize("address", HUB_WRITING, ids=str)
def test_repository_is_written_by_who_may_and_absent_for_who_may_not_know_of_it(
    house: House, tokens: dict[str, dict[str, str]], address: HubAddress
) -> None:
    assert [
        found for case, role in everybody_in(house.cases) if (found := _wrong(address, case, role, tokens[role]))
    ] == []


@pytest.mark.wide
@pytest.mark.parametrize("address", HUB_WRITING, ids=str)
def test_repository_is_written_or_absent_in_every_further_situation(
    house: House, further_cases: list[Case], tokens: dict[str, dict[str, str]], address: HubAddress
) -> None:
    assert [
        found for case, role in everybody_in(further_cases) if (found := _wrong(address, case, role, tokens[role]))
    ] == []


def _expected(address: HubAddress, case: Case, role: str) -> int:
    if role == "anonymous" and address.needs == "read":
        seen = answer(case, role, needs="read", guest=None, done=address.done, otherwise=0, allows=set())
        return seen if seen != 404 else 401
    return answer(case, role, needs=address.needs, guest=401, done=address.done, otherwise=0, allows=set())


def _wrong(address: HubAddress, case: Case, role: str, headers: dict[str, str]) -> str:
    place, nowhere = repository_of(case), (case.space, "nothing-here")
    response, expected = _ask(address, headers, *place), _expected(address, case, role)
    if response.status_code != expected:
        return f"{case} {role}: {response.status_code} instead of {expected} {response.content[:200]!r}"  # type: ignore[attr-defined]
    readable = answer(case, role, needs="read", guest=401, done=200, otherwise=0, allows=set()) != 404
    if response.status_code != 404 or readable:
        return ""
    absent = _ask(address, headers, *nowhere)
    alike = without_names(response, list(place)) == without_names(absent, list(nowhere))
    return "" if alike else f"{case} {role}: tells more than an absent one"


@pytest.mark.parametrize("address", HUB_PLAIN, ids=str)
def test_address_of_no_repository_answers_everybody_alike(
    house: House, tokens: dict[str, dict[str, str]], address: PlainAddress
) -> None:
    found = {role: _ask(address, tokens[role], "a", "b").status_code for role in EVERYBODY}
    assert found == dict.fromkeys(EVERYBODY, address.others) | {"anonymous": address.guest}


@pytest.mark.parametrize("address", HUB_DATASETS_WRITING, ids=str)
def test_dataset_is_written_by_its_people_and_absent_for_everybody_else(
    house: House, tokens: dict[str, dict[str, str]], address: HubAddress
) -> None:
    wrong = []
    for role in EVERYBODY:
        response = _ask(address, tokens[role], "studio", "matrix-set")
        allowed = MANAGING if address.needs == "edit" else INSIDE
        wanted = address.done if role in allowed else 403 if role in INSIDE else 401 if role == "anonymous" else 404
        if response.status_code != wanted:
            wrong.append(f"{role}: {response.status_code} instead of {wanted} {response.content[:200]!r}")
        if wanted == 404 and role not in INSIDE:
            absent = _ask(address, tokens[role], "studio", "nothing-here")
            if without_names(response, ["studio", "matrix-set"]) != without_names(absent, ["studio", "nothing-here"]):
                wrong.append(f"{role}: tells more than an absent one")
    assert wrong == []
