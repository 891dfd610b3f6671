"""The decision itself: every rule over every component, the gravest finding wins, obligations add up."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from governance.policy.decisions import Decision, Findings, Obligation, Question, Reason
from governance.policy.licences import Ruleset
from governance.policy.requests import ActorFacts, Component, UseRequest
from governance.policy.rules.assertions import assertion_checked, sources_agree
from governance.policy.rules.flags import creator_flags
from governance.policy.rules.grants import licence_grants, licence_known, weights_published
from governance.policy.rules.lineage import lineage, merge_can_be_shared
from governance.policy.rules.publishing import claimed_licence, declarations
from governance.policy.vocabulary import SEVERITY, Outcome, Use


def decide(request: UseRequest, ruleset: Ruleset) -> Decision:
    """Answer one request. Pure: the same request and ruleset give the same decision, always."""
    use, actor = request.use, request.actor
    components = _canonical(request.components)
    reasons: list[Reason] = []
    obligations: list[Obligation] = []
    questions: list[Question] = []
    for component in components:
        found = _component_findings(ruleset, component, use, actor)
        reasons += found.reasons
        obligations += found.obligations
        questions += found.questions
    if use is Use.PUBLISH or use is Use.MERGING:
        for found in _request_findings(request, ruleset):
            reasons += found.reasons
            questions += found.questions
    outcome, ordered = _graded(reasons)
    return Decision(outcome, use, ordered, _distinct(obligations), tuple(dict.fromkeys(questions)), ruleset.digest)


# What one component contributes depends on nothing but these four immutable values, so it is safe to keep. The
# same base model stands in most requests, and the facts of an actor change rarely.
@lru_cache(maxsize=65_536)
def _component_findings(ruleset: Ruleset, component: Component, use: Use, actor: ActorFacts) -> Findings:
    licence = ruleset.find(component.licence_id)
    if licence is None:
        return _joined((licence_known(component, licence), creator_flags(component, use, actor)))
    return _joined(
        (
            licence_grants(component, licence, use, actor, ruleset),
            weights_published(component, licence, use),
            assertion_checked(component, licence),
            sources_agree(component, licence, use, actor, ruleset),
            creator_flags(component, use, actor),
        )
    )


def _request_findings(request: UseRequest, ruleset: Ruleset) -> list[Findings]:
    """What can only be seen on the whole request."""
    if request.use is Use.MERGING:
        return [merge_can_be_shared(request, ruleset)]
    return [*declarations(request), claimed_licence(request, ruleset), lineage(request, ruleset)]


def _canonical(components: tuple[Component, ...]) -> tuple[Component, ...]:
    """Each component once, in an order of its own, so that the order of asking cannot matter."""
    if len(components) == 1:
        return components
    return tuple(sorted(set(components), key=_key))


def _key(component: Component) -> tuple[object, ...]:
    return component.key


def _graded(reasons: list[Reason]) -> tuple[Outcome, tuple[Reason, ...]]:
    """The gravest outcome, and the reasons with the gravest first."""
    outcome = Outcome.ALLOW
    for reason in reasons:
        if reason.outcome is not Outcome.ALLOW and outcome is not Outcome.DENY:
            outcome = reason.outcome
    if outcome is not Outcome.ALLOW:
        reasons.sort(key=lambda reason: -SEVERITY[reason.outcome])
    return outcome, tuple(reasons)


def _distinct(obligations: list[Obligation]) -> tuple[Obligation, ...]:
    """Two components of one name and licence bring the same duties; each is listed once."""
    return tuple(dict.fromkeys(obligations)) if len(obligations) > 1 else tuple(obligations)


def _joined(parts: Iterable[Findings]) -> Findings:
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[Question, ...] = ()
    for part in parts:
        reasons += part.reasons
        obligations += part.obligations
        questions += part.questions
    return Findings(reasons, obligations, questions)
