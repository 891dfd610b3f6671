"""Declarations at upload: rights, likeness, training sources, duplicates, the licence the file claims."""

from dataclasses import replace
from typing import Any

import pytest

from governance.policy import IncompleteRequest, Outcome, Ruleset, Use, UseRequest
from tests.governance.policy.asking import IN_ORDER, adapter, ask, base, codes

CASES = [
    ({}, Outcome.ALLOW, None),
    ({"rights_affirmed": False}, Outcome.DENY, "rights-not-affirmed"),
    ({"rights_affirmed": None}, Outcome.DENY, "rights-not-affirmed"),
    ({"depicts_real_person": None}, Outcome.REVIEW, "missing-fact"),
    ({"depicts_real_person": True}, Outcome.REVIEW, "likeness-without-consent"),
    ({"depicts_real_person": True, "consent_ids": ("c1",)}, Outcome.ALLOW, None),
    ({"training_sources": ()}, Outcome.REVIEW, "training-sources-missing"),
    ({"duplicates_of": ("ada/thing v1",)}, Outcome.REVIEW, "duplicate"),
    ({"copies_held_back": True}, Outcome.REVIEW, "held-back-before"),
    ({"open_questions": ("likeness",)}, Outcome.REVIEW, "open-question"),
    ({"family_declared": "sdxl", "family_found": "sd1"}, Outcome.REVIEW, "family-mismatch"),
    ({"family_declared": "sdxl", "family_found": "unknown"}, Outcome.REVIEW, "family-unknown"),
    ({"family_declared": "sdxl", "family_found": "sdxl"}, Outcome.ALLOW, None),
    ({"family_declared": "sdxl"}, Outcome.ALLOW, None),  # nothing was inspected
    ({"claimed_licence": "openrail++"}, Outcome.REVIEW, "claimed-licence-differs"),
    ({"claimed_licence": "Apache-2.0"}, Outcome.ALLOW, None),  # the same licence under its SPDX id
]


@pytest.mark.parametrize(("change", "outcome", "code"), CASES)
def test_publish_with_a_declaration(rules: Ruleset, change: dict[str, Any], outcome: Outcome, code: str | None) -> None:
    declared = replace(IN_ORDER, **change)
    decision = ask(rules, Use.PUBLISH, base("apache-2.0"), adapter("apache-2.0"), declarations=declared)
    assert decision.outcome is outcome
    assert code is None or code in codes(decision)


def test_publish_without_declarations_is_refused(rules: Ruleset) -> None:
    decision = ask(rules, Use.PUBLISH, base("apache-2.0"), adapter("apache-2.0"), declarations=None)
    assert decision.outcome is Outcome.DENY


def test_adapter_without_a_base_is_no_question() -> None:
    with pytest.raises(IncompleteRequest, match="no base"):
        UseRequest(Use.PERSONAL, (adapter("mit"),))
    with pytest.raises(IncompleteRequest, match="names none"):
        UseRequest(Use.PERSONAL, ())


def test_request_can_be_asked_again_from_its_snapshot(rules: Ruleset) -> None:
    components = (base("openrail++"), adapter("cc-by-4.0", facts={"note": 1}))
    request = UseRequest(Use.PUBLISH, components, declarations=IN_ORDER)
    assert UseRequest.from_json(request.to_json()).to_json() == request.to_json()
    assert UseRequest.from_json(request.to_json()) == request
