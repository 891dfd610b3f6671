"""The decision itself: every rule over every component, the gravest finding wins, obligations add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from governance.policy.decisions import Decision, Findings, Obligation, Question, Reason
from governance.policy.licences import Ruleset
from governance.policy.requests import ActorFacts, Component, UseRequest
from governance.policy.rules.assertions import assertion_checked, sources_agree
from governance.policy.rules.consents import consents_cover
from governance.policy.rules.flags import creator_flags
from governance.policy.rules.grants import licence_grants, licence_known, weights_published
from governance.policy.rules.lineage import lineage, merge_can_be_shared
from governance.policy.rules.publishing import claimed_licence, declarations
from governance.policy.rules.training import training
from governance.policy.vocabulary import Outcome, Use


class _Graded(NamedTuple):
    """Findings with the reasons told apart by what they ask for, so that a decision only has to join them."""

    deny: tuple[Reason, ...]
    review: tuple[Reason, ...]
    allow: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    questions: tuple[Question, ...]


def decide(request: UseRequest, ruleset: Ruleset) -> Decision:
    """Answer one request. Pure: the same request and ruleset give the same decision, always."""
    use, actor = request.use, request.actor
    deny: tuple[Reason, ...] = ()
    review, allow = deny, deny
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[Question, ...] = ()
    components = _canonical(request.components)
    parts = [_of_component(ruleset, component, use, actor) for component in components]
    if use is Use.PUBLISH or use is Use.MERGING or use is Use.TRAINING:
        whole = replace(request, components=components)
        parts.append(_grade(_joined(_request_findings(whole, ruleset))))
    for refused, unsettled, granted, duties, asked in parts:
        deny += refused
        review += unsettled
        allow += granted
        obligations += duties
        questions += asked
    outcome = Outcome.DENY if deny else Outcome.REVIEW if review else Outcome.ALLOW
    # Two components of one name and licence bring the same duties and questions; each is listed once.
    return Decision(
        outcome,
        use,
        deny + review + allow,
        tuple(dict.fromkeys(obligations)),
        tuple(dict.fromkeys(questions)) if questions else questions,
        ruleset.digest,
    )


# What one component contributes depends on nothing but these four immutable values, so it is safe to keep. The
# same base model stands in most requests, and the facts of an actor change rarely.
@lru_cache(maxsize=65_536)
def _of_component(ruleset: Ruleset, component: Component, use: Use, actor: ActorFacts) -> _Graded:
    licence = ruleset.find(component.licence_id)
    if licence is None:
        unknown = licence_known(component, licence)
        return _grade(_joined((unknown, creator_flags(component, use, actor), consents_cover(component, use, actor))))
    return _grade(
        _joined(
            (
                licence_grants(component, licence, use, actor, ruleset),
                weights_published(component, licence, use),
                assertion_checked(component, licence),
                sources_agree(component, licence, use, actor, ruleset),
                creator_flags(component, use, actor),
                consents_cover(component, use, actor),
            )
        )
    )


def _grade(found: Findings) -> _Graded:
    """The reasons by outcome, each kind in the order of the rules."""
    reasons, duties, questions = found
    deny: list[Reason] = []
    review: list[Reason] = []
    allow: list[Reason] = []
    for reason in reasons:
        outcome = reason.outcome
        kind = allow if outcome is Outcome.ALLOW else review if outcome is Outcome.REVIEW else deny
        kind.append(reason)
    return _Graded(tuple(deny), tuple(review), tuple(allow), duties, questions)


def _request_findings(request: UseRequest, ruleset: Ruleset) -> list[Findings]:
    """What can only be seen on the whole request."""
    if request.use is Use.MERGING:
        return [merge_can_be_shared(request, ruleset)]
    if request.use is Use.TRAINING:
        return training(request)
    return [*declarations(request), claimed_licence(request, ruleset), lineage(request, ruleset)]


def _canonical(components: tuple[Component, ...]) -> tuple[Component, ...]:
    """Each component once, in an order of its own, so that the order of asking cannot matter."""
    if len(components) == 1:
        return components
    return tuple(sorted(set(components), key=_key))


def _key(component: Component) -> tuple[object, ...]:
    return component.key


def _joined(parts: Iterable[Findings]) -> Findings:
    """Findings one after the other; most rules have nothing to say, so nothing is copied for them."""
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[Question, ...] = ()
    for more, duties, asked in parts:
        reasons += more
        obligations += duties
        questions += asked
    return Findings(reasons, obligations, questions)
