"""The NOTICE carries what whoever passes the file on owes, whatever the file was taken for."""

import re
from typing import Any

import pytest

from governance.policy import ActorFacts, Decision, Use, decide
from governance.rulebook import current_ruleset
from registry.models import Version
from registry.models.versions import Relation
from registry.services.delivery import gate_accept, gate_ask
from registry.services.policy import use_request
from registry.services.terms import notice_of
from registry.services.versions import Parent
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db

HEADING = "Whoever passes this file on"
UNPAID = ActorFacts(receives_payment=False, serves_end_users=False)


def _version(**declared: Any) -> Version:
    return make_submitted(actor=make_user(), declared=declared)


def _asked(version: Version, use: Use, facts: ActorFacts = UNPAID) -> Decision:
    return decide(use_request(version, use, facts), current_ruleset())


def _notice(version: Version, use: Use = Use.PERSONAL, facts: ActorFacts = UNPAID) -> str:
    return notice_of(version, _asked(version, use, facts), facts)


# base model, licence of the adapter, what the NOTICE says to whoever passes the file on
CARRIED = [
    ("tinybase", "apache-2.0", ["a copy of the Apache License 2.0", "Mark changed files", "patent, trademark"]),
    (
        "tinybase",
        "cc-by-4.0",
        ["Name its creator, keep its notices and link to the licence", "Say whether you changed"],
    ),
    ("tinybase", "cc-by-nc-4.0", ["Name its creator", "non-commercial purposes only"]),
    ("tinybase", "cc-by-sa-4.0", ["Name its creator", "under the same licence or a compatible one"]),
    (
        "sd-1-5",
        "creativeml-openrail-m",
        ["Attachment A into your own terms", "harming minors", "medical advice", "a copy of the licence"],
    ),
    (
        "flux-1-dev",
        "flux-1-dev-nc-1.1.1",
        ["Black Forest Labs' attribution notice", "no military use", "Take no payment", "a copy of the licence"],
    ),
    (
        "sd-3-5-large",
        "stability-community-2024-07",
        ["“Powered by Stability AI”", "a copy of the agreement", "Notice text file", "Acceptable Use Policy"],
    ),
]


@pytest.mark.parametrize(("base", "licence", "texts"), CARRIED, ids=[row[1] for row in CARRIED])
@pytest.mark.parametrize("use", [Use.PERSONAL, Use.RESEARCH])
def test_notice_of_a_private_use_carries_the_duties_of_passing_on(
    base: str, licence: str, texts: list[str], use: Use
) -> None:
    notice = _notice(_version(base_model=base, licence_id=licence), use)
    onwards = notice.split(HEADING)[1]
    for text in texts:
        assert text in onwards
    assert licence in onwards
    assert "No conditions" not in notice


@pytest.mark.parametrize(("base", "licence", "texts"), CARRIED, ids=[row[1] for row in CARRIED])
def test_notice_has_every_duty_of_the_use_and_of_redistribution_once(base: str, licence: str, texts: list[str]) -> None:
    version = _version(base_model=base, licence_id=licence)
    for use in (Use.PERSONAL, Use.HOSTED_SERVICE, Use.COMMERCIAL_OUTPUTS):
        notice = _notice(version, use)
        expected = {
            (duty.text, duty.licence)
            for decision in (_asked(version, use), _asked(version, Use.REDISTRIBUTION))
            for duty in decision.obligations
        }
        for text, source in expected:
            lines = [
                line for line in notice.splitlines() if line.startswith(f"* {text} For: ") and f"[{source} " in line
            ]
            assert len(lines) == 1, (text, source)
        lines = [line for line in notice.splitlines() if line.startswith("* ")]
        assert len(lines) == len(set(lines))


def test_duty_that_base_and_adapter_share_names_both() -> None:
    version = _version(licence_id="apache-2.0")
    lines = [line for line in _notice(version).splitlines() if "a copy of the Apache License" in line]
    assert len(lines) == 1
    assert f"For: Tinybase; {version}. [apache-2.0 §4(a)]" in lines[0]


def test_duties_of_the_use_alone_are_told_apart() -> None:
    notice = _notice(_version(base_model="sd-1-5", licence_id="creativeml-openrail-m"), Use.PERSONAL)
    onwards, asked = notice.split(HEADING)[1].split("What comes with the use that this copy was taken for (personal)")
    assert "latest version of the model" in asked
    assert "latest version of the model" not in onwards


@pytest.mark.parametrize("required", [True, False])
def test_credit_is_passed_on_where_the_creator_asks_for_it(required: bool) -> None:
    version = _version(licence_id="cc0-1.0", credit_required=required)
    assert (f"Credit the creator of {version}" in _notice(version)) is required


def test_duties_of_parents_are_carried() -> None:
    ada = make_user()
    first = make_version(actor=ada, name="first", declared={"licence_id": "cc-by-4.0", "credit_required": True})
    second = make_version(
        actor=ada,
        name="second",
        content=lora_bytes(seed=2),
        declared={"licence_id": "cc-by-4.0", "parents": (Parent(first.pk, Relation.MERGE),)},
    )
    child = make_submitted(
        actor=ada,
        name="child",
        content=lora_bytes(seed=3),
        declared={
            "licence_id": "cc0-1.0",
            "credit_required": False,
            "parents": (Parent(second.pk, Relation.FINE_TUNE),),
        },
    )
    notice = _notice(child)
    for parent in (first, second):
        assert f"parent: {parent}, licence cc-by-4.0" in notice
        assert f"Credit the creator of {parent}" in notice
    shared = next(line for line in notice.splitlines() if line.startswith("* Name its creator"))
    assert {str(first), str(second)} <= set(re.split(r"For: |; |\. \[", shared))
    assert f"Credit the creator of {child}" not in notice


def test_refused_redistribution_is_said_with_reason_and_clause() -> None:
    version = _version(licence_id="all-rights-reserved")
    notice = _notice(version)
    standing = notice.split("may not be passed on:")[1].split(HEADING)[0]
    reason = _asked(version, Use.REDISTRIBUTION).deciding[0]
    assert f"* {reason.message} [all-rights-reserved {reason.clause}]" in standing


def test_unsettled_redistribution_is_said_too() -> None:
    version = _version(base_model="flux-1-dev", licence_id="flux-1-dev-nc-1.1.1")
    notice = _notice(version, facts=ActorFacts())
    assert "may not be passed on before this is settled:" in notice
    assert "was not stated yet" in notice
    assert "may not be passed on" not in _notice(version, facts=UNPAID)


def test_receipt_carries_the_notice_for_the_facts_that_were_stated() -> None:
    ada = make_user()
    version = make_version(actor=ada, declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    asked = {"actor": make_user("bob"), "organisation": None, "version": version, "use": Use.PERSONAL}
    answer = gate_ask(**asked, facts=UNPAID)  # type: ignore[arg-type]
    receipt = gate_accept(**asked, facts=UNPAID, accepted_terms=answer.terms.digest)  # type: ignore[arg-type]
    assert receipt.notice == notice_of(version, answer.decision, UNPAID)
    assert "Name its creator" in receipt.notice
