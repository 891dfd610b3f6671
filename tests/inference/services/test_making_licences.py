"""The computed licence and permissions, as tables: the strictest part binds, what excludes each other is refused."""

from typing import Any

import pytest

from governance.policy import (
    ActorFacts,
    Component,
    CreatorFlags,
    ObligationKind,
    Outcome,
    Role,
    Use,
    UseRequest,
    decide,
)
from governance.rulebook import current_ruleset
from inference.services.making_licences import Licensing, Permissions, licence_computed

FREELY = Permissions(credit_required=False, allow_different_licence=True, commercial_use=("image", "rent", "sell"))


def _flags(**changes: Any) -> CreatorFlags:
    given: dict[str, Any] = {
        "commercial_use": frozenset({"image", "rent", "sell"}),
        "allow_no_credit": True,
        "allow_derivatives": True,
        "allow_different_licence": True,
    }
    return CreatorFlags(**{**given, **changes})


def _computed(base: str, *parents: str, **flags: Any) -> Licensing:
    components = [Component(Role.BASE, "the base", base, "its card")]
    components += [
        Component(Role.PARENT, f"parent {place}", licence, "ada", _flags(**flags))
        for place, licence in enumerate(parents)
    ]
    return licence_computed(components=components, permissions=FREELY, family="sdxl", facts=ActorFacts())


@pytest.mark.parametrize(
    ("base", "parents", "licence", "outcome"),
    [
        ("apache-2.0", ("apache-2.0", "apache-2.0"), "apache-2.0", "allow"),
        ("apache-2.0", ("apache-2.0", "mit"), "apache-2.0", "allow"),
        ("apache-2.0", ("apache-2.0", "cc-by-4.0"), "apache-2.0", "allow"),
        ("apache-2.0", ("apache-2.0", "cc-by-nc-4.0"), "cc-by-nc-4.0", "allow"),
        ("apache-2.0", ("cc-by-nc-4.0", "apache-2.0"), "cc-by-nc-4.0", "allow"),
        # share-alike carries over, from a parent and from a base
        ("openrail++", ("fair-ai-public-1.0-sd", "apache-2.0"), "fair-ai-public-1.0-sd", "allow"),
        ("fair-ai-public-1.0-sd", ("apache-2.0", "cc-by-4.0"), "fair-ai-public-1.0-sd", "allow"),
        ("fair-ai-public-1.0-sd", ("noobai-additions", "apache-2.0"), "fair-ai-public-1.0-sd", "review"),
        # an unsettled share-alike keeps its own licence
        ("apache-2.0", ("cc-by-sa-4.0", "apache-2.0"), "cc-by-sa-4.0", "allow"),
    ],
)
def test_licence_is_the_one_that_promises_no_more_than_its_sources(
    base: str, parents: tuple[str, ...], licence: str, outcome: str
) -> None:
    found = _computed(base, *parents)
    assert (found.licence_id, found.decision.outcome.value) == (licence, outcome), found.choices


@pytest.mark.parametrize(
    "first", [("fair-ai-public-1.0-sd", "ltx-2-community"), ("ltx-2-community", "fair-ai-public-1.0-sd")]
)
def test_share_alike_licences_that_exclude_each_other_are_never_allowed(first: tuple[str, str]) -> None:
    found = _computed("apache-2.0", *first)
    assert all(outcome is not Outcome.ALLOW for _, outcome in found.choices)
    assert any(reason.code.startswith("share-alike") for reason in found.decision.deciding)


def test_order_of_the_parts_decides_nothing() -> None:
    known = sorted(current_ruleset().licences)
    for one in known:
        for other in known:
            assert _computed("openrail++", one, other).licence_id == _computed("openrail++", other, one).licence_id


def test_two_parents_that_each_insist_on_their_own_licence_cannot_be_given_on() -> None:
    found = _computed("apache-2.0", "mit", "cc-by-4.0", allow_different_licence=False)
    assert not found.is_possible
    assert {reason.code for reason in found.decision.deciding} == {"flag-different-licence"}


def test_parent_that_insists_on_its_licence_gives_it_to_the_result() -> None:
    components = (
        Component(Role.BASE, "the base", "apache-2.0", "its card"),
        Component(Role.PARENT, "free", "apache-2.0", "ada", _flags()),
        Component(Role.PARENT, "strict", "cc-by-4.0", "bea", _flags(allow_different_licence=False)),
    )
    found = licence_computed(components=components, permissions=FREELY, family="sdxl", facts=ActorFacts())
    assert (found.licence_id, found.decision.outcome) == ("cc-by-4.0", Outcome.ALLOW)


def test_parent_without_derivatives_is_refused() -> None:
    found = _computed("apache-2.0", "apache-2.0", allow_derivatives=False)
    assert not found.is_possible
    assert "flag-derivatives" in {reason.code for reason in found.decision.deciding}


def test_unknown_licence_is_left_to_a_person() -> None:
    assert _computed("apache-2.0", "home-made-1.0").decision.outcome is Outcome.REVIEW


def test_obligations_of_all_parts_add_up() -> None:
    parents = [
        Component(Role.PARENT, "a", "cc-by-4.0", "ada", _flags(allow_no_credit=False)),
        Component(Role.PARENT, "b", "creativeml-openrail-m", "bea", _flags()),
    ]
    base = Component(Role.BASE, "the base", "openrail++", "its card")

    def duties(*components: Component) -> set[tuple[ObligationKind, str]]:
        decision = decide(UseRequest(Use.MERGING, components), current_ruleset())
        return {(duty.kind, duty.component) for duty in decision.obligations}

    together = duties(base, *parents)
    assert together == duties(base, parents[0]) | duties(base, parents[1])
    assert (ObligationKind.ATTRIBUTION, "a") in together
    assert {component for _, component in together} >= {"a", "b"}


def test_a_further_parent_never_makes_the_answer_more_permissive() -> None:
    from governance.policy.vocabulary import SEVERITY

    known = sorted(current_ruleset().licences)
    for one in known:
        alone = _computed("apache-2.0", one).decision.outcome
        for other in known:
            both = _computed("apache-2.0", one, other).decision.outcome
            assert SEVERITY[both] >= SEVERITY[alone], (one, other)


@pytest.mark.parametrize("role", [Role.BASE, Role.PARENT])
@pytest.mark.parametrize("licence", [*sorted(current_ruleset().licences), "of nobody's knowing"])
def test_merging_that_is_left_to_a_person_is_published_by_one(licence: str, role: Role) -> None:
    """What goes into a draft before anybody has decided meets a person before it is given on: each licence's claims."""
    base = () if role is Role.BASE else (Component(Role.BASE, "the base", "apache-2.0", "its card"),)
    components = (*base, Component(role, "it", licence, "ada", _flags() if role is Role.PARENT else None))
    merging = decide(UseRequest(Use.MERGING, components, ActorFacts()), current_ruleset())
    if merging.outcome is Outcome.ALLOW:
        return
    computed = licence_computed(components=components, permissions=FREELY, family="sdxl", facts=ActorFacts())
    assert computed.decision.outcome is not Outcome.ALLOW
