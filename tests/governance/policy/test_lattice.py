"""What must hold for every request: order is nothing, nothing widens, ignorance is never permission."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    CreatorFlags,
    Declarations,
    Outcome,
    Role,
    Ruleset,
    Use,
    UseRequest,
    decide,
    load_ruleset,
)
from governance.policy.vocabulary import SEVERITY, ConditionKind
from tests.governance.policy.conftest import CATALOGUE

RULES: Ruleset = load_ruleset(CATALOGUE)
LICENCES = sorted(RULES.licences)
UNKNOWN = ("someone-elses-licence", "", None)
BOOLEANS = st.sampled_from([True, False, None])

flags = st.builds(
    CreatorFlags,
    commercial_use=st.none() | st.frozensets(st.sampled_from(list(CommercialFlag))),
    allow_no_credit=BOOLEANS,
    allow_derivatives=BOOLEANS,
    allow_different_licence=BOOLEANS,
)
component_facts = st.sampled_from(
    [{}, {"assertion_status": "second-hand"}, {"also_asserted": ["openrail++"]}, {"also_asserted": ["nobody-knows"]}]
)
components = st.builds(
    Component,
    role=st.sampled_from(list(Role)),
    name=st.sampled_from(["one", "two", "three"]),
    licence_id=st.sampled_from([*LICENCES, *UNKNOWN]),
    flags=st.none() | flags,
    facts=component_facts,
)
bases = components.map(lambda c: Component(Role.BASE, "base", c.licence_id, "", None, c.facts))
requests_parts = st.tuples(bases, st.lists(components, max_size=4)).map(lambda pair: (pair[0], *pair[1]))
actors = st.builds(
    ActorFacts,
    annual_revenue_usd=st.sampled_from([None, 0, 1_000_000, 1_000_001, 10_000_000]),
    monthly_users=st.sampled_from([None, 0, 100_000_001, 300_000_001]),
    territory=st.sampled_from([None, "DE", "JP", "EU", "??"]),
    registered_with=st.sampled_from([None, frozenset(), frozenset({"kolors", "stability-ai"})]),
    receives_payment=BOOLEANS,
    serves_end_users=BOOLEANS,
    offers_related_service=BOOLEANS,
    filters_content=BOOLEANS,
    discloses_ai=BOOLEANS,
    trains_competing_model=BOOLEANS,
    biometric_processing=BOOLEANS,
)
declared = st.none() | st.builds(
    Declarations,
    rights_affirmed=BOOLEANS,
    depicts_real_person=BOOLEANS,
    consent_ids=st.sampled_from([(), ("c",)]),
    training_sources=st.sampled_from([(), ("mine",)]),
    claimed_licence=st.sampled_from([None, "mit", "something"]),
    duplicates_of=st.sampled_from([(), ("ada/thing",)]),
    copies_held_back=st.booleans(),
    family_declared=st.sampled_from(["sd1", "sdxl"]),
    family_found=st.sampled_from(["", "unknown", "sd1", "sdxl"]),
)
uses = st.sampled_from(list(Use))


def severity(outcome: Outcome) -> int:
    return SEVERITY[outcome]


@settings(max_examples=300, deadline=None)
@given(uses, requests_parts, components, actors, declared)
def test_adding_a_component_is_never_more_permissive(
    use: Use, parts: tuple[Component, ...], added: Component, actor: ActorFacts, said: Declarations | None
) -> None:
    before = decide(UseRequest(use, parts, actor, said), RULES)
    after = decide(UseRequest(use, (*parts, added), actor, said), RULES)
    assert severity(after.outcome) >= severity(before.outcome)


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    use: Use, parts: tuple[Component, ...], actor: ActorFacts, said: Declarations | None, random: Any
) -> None:
    shuffled = [*parts, random.choice(parts)]
    random.shuffle(shuffled)
    one, two = UseRequest(use, parts, actor, said), UseRequest(use, tuple(shuffled), actor, said)
    assert decide(one, RULES) == decide(two, RULES)


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared, flags)
def test_flags_only_narrow(
    use: Use, parts: tuple[Component, ...], actor: ActorFacts, said: Declarations | None, ticked: CreatorFlags
) -> None:
    bare = tuple(Component(c.role, c.name, c.licence_id, c.asserted_by, None, c.facts) for c in parts)
    flagged = tuple(Component(c.role, c.name, c.licence_id, c.asserted_by, ticked, c.facts) for c in parts)
    free, narrowed = (decide(UseRequest(use, some, actor, said), RULES) for some in (bare, flagged))
    assert severity(narrowed.outcome) >= severity(free.outcome)


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared)
def test_reasons_carry_the_outcome_and_say_where_they_come_from(
    use: Use, parts: tuple[Component, ...], actor: ActorFacts, said: Declarations | None
) -> None:
    decision = decide(UseRequest(use, parts, actor, said), RULES)
    assert decision.reasons
    assert decision.deciding
    gravity = [severity(reason.outcome) for reason in decision.reasons]
    assert gravity == sorted(gravity, reverse=True)
    assert gravity[0] == severity(decision.outcome)
    assert all(reason.code and reason.rule and reason.message for reason in decision.reasons)
    assert decision.ruleset_digest == RULES.digest


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared, st.sampled_from(UNKNOWN), st.sampled_from(list(Role)))
def test_unknown_licence_is_never_allowed(
    use: Use,
    parts: tuple[Component, ...],
    actor: ActorFacts,
    said: Declarations | None,
    licence: str | None,
    role: Role,
) -> None:
    decision = decide(UseRequest(use, (*parts, Component(role, "unknown", licence)), actor, said), RULES)
    assert decision.outcome is not Outcome.ALLOW
    assert "unknown-licence" in {reason.code for reason in decision.reasons}


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared)
def test_obligations_are_the_union_over_components(
    use: Use, parts: tuple[Component, ...], actor: ActorFacts, said: Declarations | None
) -> None:
    together = set(decide(UseRequest(use, parts, actor, said), RULES).obligations)
    base, *rest = parts
    alone = set(decide(UseRequest(use, (base,), actor, said), RULES).obligations)
    for part in rest:
        alone |= set(decide(UseRequest(use, (base, part), actor, said), RULES).obligations)
    assert together == alone


@settings(max_examples=200, deadline=None)
@given(uses, requests_parts, actors, declared)
def test_decision_can_be_taken_again_from_its_snapshot(
    use: Use, parts: tuple[Component, ...], actor: ActorFacts, said: Declarations | None
) -> None:
    request = UseRequest(use, parts, actor, said)
    again = UseRequest.from_json(request.to_json())
    assert decide(again, RULES).to_json() == decide(request, RULES).to_json()


FACT_OF = {
    ConditionKind.REVENUE_CAP: "annual_revenue_usd",
    ConditionKind.USER_CAP: "monthly_users",
    ConditionKind.TERRITORY: "territory",
    ConditionKind.REGISTRATION: "registered_with",
    ConditionKind.PAYMENT_BAN: "receives_payment",
    ConditionKind.END_USER_BAN: "serves_end_users",
    ConditionKind.HOST_BAN: "offers_related_service",
    ConditionKind.CONTENT_FILTER: "filters_content",
    ConditionKind.AI_DISCLOSURE: "discloses_ai",
    ConditionKind.NO_COMPETITOR_TRAINING: "trains_competing_model",
    ConditionKind.NO_BIOMETRIC_PROCESSING: "biometric_processing",
}


@settings(max_examples=200, deadline=None)
@given(actors, st.data())
def test_missing_fact_is_never_allowed(actor: ActorFacts, data: st.DataObject) -> None:
    conditional = [(lic, claim) for lic in RULES.licences.values() for claim in lic.claims.values() if claim.conditions]
    licence, claim = data.draw(st.sampled_from(conditional))
    fact = FACT_OF[data.draw(st.sampled_from(claim.conditions)).kind]
    silent = replace(actor, **{fact: None})
    decision = decide(UseRequest(claim.use, (Component(Role.BASE, "base", licence.id),), silent), RULES)
    assert decision.outcome is not Outcome.ALLOW
    assert fact in {question.fact for question in decision.questions}


@pytest.mark.parametrize("kind", list(ConditionKind))
def test_every_kind_of_condition_is_checked_against_a_fact(kind: ConditionKind) -> None:
    assert FACT_OF[kind] in ActorFacts.__dataclass_fields__
