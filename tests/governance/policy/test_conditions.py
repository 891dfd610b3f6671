"""Facts about the asker that turn an answer: caps at their edges, territory, payment, conduct, registration."""

from dataclasses import replace
from typing import Any

import pytest

from governance.policy import Outcome, Ruleset, Use
from tests.governance.policy.asking import NOTHING_STANDS_AGAINST, ask, base, codes

STABILITY, FLUX, KOLORS, HUNYUAN = "stability-community-2024-07", "flux-1-dev-nc-1.1.1", "kolors", "hunyuan-dit"
RESEARCH_ONLY, CC_NC = "stability-nc-research-2023-11", "cc-by-nc-4.0"

REFUSALS = [
    # licence, use, the fact that breaks it, code, clause
    (STABILITY, Use.COMMERCIAL_OUTPUTS, {"annual_revenue_usd": 1_000_001}, "revenue-cap", "§III"),
    (STABILITY, Use.RESEARCH, {"annual_revenue_usd": 5_000_000}, "revenue-cap", "§III"),
    (STABILITY, Use.MERGING, {"annual_revenue_usd": 5_000_000}, "revenue-cap", "§III"),
    (STABILITY, Use.HOSTED_SERVICE, {"registered_with": frozenset()}, "registration", "§III"),
    (STABILITY, Use.COMMERCIAL_OUTPUTS, {"registered_with": frozenset({"kolors"})}, "registration", "§III"),
    (STABILITY, Use.COMMERCIAL_OUTPUTS, {"trains_competing_model": True}, "no-competitor-training", "§IVb"),
    (FLUX, Use.HOSTED_SERVICE, {"receives_payment": True}, "payment-ban", "§1c"),
    (FLUX, Use.TRAINING, {"receives_payment": True}, "payment-ban", "§1c"),
    (FLUX, Use.REDISTRIBUTION, {"receives_payment": True}, "payment-ban", "§1c"),
    (FLUX, Use.PUBLISH, {"receives_payment": True}, "payment-ban", "§1c"),
    (FLUX, Use.HOSTED_SERVICE, {"filters_content": False}, "content-filter", "§2e"),
    (FLUX, Use.HOSTED_SERVICE, {"discloses_ai": False}, "ai-disclosure", "§2e"),
    (FLUX, Use.PREVIEW, {"discloses_ai": False}, "ai-disclosure", "§2e"),
    (FLUX, Use.HOSTED_SERVICE, {"biometric_processing": True}, "no-biometric-processing", "§4a(iv)"),
    (FLUX, Use.COMMERCIAL_OUTPUTS, {"trains_competing_model": True}, "no-competitor-training", "§2d"),
    (KOLORS, Use.COMMERCIAL_OUTPUTS, {"registered_with": frozenset()}, "registration", "§2c"),
    (KOLORS, Use.COMMERCIAL_OUTPUTS, {"monthly_users": 300_000_001}, "user-cap", "§2c"),
    (KOLORS, Use.COMMERCIAL_OUTPUTS, {"trains_competing_model": True}, "no-competitor-training", "§3b"),
    (HUNYUAN, Use.PERSONAL, {"territory": "DE"}, "territory", "§5c"),
    (HUNYUAN, Use.COMMERCIAL_OUTPUTS, {"territory": "EU"}, "territory", "§5c"),
    (HUNYUAN, Use.REDISTRIBUTION, {"territory": "RE"}, "territory", "§5c"),  # Réunion is EU territory
    (HUNYUAN, Use.HOSTED_SERVICE, {"monthly_users": 100_000_001}, "user-cap", "§4"),
    (RESEARCH_ONLY, Use.REDISTRIBUTION, {"offers_related_service": True}, "host-ban", "§1b"),
    (RESEARCH_ONLY, Use.REDISTRIBUTION, {"receives_payment": True}, "payment-ban", "§1a"),
]


@pytest.mark.parametrize(("licence", "use", "fact", "code", "clause"), REFUSALS)
def test_fact_against_the_licence_refuses(
    rules: Ruleset, licence: str, use: Use, fact: dict[str, Any], code: str, clause: str
) -> None:
    decision = ask(rules, use, base(licence), actor=replace(NOTHING_STANDS_AGAINST, **fact))
    assert decision.outcome is Outcome.DENY
    assert [(reason.code, reason.clause) for reason in decision.deciding] == [(code, clause)]
    assert decision.deciding[0].facts["fact"] in fact


EDGES = [
    (STABILITY, Use.COMMERCIAL_OUTPUTS, {"annual_revenue_usd": 1_000_000}, Outcome.ALLOW),
    (KOLORS, Use.COMMERCIAL_OUTPUTS, {"monthly_users": 300_000_000}, Outcome.ALLOW),
    (HUNYUAN, Use.COMMERCIAL_OUTPUTS, {"monthly_users": 100_000_000}, Outcome.ALLOW),
    (HUNYUAN, Use.PERSONAL, {"territory": "CH"}, Outcome.ALLOW),
    (HUNYUAN, Use.PERSONAL, {"territory": "GB"}, Outcome.ALLOW),
    (HUNYUAN, Use.PERSONAL, {"territory": "Atlantis"}, Outcome.REVIEW),  # a word that is no country answers nothing
    (HUNYUAN, Use.PERSONAL, {"territory": None}, Outcome.REVIEW),
]


@pytest.mark.parametrize(("licence", "use", "fact", "outcome"), EDGES)
def test_limit_itself_is_inside(rules: Ruleset, licence: str, use: Use, fact: dict[str, Any], outcome: Outcome) -> None:
    actor = replace(NOTHING_STANDS_AGAINST, **fact)
    assert ask(rules, use, base(licence), actor=actor).outcome is outcome


def test_question_names_the_fact_that_answers_it(rules: Ruleset) -> None:
    actor = replace(NOTHING_STANDS_AGAINST, annual_revenue_usd=None)
    decision = ask(rules, Use.COMMERCIAL_OUTPUTS, base(STABILITY), actor=actor)
    assert [question.fact for question in decision.questions] == ["annual_revenue_usd"]
    assert codes(decision) == {"missing-fact"}


def test_one_broken_condition_refuses_whatever_is_still_open(rules: Ruleset) -> None:
    actor = replace(NOTHING_STANDS_AGAINST, annual_revenue_usd=2_000_000, registered_with=None)
    decision = ask(rules, Use.COMMERCIAL_OUTPUTS, base(STABILITY), actor=actor)
    assert decision.outcome is Outcome.DENY
    assert [question.fact for question in decision.questions] == ["registered_with"]


def test_second_hand_prohibition_does_not_refuse_by_itself(rules: Ruleset) -> None:
    actor = replace(NOTHING_STANDS_AGAINST, annual_revenue_usd=50_000_000)
    decision = ask(rules, Use.COMMERCIAL_OUTPUTS, base("ltx-2-community"), actor=actor)
    assert decision.outcome is Outcome.REVIEW
    assert "revenue-cap" in codes(decision)
