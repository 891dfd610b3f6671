"""Creator flags: what the creator of an adapter or of its parent ticked. A flag narrows and never widens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from governance.policy.decisions import MISSING_FACT, NOTHING, Findings, Obligation, Question, Reason
from governance.policy.requests import ActorFacts, Component, CreatorFlags
from governance.policy.vocabulary import CommercialFlag, ObligationKind, Outcome, Role, Use

CREATED = frozenset({Role.ADAPTER, Role.PARENT})

_FLAG_FOR_USE = {
    Use.COMMERCIAL_OUTPUTS: (CommercialFlag.IMAGE, "commercial use of pictures made with it"),
    Use.SELLING_WEIGHTS: (CommercialFlag.SELL, "selling it or a merge of it"),
    Use.HOSTED_SERVICE: (CommercialFlag.RENT, "a generation service that is paid for"),
}
_CREDITED = frozenset(
    {Use.COMMERCIAL_OUTPUTS, Use.HOSTED_SERVICE, Use.REDISTRIBUTION, Use.MERGING, Use.SELLING_WEIGHTS}
)
_PASSED_ON = frozenset({Use.REDISTRIBUTION, Use.MERGING, Use.SELLING_WEIGHTS})
_COMMERCIAL_CLAUSE = "creator's flag: commercial use"
_PAYMENT_QUESTION = "Will anybody pay for this, directly or indirectly?"


def creator_flags(component: Component, use: Use, actor: ActorFacts) -> Findings:
    """Everything the flags of one component say about a use."""
    flags = component.flags
    if flags is None or component.role not in CREATED:
        return NOTHING
    reasons: list[Reason] = []
    questions: list[Question] = []
    if use is Use.HOSTED_SERVICE:
        commercial_hosting(component, flags, actor, reasons, questions)
    else:
        reasons.extend(commercial_use(component, flags, use))
    reasons.extend(derivatives(component, flags, use))
    return Findings(tuple(reasons), tuple(duties(component, flags, use)), tuple(questions))


def commercial_use(component: Component, flags: CreatorFlags, use: Use) -> Iterator[Reason]:
    """Pictures for money and selling each need their own tick."""
    if use not in _FLAG_FOR_USE or flags.commercial_use is None:
        return
    needed, what = _FLAG_FOR_USE[use]
    if needed not in flags.commercial_use:
        message = f"{component.name}: its creator does not permit {what}. Ask the creator for permission."
        yield _commercial(Outcome.DENY, f"flag-commercial-{needed.value}", message, component, flags, needed)


def commercial_hosting(
    component: Component,
    flags: CreatorFlags,
    actor: ActorFacts,
    reasons: list[Reason],
    questions: list[Question],
) -> None:
    """A paid service needs the tick for renting; ``rent-civit`` helps nobody but Civitai's own generator."""
    if flags.commercial_use is None or CommercialFlag.RENT in flags.commercial_use or actor.receives_payment is False:
        return
    what = _FLAG_FOR_USE[Use.HOSTED_SERVICE][1]
    message = f"{component.name}: its creator does not permit {what}."
    if CommercialFlag.RENT_CIVIT in flags.commercial_use:
        message += " The permission for Civitai's own generator does not reach other services."
    if actor.receives_payment is None:
        message += f" This decides, and it was not stated yet: {_PAYMENT_QUESTION}"
        reasons.append(_commercial(Outcome.REVIEW, MISSING_FACT, message, component, flags, CommercialFlag.RENT))
        questions.append(
            Question(
                "receives_payment",
                _PAYMENT_QUESTION,
                component.name,
                component.licence_id,
                _COMMERCIAL_CLAUSE,
            )
        )
    else:
        reasons.append(
            _commercial(Outcome.DENY, "flag-commercial-rent", message, component, flags, CommercialFlag.RENT)
        )


def derivatives(component: Component, flags: CreatorFlags, use: Use) -> Iterator[Reason]:
    """Without the tick for derivatives nobody merges it, trains it on, or publishes what came of that."""
    forbidden = use in (Use.MERGING, Use.TRAINING) or (use is Use.PUBLISH and component.role is Role.PARENT)
    if forbidden and flags.allow_derivatives is False:
        message = f"{component.name}: its creator permits no derivatives: no merges and no further training."
        facts = {"flag": "allow_derivatives", "stated": False}
        clause = "creator's flag: derivatives"
        yield _reason(Outcome.DENY, "flag-derivatives", message, component, clause, facts)


def duties(component: Component, flags: CreatorFlags, use: Use) -> Iterator[Obligation]:
    """Credit, and the same licence for what is made from it."""
    published_child = use is Use.PUBLISH and component.role is Role.PARENT
    if flags.allow_no_credit is False and (use in _CREDITED or published_child):
        text = f"Credit the creator of {component.name} wherever you share it or what is made with it."
        clause = "creator's flag: credit"
        yield Obligation(ObligationKind.ATTRIBUTION, text, component.name, component.licence_id, clause, None)
    if flags.allow_different_licence is False and (use in _PASSED_ON or published_child):
        text = f"Give on {component.name}, and what is made from it, under the same permissions only."
        clause = "creator's flag: different licence"
        yield Obligation(ObligationKind.SHARE_ALIKE, text, component.name, component.licence_id, clause, None)


def _commercial(
    outcome: Outcome,
    code: str,
    message: str,
    component: Component,
    flags: CreatorFlags,
    needed: CommercialFlag,
) -> Reason:
    ticked = sorted(flag.value for flag in flags.commercial_use or ())
    facts: dict[str, object] = {"flag": "commercial_use", "stated": ticked, "needed": needed.value}
    if code == MISSING_FACT:
        facts["fact"] = "receives_payment"
    return _reason(outcome, code, message, component, _COMMERCIAL_CLAUSE, facts)


def _reason(
    outcome: Outcome, code: str, message: str, component: Component, clause: str, facts: Mapping[str, object]
) -> Reason:
    name, licence = component.name, component.licence_id
    return Reason(outcome, code, "creator.flags", message, name, licence, clause, None, facts)
