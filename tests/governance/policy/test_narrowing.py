"""What a creator ticks, an adapter's licence and an asker's silence can only narrow, shown where much is allowed.

Drawn evenly, nearly every request is refused or held for some other reason, and nothing is left to narrow; here the
licences grant, the asker answers, and a flag is the only thing in the way.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    CreatorFlags,
    Decision,
    Declarations,
    Grant,
    Outcome,
    Role,
    Use,
    UseRequest,
    decide,
    effective_permissions,
)
from governance.policy.vocabulary import ASKED_USES
from tests.governance.policy.asking import IN_ORDER, NOTHING_STANDS_AGAINST
from tests.governance.policy.test_lattice import BOOLEANS, LICENCES, RULES, actors, flags, severity, uses

PROPERTY = settings(max_examples=300, deadline=None)
GRANTING_BASES = ["apache-2.0", "openrail++", "creativeml-openrail-m", "stability-community-2024-07", "kolors"]
GRANTING = ["apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "openrail++"]
some = st.sampled_from
generous = st.just(NOTHING_STANDS_AGAINST) | some([True, False]).map(
    lambda paid: replace(NOTHING_STANDS_AGAINST, receives_payment=paid)
)
# What hangs on one licence: the base; what hangs on its creator: adapters and their parents.
granting_bases = some(GRANTING_BASES).map(lambda name: Component(Role.BASE, "base", name))
any_base = some(LICENCES).map(lambda name: Component(Role.BASE, "base", name))
adapters = st.builds(
    Component, role=st.just(Role.ADAPTER), name=st.just("adapter"), licence_id=some(GRANTING), flags=flags
)
parents = st.builds(
    Component, role=st.just(Role.PARENT), name=some(["one", "two"]), licence_id=some(GRANTING), flags=flags
)
works = st.tuples(adapters, st.lists(parents, max_size=2)).map(lambda pair: (pair[0], *pair[1]))


def _ask(use: Use, parts: tuple[Component, ...], actor: ActorFacts = NOTHING_STANDS_AGAINST) -> Decision:
    return decide(UseRequest(use, parts, actor, IN_ORDER), RULES)


def _flagged(part: Component, ticked: CreatorFlags | None) -> Component:
    return Component(part.role, part.name, part.licence_id, part.asserted_by, ticked, part.facts)


@PROPERTY
@given(uses, granting_bases, works, generous)
def test_flags_narrow_what_was_free(use: Use, base: Component, made: tuple[Component, ...], actor: ActorFacts) -> None:
    free = _ask(use, (base, *(_flagged(part, None) for part in made)), actor)
    narrowed = _ask(use, (base, *made), actor)
    event(f"{free.outcome.value} → {narrowed.outcome.value}")
    assert severity(narrowed.outcome) >= severity(free.outcome)
    assert set(narrowed.obligations) >= set(free.obligations)
    assert {q.fact for q in narrowed.questions} >= {q.fact for q in free.questions}
    if narrowed.outcome is not free.outcome:
        assert any(reason.rule == "creator.flags" and reason.clause for reason in narrowed.deciding)


@PROPERTY
@given(uses, any_base, works, generous | actors)
def test_no_flag_and_no_licence_of_an_adapter_widens_its_base(
    use: Use, base: Component, made: tuple[Component, ...], actor: ActorFacts
) -> None:
    alone, together = _ask(use, (base,), actor), _ask(use, (base, *made), actor)
    assert severity(together.outcome) >= severity(alone.outcome)
    assert set(together.obligations) >= set(alone.obligations)


@PROPERTY
@given(uses, granting_bases, works, generous, st.data())
def test_unticking_never_helps(
    use: Use, base: Component, made: tuple[Component, ...], actor: ActorFacts, data: st.DataObject
) -> None:
    """Each tick by itself: what stays allowed with fewer ticks was allowed with more."""
    more = data.draw(st.frozensets(some(list(CommercialFlag))))
    less = data.draw(st.frozensets(some(sorted(more)))) if more else frozenset()
    ticks = [CreatorFlags(commercial_use=ticked) for ticked in (more, less)]
    many, few = (_ask(use, (base, *(_flagged(part, tick) for part in made)), actor) for tick in ticks)
    event(f"{many.outcome.value} → {few.outcome.value}")
    assert severity(few.outcome) >= severity(many.outcome)


@PROPERTY
@given(uses, granting_bases, works, generous, some(["allow_no_credit", "allow_derivatives", "allow_different_licence"]))
def test_saying_no_never_helps(
    use: Use, base: Component, made: tuple[Component, ...], actor: ActorFacts, name: str
) -> None:
    answers = []
    for said in (True, None, False):
        parts = tuple(_flagged(part, replace(part.flags, **{name: said})) for part in made)  # type: ignore[type-var]
        answers.append(_ask(use, (base, *parts), actor))
    yes, silent, no = answers
    assert severity(no.outcome) >= severity(silent.outcome) == severity(yes.outcome)
    assert set(no.obligations) >= set(silent.obligations)


FLAG_USES = {
    CommercialFlag.IMAGE: Use.COMMERCIAL_OUTPUTS,
    CommercialFlag.RENT: Use.HOSTED_SERVICE,
    CommercialFlag.SELL: Use.SELLING_WEIGHTS,
}


@pytest.mark.parametrize("flag", FLAG_USES)
@pytest.mark.parametrize("licence", LICENCES)
def test_tick_beyond_the_base_is_told_with_the_clause_that_narrows_it(licence: str, flag: CommercialFlag) -> None:
    claim = RULES.licences[licence].claims[FLAG_USES[flag]]
    made = Component(Role.ADAPTER, "adapter", "mit", "", CreatorFlags(commercial_use=frozenset({flag})))
    decision = _ask(Use.PUBLISH, (Component(Role.BASE, "base", licence), made))
    told = [
        (reason.clause, reason.facts["use"]) for reason in decision.reasons if reason.code == "flag-narrowed-by-base"
    ]
    assert told == ([] if claim.grant is Grant.YES else [(claim.clause, FLAG_USES[flag].value)])


@PROPERTY
@given(any_base, works, generous | actors)
def test_effective_permissions_are_the_decisions(
    base: Component, made: tuple[Component, ...], actor: ActorFacts
) -> None:
    """The licence card and the filter say what the gate will say."""
    card = effective_permissions((base, *made), RULES, actor)
    assert set(card) == set(ASKED_USES)
    for use, permission in card.items():
        decision = _ask(use, (base, *made), actor)
        assert permission.outcome is decision.outcome
        assert bool(permission.narrowed_by) is (decision.outcome is not Outcome.ALLOW)


ANSWERS: dict[str, list[Any]] = {
    "annual_revenue_usd": [0, 1_000_000, 1_000_001, 10**12],
    "monthly_users": [0, 100_000_000, 100_000_001, 300_000_001],
    "territory": ["DE", "JP", "GB"],
    "registered_with": [frozenset(), frozenset({"kolors"}), frozenset({"stability-ai", "kolors"})],
    **{
        name: [True, False]
        for name in (
            "receives_payment serves_end_users offers_related_service filters_content discloses_ai "
            "trains_competing_model biometric_processing"
        ).split()
    },
}


def test_every_fact_has_its_answers() -> None:
    assert set(ANSWERS) == set(ActorFacts.__dataclass_fields__)


@PROPERTY
@given(uses, any_base, works, generous | actors, some(sorted(ANSWERS)))
def test_silence_settles_nothing_that_an_answer_could_turn(
    use: Use, base: Component, made: tuple[Component, ...], actor: ActorFacts, fact: str
) -> None:
    """Allowed without the fact means allowed whatever it is; refused without it means refused whatever it is."""
    silent = _ask(use, (base, *made), replace(actor, **{fact: None}))
    answered = [_ask(use, (base, *made), replace(actor, **{fact: value})).outcome for value in ANSWERS[fact]]
    event(silent.outcome.value)
    if silent.outcome is not Outcome.REVIEW:
        assert set(answered) == {silent.outcome}
    if len(set(answered)) > 1:
        assert silent.outcome is not Outcome.ALLOW
        assert fact in {question.fact for question in silent.questions}


@PROPERTY
@given(
    granting_bases,
    works,
    st.builds(
        Declarations,
        rights_affirmed=BOOLEANS,
        depicts_real_person=BOOLEANS,
        consent_ids=some([(), ("c",)]),
        training_sources=some([(), ("mine",)]),
        duplicates_of=some([(), ("ada/thing",)]),
        copies_held_back=st.booleans(),
    ),
)
def test_leaving_a_declaration_out_never_helps(
    base: Component, made: tuple[Component, ...], said: Declarations
) -> None:
    def outcome(declared: Declarations | None) -> int:
        return severity(decide(UseRequest(Use.PUBLISH, (base, *made), NOTHING_STANDS_AGAINST, declared), RULES).outcome)

    for field, best in (("rights_affirmed", True), ("depicts_real_person", False), ("training_sources", ("mine",))):
        nothing: Any = () if field == "training_sources" else None
        assert outcome(replace(said, **{field: nothing})) >= outcome(replace(said, **{field: best}))
    assert outcome(None) >= outcome(said) or said.rights_affirmed is not True
