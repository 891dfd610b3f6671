"""Who says that a component is under its licence: assertions nobody could check, sources that disagree."""

from __future__ import annotations

from governance.policy.decisions import NOTHING, Findings, Reason
from governance.policy.licences import Licence, Ruleset
from governance.policy.requests import ActorFacts, Component
from governance.policy.rules.grants import licence_grants
from governance.policy.vocabulary import SEVERITY, VERIFIED, Outcome, Use


def assertion_checked(component: Component, licence: Licence) -> Findings:
    """A licence asserted second-hand does not decide, however well its text is known."""
    status = component.facts.get("assertion_status")
    if status is None or status in VERIFIED:
        return NOTHING
    message = (
        f"{component.name}: that it is under {licence.title} could not be checked with its publisher, so a "
        "moderator decides."
    )
    facts = {"asserted_by": component.asserted_by, "status": str(status)}
    return Findings((_reason(Outcome.REVIEW, "assertion-unverified", message, component, licence.id, facts),))


def sources_agree(component: Component, licence: Licence, use: Use, actor: ActorFacts, rules: Ruleset) -> Findings:
    """Where sources name different licences, each must give the same answer for one of them to decide."""
    others = tuple(component.facts.get("also_asserted") or ())
    if not others:
        return NOTHING
    own = _outcome(component, licence, use, actor, rules)
    reasons = []
    for other_id in others:
        other = rules.find(other_id)
        theirs = Outcome.REVIEW if other is None else _outcome(component, other, use, actor, rules)
        reasons.append(_disagreement(component, licence, other_id, own, theirs))
    return Findings(tuple(reasons))


def _outcome(component: Component, licence: Licence, use: Use, actor: ActorFacts, rules: Ruleset) -> Outcome:
    found = licence_grants(component, licence, use, actor, rules)
    return max((reason.outcome for reason in found.reasons), key=SEVERITY.__getitem__)


def _disagreement(component: Component, licence: Licence, other: str, own: Outcome, theirs: Outcome) -> Reason:
    facts = {
        "asserted": licence.id,
        "also_asserted": other,
        "outcome": own.value,
        "other_outcome": theirs.value,
    }
    if own is theirs:
        message = (
            f"{component.name}: sources disagree on its licence ({licence.id} or {other}), and both give the "
            "same answer here."
        )
        return _reason(Outcome.ALLOW, "sources-disagree", message, component, licence.id, facts)
    message = (
        f"{component.name}: sources disagree on its licence. Under {licence.id} the answer is {own.value}, "
        f"under {other} it is {theirs.value}, so a moderator decides."
    )
    return _reason(Outcome.REVIEW, "licence-disputed", message, component, licence.id, facts)


def _reason(
    outcome: Outcome, code: str, message: str, component: Component, licence: str, facts: dict[str, str]
) -> Reason:
    return Reason(outcome, code, "licence.asserted", message, component.name, licence, None, None, facts)
