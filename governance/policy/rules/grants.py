"""What the licence of one component says: is it known, does it grant the use, on which terms."""

from __future__ import annotations

from governance.policy.decisions import MISSING_FACT, NOTHING, Findings, Obligation, Question, Reason
from governance.policy.licences import Condition, Licence, Ruleset
from governance.policy.plans import Plan, plans_of
from governance.policy.requests import ActorFacts, Component
from governance.policy.rules.conditions import fact_of, is_met, stated
from governance.policy.vocabulary import Outcome, Role, Use

# What the house itself would have to do with weights that nobody published.
_NEEDS_WEIGHTS = frozenset({Use.PUBLISH, Use.PREVIEW, Use.TRAINING})

_new = tuple.__new__  # a named tuple without the call of its own constructor: a decision makes a dozen of them


def licence_known(component: Component, licence: Licence | None) -> Findings:
    """A licence that the catalogue does not know is never an answer."""
    if licence is not None:
        return NOTHING
    stated_id = component.licence_id
    says = f"states the licence “{stated_id}”, which the catalogue does not know" if stated_id else "states no licence"
    message = f"{component.name}: it {says}, so a moderator has to read its terms first."
    facts = {"licence_id": stated_id, "asserted_by": component.asserted_by}
    reason = Reason(
        Outcome.REVIEW,
        "unknown-licence",
        "licence.known",
        message,
        component.name,
        stated_id,
        None,
        None,
        facts,
    )
    return Findings((reason,))


def licence_grants(component: Component, licence: Licence, use: Use, actor: ActorFacts, rules: Ruleset) -> Findings:
    """The claim of the licence on this use, its conditions against the stated facts, and its duties."""
    plan = plans_of(rules).get((licence.id, use, component.role))
    if plan is None:
        return Findings((_no_rule(component, licence, use),))
    name = component.name
    duties = tuple(
        [
            _new(Obligation, (kind, text, name, licence_id, clause, quote))
            for kind, text, licence_id, clause, quote in plan.duties
        ]
    )
    if not plan.conditions:
        return Findings((_claimed(component, plan),), duties)
    reasons, questions = _conditions(component, plan, actor)
    return Findings(reasons, duties, questions)


def weights_published(component: Component, licence: Licence, use: Use) -> Findings:
    """A model that exists only behind an API has no weights to adapt; what claims to adapt it is refused."""
    if licence.weights_published or use not in _NEEDS_WEIGHTS or component.role is Role.TRAINING_DATA:
        return NOTHING
    message = (
        f"{component.name}: its weights were never published, it is offered through an API only. A file that "
        "claims to adapt it cannot have been made from it lawfully, so this registry refuses it. Name the "
        "base model that was really used."
    )
    clause = licence.claims[Use.REDISTRIBUTION].clause
    facts = {"weights_published": False}
    return Findings(
        (
            Reason(
                Outcome.DENY,
                "api-only-base",
                "licence.weights",
                message,
                component.name,
                licence.id,
                clause,
                None,
                facts,
            ),
        )
    )


def _claimed(component: Component, plan: Plan) -> Reason:
    return Reason(
        plan.outcome,
        plan.code,
        "licence.grant",
        f"{component.name}: {plan.text}",
        component.name,
        plan.licence,
        plan.claim.clause,
        plan.claim.quote,
        plan.facts,
    )


def _conditions(component: Component, plan: Plan, actor: ActorFacts) -> tuple[tuple[Reason, ...], tuple[Question, ...]]:
    answers = [(condition, is_met(condition, actor)) for condition in plan.conditions]
    open_ = [condition for condition, met in answers if met is None]
    failed = [condition for condition, met in answers if met is False]
    reasons = [_failed(component, plan, condition, actor) for condition in failed]
    reasons += [_missing(component, plan, condition) for condition in open_]
    if not reasons or not plan.verified:
        reasons.append(_claimed(component, plan))
    questions = tuple(
        Question(fact_of(condition), condition.question, component.name, plan.licence, condition.clause)
        for condition in open_
    )
    return tuple(reasons), questions


def _failed(component: Component, plan: Plan, condition: Condition, actor: ActorFacts) -> Reason:
    return Reason(
        Outcome.DENY if plan.verified else Outcome.REVIEW,
        condition.kind.value,
        "licence.conditions",
        f"{component.name}: {condition.text} What was stated does not meet this.",
        component.name,
        plan.licence,
        condition.clause,
        None,
        stated(condition, actor),
    )


def _missing(component: Component, plan: Plan, condition: Condition) -> Reason:
    return Reason(
        Outcome.REVIEW,
        MISSING_FACT,
        "licence.conditions",
        f"{component.name}: {condition.text} This decides, and it was not stated yet: {condition.question}",
        component.name,
        plan.licence,
        condition.clause,
        None,
        {"fact": fact_of(condition), "condition": condition.kind.value},
    )


def _no_rule(component: Component, licence: Licence, use: Use) -> Reason:
    message = f"{component.name}: the catalogue has nothing on this use of it, so a moderator decides."
    facts = {"use": use.value}
    return Reason(Outcome.REVIEW, "no-rule", "licence.grant", message, component.name, licence.id, None, None, facts)
