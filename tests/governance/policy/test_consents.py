"""Consents: what a person allowed, for what and where; what they left out is refused, and what decides is asked."""

from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    ConsentGrant,
    ConsentNeed,
    ConsentScope,
    CreatorFlags,
    Decision,
    Outcome,
    Role,
    Ruleset,
    Use,
    UseRequest,
    decide,
)
from governance.policy.rules.consents import RULE, SCOPE_WORDS, scopes_needed
from tests.governance.policy.asking import IN_ORDER, NOTHING_STANDS_AGAINST, NOTHING_STATED, adapter, ask, base, parent
from tests.governance.policy.test_lattice import RULES, actors, severity, uses

S = ConsentScope
ALL = frozenset(S)
FREE = ALL - {S.COMMERCIAL}
EU, JP = frozenset({"EU"}), frozenset({"JP"})
REFERENCE = "consent 1f0e9a3c"
PAID, UNPAID = ActorFacts(receives_payment=True), ActorFacts(receives_payment=False)


def grant(scopes: frozenset[ConsentScope] = ALL, places: frozenset[str] = frozenset()) -> ConsentGrant:
    return ConsentGrant(REFERENCE, scopes, places)


def need(*grants: ConsentGrant) -> ConsentNeed:
    return ConsentNeed(REFERENCE, grants)


def put(rules: Ruleset, use: Use, *needs: ConsentNeed, actor: ActorFacts = NOTHING_STANDS_AGAINST) -> Decision:
    return ask(rules, use, base("apache-2.0"), adapter("apache-2.0", consents=needs), actor=actor)


TABLE = [
    # grants, use, asker, outcome, code of the consent's reason
    ([grant()], Use.PERSONAL, NOTHING_STATED, Outcome.ALLOW, "consent-given"),
    ([grant()], Use.SELLING_WEIGHTS, NOTHING_STATED, Outcome.ALLOW, "consent-given"),
    ([], Use.PERSONAL, NOTHING_STATED, Outcome.DENY, "consent-ended"),
    ([], Use.PUBLISH, NOTHING_STATED, Outcome.REVIEW, "consent-ended"),
    ([grant(FREE)], Use.PERSONAL, PAID, Outcome.ALLOW, "consent-given"),
    ([grant(FREE)], Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.DENY, "consent-scope"),
    ([grant(FREE)], Use.SELLING_WEIGHTS, NOTHING_STATED, Outcome.DENY, "consent-scope"),
    ([grant(FREE)], Use.HOSTED_SERVICE, UNPAID, Outcome.ALLOW, "consent-given"),
    ([grant(FREE)], Use.HOSTED_SERVICE, NOTHING_STATED, Outcome.REVIEW, "missing-fact"),
    ([grant(FREE)], Use.HOSTED_SERVICE, PAID, Outcome.DENY, "consent-scope"),
    ([grant(frozenset({S.TRAINING}))], Use.HOSTED_SERVICE, NOTHING_STATED, Outcome.DENY, "consent-scope"),
    ([grant(FREE), grant()], Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.ALLOW, "consent-given"),
    ([grant(ALL - {S.PREVIEW})], Use.PREVIEW, NOTHING_STATED, Outcome.DENY, "consent-scope"),
    ([grant(ALL - {S.TRAINING})], Use.TRAINING, NOTHING_STATED, Outcome.DENY, "consent-scope"),
    ([grant(frozenset({S.PREVIEW}))], Use.PREVIEW, NOTHING_STATED, Outcome.ALLOW, "consent-given"),
    ([grant(ALL, EU)], Use.PERSONAL, NOTHING_STATED, Outcome.REVIEW, "missing-fact"),
    ([grant(ALL, EU)], Use.PERSONAL, ActorFacts(territory="XX"), Outcome.REVIEW, "missing-fact"),
    ([grant(ALL, EU)], Use.PERSONAL, ActorFacts(territory="DE"), Outcome.ALLOW, "consent-given"),
    ([grant(ALL, EU)], Use.PERSONAL, ActorFacts(territory="EU"), Outcome.ALLOW, "consent-given"),
    ([grant(ALL, EU)], Use.PERSONAL, ActorFacts(territory="US"), Outcome.DENY, "consent-territory"),
    ([grant(ALL, EU), grant(ALL, JP)], Use.PERSONAL, ActorFacts(territory="JP"), Outcome.ALLOW, "consent-given"),
    ([grant(FREE), grant(ALL, JP)], Use.COMMERCIAL_OUTPUTS, ActorFacts(territory="US"), Outcome.DENY, None),
    ([grant(ALL, JP)], Use.PUBLISH, NOTHING_STATED, Outcome.ALLOW, "consent-given"),  # of no one place
    ([grant(ALL, JP)], Use.PREVIEW, NOTHING_STATED, Outcome.ALLOW, "consent-given"),
]


@pytest.mark.parametrize(("grants", "use", "actor", "outcome", "code"), TABLE)
def test_consent_answers_for_the_use_and_the_place(
    rules: Ruleset, grants: list[ConsentGrant], use: Use, actor: ActorFacts, outcome: Outcome, code: str | None
) -> None:
    decision = put(rules, use, need(*grants), actor=actor)
    assert decision.outcome is outcome
    found = [reason for reason in decision.reasons if reason.rule == RULE]
    assert [reason.code for reason in found] == [code or "consent-territory"]
    assert found[0].clause
    assert found[0].clause.startswith(REFERENCE)
    assert found[0].facts["use"] == use.value or found[0].facts["fact"]


@pytest.mark.parametrize(
    ("grants", "use", "fact"),
    [
        ([grant(ALL, EU)], Use.RESEARCH, ["territory"]),
        ([grant(FREE)], Use.HOSTED_SERVICE, ["receives_payment"]),
        ([grant(FREE, EU), grant(ALL, JP)], Use.HOSTED_SERVICE, ["receives_payment", "territory"]),
        ([grant()], Use.HOSTED_SERVICE, []),
    ],
)
def test_open_fact_is_asked_and_named(rules: Ruleset, grants: list[ConsentGrant], use: Use, fact: list[str]) -> None:
    decision = put(rules, use, need(*grants), actor=NOTHING_STATED)
    assert [question.fact for question in decision.questions] == fact
    assert decision.depends_on_answers is bool(fact)


def test_what_a_person_left_out_is_told_and_goes_along_as_a_duty(rules: Ruleset) -> None:
    decision = put(rules, Use.REDISTRIBUTION, need(grant(FREE, EU)), actor=replace(UNPAID, territory="FR"))
    assert decision.allowed
    duties = {duty.kind.value: duty for duty in decision.obligations if duty.clause.startswith(REFERENCE)}
    assert set(duties) == {"use-restrictions", "territory"}
    assert "EU" in duties["territory"].text
    refused = put(rules, Use.SELLING_WEIGHTS, need(grant(FREE)))
    assert SCOPE_WORDS[S.COMMERCIAL] in refused.reasons[0].message
    assert refused.reasons[0].facts == {
        "use": "selling-weights",
        "needed": ["commercial-use"],
        "granted": ["preview", "publication", "training"],
    }
    assert not put(rules, Use.PERSONAL, need(grant())).obligations


def test_each_person_has_to_allow_it_and_so_has_each_of_a_parent(rules: Ruleset) -> None:
    assert put(rules, Use.COMMERCIAL_OUTPUTS, need(grant()), need(grant(FREE))).outcome is Outcome.DENY
    rested = parent("apache-2.0", consents=(need(grant(FREE)),))
    decision = ask(rules, Use.COMMERCIAL_OUTPUTS, base("apache-2.0"), adapter("apache-2.0"), rested)
    assert [(reason.code, reason.component) for reason in decision.deciding] == [("consent-scope", "the parent")]


def test_published_with_commercial_flags_needs_consent_to_that(rules: Ruleset) -> None:
    flags = CreatorFlags(commercial_use=frozenset({CommercialFlag.IMAGE}))
    for flagged, outcome in ((flags, Outcome.REVIEW), (None, Outcome.ALLOW)):
        made = adapter("apache-2.0", flags=flagged, consents=(need(grant(FREE)),))
        assert ask(rules, Use.PUBLISH, base("apache-2.0"), made).outcome is outcome
    assert scopes_needed(adapter("mit", flags=flags), Use.PUBLISH, None) == {S.PUBLICATION, S.COMMERCIAL}


def test_unnamed_need_names_no_consent(rules: Ruleset) -> None:
    for grants in ((), (grant(FREE),), (grant(ALL, EU),)):
        decision = put(rules, Use.COMMERCIAL_OUTPUTS, need(*grants).unnamed(), actor=NOTHING_STATED)
        assert REFERENCE not in str(decision.to_json())
        assert all(reason.clause for reason in decision.reasons if reason.rule == RULE)


def test_snapshot_keeps_the_terms_and_stays_as_it_was_without_any() -> None:
    made = adapter("mit", consents=(need(grant(FREE, EU), grant()),))
    assert Component.from_json(made.to_json()) == made
    assert "consents" not in adapter("mit").to_json()


# Properties

places = st.sampled_from([frozenset(), EU, JP, frozenset({"DE", "FR"})])
grants = st.builds(
    ConsentGrant, reference=st.sampled_from(["a", "b"]), scopes=st.frozensets(st.sampled_from(S)), territories=places
)
needs = st.builds(ConsentNeed, reference=st.just("a"), grants=st.lists(grants, max_size=3).map(tuple))
rested = st.builds(
    Component,
    role=st.sampled_from([Role.ADAPTER, Role.PARENT, Role.TRAINING_DATA]),
    name=st.sampled_from(["one", "two"]),
    licence_id=st.sampled_from(["mit", "apache-2.0"]),
    flags=st.sampled_from([None, CreatorFlags(commercial_use=frozenset(CommercialFlag))]),
    consents=st.lists(needs, max_size=3).map(tuple),
)
PROPERTY = settings(max_examples=300, deadline=None)
BASE = Component(Role.BASE, "base", "apache-2.0")


def _outcome(use: Use, actor: ActorFacts, *parts: Component) -> Decision:
    return decide(UseRequest(use, (BASE, *parts), actor, IN_ORDER), RULES)


@PROPERTY
@given(uses, actors, st.lists(rested, max_size=3), rested)
def test_adding_a_component_with_consents_is_never_more_permissive(
    use: Use, actor: ActorFacts, parts: list[Component], added: Component
) -> None:
    before, after = _outcome(use, actor, *parts), _outcome(use, actor, *parts, added)
    event(f"{before.outcome.value} → {after.outcome.value}")
    assert severity(after.outcome) >= severity(before.outcome)
    assert set(after.obligations) >= set(before.obligations)
    assert set(after.questions) >= set(before.questions)


@PROPERTY
@given(uses, actors, rested, needs)
def test_resting_on_one_more_person_never_helps(
    use: Use, actor: ActorFacts, part: Component, more: ConsentNeed
) -> None:
    """A component is compared by what it rests on too, so it is replaced here and not added."""
    wider = Component(part.role, part.name, part.licence_id, "", part.flags, {}, (*part.consents, more))
    assert severity(_outcome(use, actor, wider).outcome) >= severity(_outcome(use, actor, part).outcome)


@PROPERTY
@given(uses, actors, st.lists(grants, max_size=3), grants, st.data())
def test_narrowing_or_taking_back_a_grant_never_helps(
    use: Use, actor: ActorFacts, others: list[ConsentGrant], one: ConsentGrant, data: st.DataObject
) -> None:
    less = data.draw(st.frozensets(st.sampled_from(sorted(one.scopes)))) if one.scopes else frozenset()
    narrowed = data.draw(st.sampled_from([None, ConsentGrant(one.reference, less, one.territories or EU)]))
    kept = () if narrowed is None else (narrowed,)
    before, after = (
        _outcome(use, actor, Component(Role.ADAPTER, "one", "mit", consents=(ConsentNeed("a", (*others, *some)),)))
        for some in ((one,), kept)
    )
    event(f"{before.outcome.value} → {after.outcome.value}")
    assert severity(after.outcome) >= severity(before.outcome)


@PROPERTY
@given(uses, actors, rested, st.sampled_from(["territory", "receives_payment"]))
def test_silence_settles_nothing_that_an_answer_could_turn(
    use: Use, actor: ActorFacts, part: Component, fact: str
) -> None:
    values = {"territory": ["DE", "JP", "GB", "EU"], "receives_payment": [True, False]}[fact]
    silent = _outcome(use, replace(actor, **{fact: None}), part)
    answered = {_outcome(use, replace(actor, **{fact: value}), part).outcome for value in values}
    if silent.outcome is not Outcome.REVIEW:
        assert answered == {silent.outcome}
    elif len(answered) > 1:
        assert fact in {question.fact for question in silent.questions}


@PROPERTY
@given(uses, actors, st.lists(rested, max_size=3))
def test_decision_with_consents_is_taken_again_from_its_snapshot(
    use: Use, actor: ActorFacts, parts: list[Component]
) -> None:
    request = UseRequest(use, (BASE, *parts), actor, IN_ORDER)
    assert decide(UseRequest.from_json(request.to_json()), RULES).to_json() == decide(request, RULES).to_json()
