"""Every other address for everybody, and that no address of the project is without its expectations."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from registry.models import Receipt
from registry.services.delivery import link_token
from tests.matrix.adapter_addresses import ABSENT_ID, ADDRESSES
from tests.matrix.asking import ask, body_of, without_names
from tests.matrix.dataset_addresses import DATASETS
from tests.matrix.generation_addresses import GENERATIONS
from tests.matrix.house import EVERYBODY, House
from tests.matrix.hub_reading import HUB_READING_KNOWN
from tests.matrix.hub_writing import HUB_DATASETS_WRITING, HUB_PLAIN, HUB_WRITING
from tests.matrix.run_addresses import RUNS
from tests.matrix.site_addresses import SITE, SiteAddress

pytestmark = pytest.mark.django_db
# Expected in tests of their own.
ELSEWHERE = {
    ("api_versions", "POST"),
    ("decision", "GET"),
    ("decision_json", "GET"),
    ("api_decision", "GET"),
    ("receipt", "GET"),
    ("receipt_notice", "GET"),
    ("api_receipt", "GET"),
    ("api_receipt_notice", "GET"),
    ("receipt_sidecars", "GET"),
    ("api_receipt_sidecars", "GET"),
    ("delivery", "GET"),
}


def _patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern)
        else:
            yield pattern


def _methods(client: Client, pattern: URLPattern) -> set[str]:
    """What the view answers: by its class, or by the Allow header of a method that nothing has."""
    view_class: Any = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
    if view_class is not None:
        own = {name for name in ("get", "post", "patch", "delete") if hasattr(view_class, name)}
        # Every class answers OPTIONS, GET answers HEAD, and Django's form views take PUT for POST: count what is own.
        own |= {name for name in ("head", "put", "options") if name in vars(view_class)}
        return {name.upper() for name in own}
    names = [name for name in inspect.signature(pattern.callback).parameters if name != "request"]
    values = {"number": 1, "pk": 1 if "<int:pk>" in str(pattern.pattern) else ABSENT_ID}
    values |= {"step": 1, "form": "atom", "kind": "models"}
    values |= dict.fromkeys(["public_id", "message", "file", "nonce"], ABSENT_ID)
    args = {name: values.get(name, "x-y") for name in names if name in str(pattern.pattern)}
    response = client.generic("TRACE", reverse(str(pattern.name), kwargs=args))
    return set(response["Allow"].split(", ")) - {"HEAD"}


def test_every_address_of_the_project_has_its_expectations(house: House) -> None:
    client = house.clients["owner"]
    found = {(str(p.name), method) for p in _patterns() for method in _methods(client, p)}
    known = (
        {(a.name, a.method) for a in ADDRESSES}
        | {(a.name, a.method) for a in [*SITE, *RUNS, *DATASETS, *GENERATIONS]}
        | {(a.name, a.method) for a in [*HUB_WRITING, *HUB_DATASETS_WRITING, *HUB_PLAIN]}
        | HUB_READING_KNOWN
        | ELSEWHERE
    )
    assert found - known == set(), "without an expectation"
    assert known - found == set(), "expected, but not there"


@pytest.mark.parametrize("address", [*SITE, *RUNS, *DATASETS, *GENERATIONS], ids=str)
def test_address_of_the_site_answers_everybody_as_expected(house: House, address: SiteAddress) -> None:
    wrong = []
    more: dict[str, Any] = {"headers": address.headers}
    if address.content_type:
        more["content_type"] = address.content_type
    for role in EVERYBODY:
        args = address.args(house)
        client = _fresh(house, role) if address.name in {"sign_out", "password_change"} else house.clients[role]
        response = ask(client, address.name, address.method, args, data=address.data, **more)
        expected = address.statuses.get(role, address.statuses["*"])
        if response.status_code != expected:
            wrong.append(f"{role}: {response.status_code} instead of {expected} {body_of(response)[:300]!r}")
        elif response.streaming:
            body_of(response)
        if response.status_code == 404 and address.absent:
            nowhere = list(address.absent)
            nothing = ask(client, address.name, address.method, nowhere, data=address.data, **more)
            if without_names(response, args) != without_names(nothing, nowhere):
                wrong.append(f"{role}: tells more than an absent one")
    assert wrong == []


def _fresh(house: House, role: str) -> Client:
    """A session of its own, for what would end the shared one."""
    client = Client()
    if role != "anonymous":
        client.force_login(house.people[role])
    return client


RECEIPTS = {
    "receipt": 302, "receipt_notice": 302, "receipt_sidecars": 302,
    "api_receipt": 401, "api_receipt_notice": 401, "api_receipt_sidecars": 401,
}  # fmt: skip


@pytest.mark.parametrize(("name", "guest"), RECEIPTS.items())
def test_receipt_is_for_its_holder_alone(house: House, name: str, guest: int) -> None:
    wrong = []
    held = [(case, case.receipt) for case in house.cases if case.receipt is not None]
    for case, receipt, role in ((*pair, role) for pair in held for role in EVERYBODY):
        response = ask(house.clients[role], name, "GET", [receipt.pk])
        own = house.people.get(role) == receipt.acceptance.user
        kept = 200 if "sidecars" not in name or case.situation == "published" else 410  # goes with the file itself
        expected = guest if role == "anonymous" else kept if own else 404
        if response.status_code != expected:
            wrong.append(f"{role} {receipt.pk}: {response.status_code} instead of {expected}")
        if response.status_code == 404:
            absent = without_names(ask(house.clients[role], name, "GET", [ABSENT_ID]), [ABSENT_ID])
            if without_names(response, [receipt.pk]) != absent:
                wrong.append(f"{role} {receipt.pk}: tells more than an absent one")
    assert wrong == []


def test_link_serves_who_holds_it_while_the_version_is_published(house: House) -> None:
    wrong = []
    linked = [(case, case.receipt) for case in house.cases if case.receipt is not None]
    assert {case.situation for case, _ in linked} >= {"published", "quarantined", "taken-down"}
    for (case, receipt), role in ((pair, role) for pair in linked for role in EVERYBODY):
        response = ask(house.clients[role], "delivery", "GET", [link_token(receipt=receipt)])
        expected = 200 if case.situation == "published" else 410
        if response.status_code != expected:
            wrong.append(f"{role} {case}: {response.status_code} instead of {expected}")
        body_of(response)
    assert wrong == []
    forged = ask(house.clients["owner"], "delivery", "GET", [str(Receipt.objects.values_list("pk")[0][0])])
    assert forged.status_code == 403
