"""The catalogue as data: each claim has its clause and source, names lead to one licence, disputes are whole."""

import re

import pytest

from governance.policy import DownstreamRule, Grant, Licence, Ruleset, Status, load_ruleset
from governance.policy.vocabulary import CLAIMED_USES
from tests.governance.policy.conftest import CATALOGUE

LICENCES = sorted(load_ruleset(CATALOGUE).licences.values(), key=lambda licence: licence.id)
SECOND_HAND = {"flux-dev-nc-2.1", "noobai-additions", "ltx-2-community"}
each_licence = pytest.mark.parametrize("licence", LICENCES, ids=lambda licence: licence.id)


@each_licence
def test_licence_answers_every_use(licence: Licence) -> None:
    assert set(licence.claims) >= set(CLAIMED_USES)


@each_licence
def test_claim_has_a_clause_and_words(licence: Licence) -> None:
    for claim in (*licence.claims.values(), *licence.data_claims.values()):
        assert claim.text.strip().endswith("."), claim.use
        assert claim.clause or claim.grant is Grant.UNSTATED, claim.use
        for condition in claim.conditions:
            assert condition.clause
            assert condition.question.endswith("?")
            assert condition.text.endswith(".")


@each_licence
def test_duty_has_a_clause_and_says_what_to_do(licence: Licence) -> None:
    for duty in licence.duties:
        assert duty.clause
        assert duty.text.strip().endswith(".")
        assert duty.uses
        assert duty.roles


@each_licence
def test_licence_says_where_it_comes_from(licence: Licence) -> None:
    assert licence.source
    assert licence.summary
    assert licence.body
    assert licence.id == licence.id.lower()
    assert set(licence.kinds) <= {"weights", "adapter", "data"}
    assert licence.kinds


@each_licence
def test_terms_carry_the_text_the_source_and_the_disclaimer(licence: Licence) -> None:
    assert licence.body in licence.terms
    assert licence.source in licence.terms
    assert "not legal advice" in re.sub(r"\s+", " ", licence.terms)
    assert re.fullmatch(r"[0-9a-f]{64}", licence.terms_digest)


def test_second_hand_licences_decide_nothing(rules: Ruleset) -> None:
    for name in SECOND_HAND:
        licence = rules.licences[name]
        assert {claim.status for claim in licence.claims.values()} == {Status.SECOND_HAND}
        assert licence.downstream.status is Status.SECOND_HAND


def test_thresholds_are_those_of_the_licences(rules: Ruleset) -> None:
    limits = {
        (licence.id, condition.kind.value): condition.limit
        for licence in rules.licences.values()
        for claim in licence.claims.values()
        for condition in claim.conditions
        if condition.limit
    }
    assert limits == {
        ("stability-community-2024-07", "revenue-cap"): 1_000_000,
        ("kolors", "user-cap"): 300_000_000,
        ("hunyuan-dit", "user-cap"): 100_000_000,
        ("ltx-2-community", "revenue-cap"): 10_000_000,
    }


def test_share_alike_licences_are_the_ones_that_say_so(rules: Ruleset) -> None:
    same = {lic.id for lic in rules.licences.values() if lic.downstream.rule is DownstreamRule.SAME}
    assert same == {
        "stability-nc-research-2023-11",
        "fair-ai-public-1.0-sd",
        "noobai-additions",
        "ltx-2-community",
    }


NAMES = [
    ("Apache-2.0", "apache-2.0"),
    ("CC-BY-NC-4.0", "cc-by-nc-4.0"),
    ("creativeml-openrail-m", "creativeml-openrail-m"),
    ("openrail++", "openrail++"),
    ("LicenseRef-scancode-flux-1-nc", "flux-1-dev-nc-1.1.1"),
    ("LicenseRef-scancode-stability-ai-community-2024", "stability-community-2024-07"),
    ("LicenseRef-scancode-fair-ai-public-1.0-sd", "fair-ai-public-1.0-sd"),
    ("  MIT ", "mit"),
]


@pytest.mark.parametrize(("name", "licence_id"), NAMES)
def test_name_that_other_tools_use_finds_the_licence(rules: Ruleset, name: str, licence_id: str) -> None:
    found = rules.find(name)
    assert found is not None
    assert found.id == licence_id


def test_similar_name_finds_nothing(rules: Ruleset) -> None:
    # A later copy of the research licence is another text; neither an unknown revision nor silence is a match.
    for name in ("LicenseRef-scancode-stability-ai-nc-2023-12-06", "flux-dev-nc-3.0", "other", "", None):
        assert rules.find(name) is None


def test_disputes_name_licences_and_who_says_so(rules: Ruleset) -> None:
    assert {"pony-diffusion-v6", "pixart", "sdxl-turbo", "auraflow", "chroma"} <= set(rules.disputes)
    for dispute in rules.disputes.values():
        assert dispute.text
        assert set(dispute.licence_ids) <= set(rules.licences)
        for assertion in dispute.assertions:
            assert assertion.asserted_by
            assert assertion.text.endswith(".")


def test_dispute_puts_its_facts_on_the_component(rules: Ruleset) -> None:
    pony, aura = rules.disputes["pony-diffusion-v6"], rules.disputes["auraflow"]
    assert pony.facts_for("openrail++") == {"also_asserted": ["creativeml-openrail-m", "fair-ai-public-1.0-sd"]}
    assert aura.facts_for("apache-2.0") == {"assertion_status": "unverified"}
