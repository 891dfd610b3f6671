"""Every address of an adapter for everybody in every situation; what may not be seen answers as what is absent."""

import pytest

from tests.matrix.adapter_addresses import ABSENT, ADDRESSES, TOKEN, Address, submission
from tests.matrix.asking import ask, body_of, without_names
from tests.matrix.expectations import answer, civitai_status, discussion_status, picture_status, standing
from tests.matrix.house import HELD_AT_FIRST, Case, House, everybody_in

pytestmark = pytest.mark.django_db


def _expected(address: Address, case: Case, role: str) -> int:
    if address.name in {"image", "sample"}:
        return picture_status(case, role)
    if address.name == "feed_adapter":
        return 200 if standing(case, "anonymous") else 404
    if address.name.startswith("civitai_"):
        return civitai_status(address.name, case, role)
    if "discussion" in address.name:
        return discussion_status(case, role, needs=address.needs, guest=address.guest, done=address.done)
    if address.name in {"review_version", "version_hold"}:
        return _review_status(address, case, role)
    return answer(
        case, role, needs=address.needs, guest=address.guest, done=address.done,
        otherwise=address.otherwise, allows=address.allows,
    )  # fmt: skip


def _review_status(address: Address, case: Case, role: str) -> int:
    """For who is no moderator these pages do not exist; what does not wait for one cannot be decided."""
    if role == "anonymous":
        return 302
    if standing(case, role) != "moderator":
        return 404
    if address.method == "GET" and case.situation in HELD_AT_FIRST:
        return 302  # to the case
    decidable = case.situation in (address.allows or {"in-review", "quarantined", "quarantined-early"})
    return address.done if address.method == "GET" or decidable else 409


@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_address_of_an_adapter_answers_everybody_as_expected(house: House, address: Address) -> None:
    assert _wrong(house, house.cases, address) == []


@pytest.mark.wide
@pytest.mark.parametrize("address", ADDRESSES, ids=str)
def test_address_answers_in_every_further_situation(house: House, further_cases: list[Case], address: Address) -> None:
    assert _wrong(house, further_cases, address) == []


def _wrong(house: House, cases: list[Case], address: Address) -> list[str]:
    """Each answer that is not the expected one, and each 404 that tells more than that of an absent thing."""
    found, absent = [], {}
    for case, role in everybody_in(cases):
        args = address.args(case)
        sent = {"data": address.data, "json": address.json}
        response = ask(house.clients[role], address.name, address.method, args, **sent)
        expected = _expected(address, case, role)
        if response.status_code != expected:
            found.append(f"{role} {case}: {response.status_code} instead of {expected}")
        if response.status_code != 404:
            body_of(response)
            continue
        if (role, case.space) not in absent:
            nowhere = ABSENT[address.args](case)
            nothing = ask(house.clients[role], address.name, address.method, nowhere, **sent)
            absent[role, case.space] = without_names(nothing, nowhere)
        if without_names(response, args) != absent[role, case.space]:
            found.append(f"{role} {case}: tells more than an absent one")
    return found


def test_new_version_is_taken_from_contributors_only(house: House) -> None:
    wrong = []
    for case, role in everybody_in(house.cases):
        args = [case.space, case.version.adapter.name]
        response = ask(house.clients[role], "api_versions", "POST", args, data=submission(house, role), json=True)
        may = standing(case, role) in {"contributor", "manager"}
        expected = TOKEN if role == "anonymous" else 201 if may else 403
        if response.status_code != expected:
            wrong.append(f"{role} {case}: {response.status_code} instead of {expected}")
    assert wrong == []


INSIDE = {"reader", "member", "uploader", "maintainer", "owner", "personal-owner", "moderator"}


@pytest.mark.parametrize("name", ["decision", "decision_json", "api_decision"])
def test_decision_is_for_those_around_it(house: House, name: str) -> None:
    """The decision about a publication: its uploader, the organisation's people, and moderators."""
    wrong = []
    nowhere = ["00000000-0000-4000-8000-000000000000"]
    decided = [case for case in house.cases if case.version.decision is not None]
    for case, role in everybody_in(decided):
        args = [case.version.decision.public_id]
        response = ask(house.clients[role], name, "GET", args)
        if response.status_code != (200 if role in INSIDE else 404):
            wrong.append(f"{role} {case}: {response.status_code}")
        if response.status_code == 404:
            absent = ask(house.clients[role], name, "GET", nowhere)
            if without_names(response, args) != without_names(absent, nowhere):
                wrong.append(f"{role} {case}: tells more than an absent one")
    assert wrong == []
