"""Consents: what a person whose likeness or work is in a thing allows others to do with it, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from governance.policy.consents import ConsentGrant, ConsentNeed
from governance.policy.decisions import MISSING_FACT, NOTHING, Findings, Obligation, Question, Reason
from governance.policy.requests import ActorFacts, Component
from governance.policy.territories import is_covered, is_known
from governance.policy.vocabulary import ConsentScope, ObligationKind, Outcome, Use

RULE = "consent.terms"
_S = ConsentScope
_HOUSE_SCOPES: Mapping[Use, frozenset[ConsentScope]] = {
    Use.PREVIEW: frozenset({_S.PREVIEW}),
    Use.TRAINING: frozenset({_S.TRAINING}),
}
_COMMERCIAL_USES = frozenset({Use.COMMERCIAL_OUTPUTS, Use.SELLING_WEIGHTS})
_EVERYWHERE = frozenset({Use.PUBLISH, Use.PREVIEW})  # the house's own uses, which take place in no country of a person
SCOPE_WORDS: Mapping[ConsentScope, str] = {
    _S.TRAINING: "training on it",
    _S.PREVIEW: "sample pictures made with it",
    _S.PUBLICATION: "its publication and use by others",
    _S.COMMERCIAL: "earning money with it",
}
WHERE = "Where will you use it?"
PAID = "Will you use it commercially: will anybody pay for this, directly or indirectly?"


class _Answer(NamedTuple):
    """What one person's grants say about one set of scopes in one place; `met` is None where the place decides."""

    met: bool | None
    code: str
    clause: str
    fitting: tuple[ConsentGrant, ...]
    missing: frozenset[ConsentScope]


def consents_cover(component: Component, use: Use, actor: ActorFacts) -> Findings:
    """Every person that the component rests on has to allow the use, at the place where it happens."""
    if not component.consents:
        return NOTHING
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[Question, ...] = ()
    for need in component.consents:
        found, duties, asked = _one(component, need, use, actor)
        reasons += found
        obligations += duties
        questions += asked
    return Findings(reasons, obligations, questions)


def scopes_needed(component: Component, use: Use, paid: bool | None) -> frozenset[ConsentScope]:
    """What a consent has to allow for a use; a hosted service is commercial where it is paid for."""
    if use in _HOUSE_SCOPES:
        return _HOUSE_SCOPES[use]
    flagged = component.flags is not None and bool(component.flags.commercial_use)
    commercial = use in _COMMERCIAL_USES or (use is Use.PUBLISH and flagged) or (use is Use.HOSTED_SERVICE and paid)
    return frozenset({_S.PUBLICATION, _S.COMMERCIAL} if commercial else {_S.PUBLICATION})


def _one(component: Component, need: ConsentNeed, use: Use, actor: ActorFacts) -> Findings:
    free, paid = (_ask(component, need, use, actor, payment) for payment in (False, True))
    open_ = use is Use.HOSTED_SERVICE and actor.receives_payment is None and free != paid
    if open_ and (free.met is not paid.met or free.met is None):
        return _payment_unknown(component, need, use, free, paid)
    answer = free if actor.receives_payment is False else paid  # the stricter one where both come to the same
    return Findings(
        (_reason(component, need, use, actor, answer),),
        _duties(component, need, use, answer.fitting),
        (_question(component, "territory", WHERE, answer.clause),) if answer.met is None else (),
    )


def _ask(component: Component, need: ConsentNeed, use: Use, actor: ActorFacts, paid: bool) -> _Answer:
    """Whether some grant covers the use; where several fit in what they allow, the place decides between them."""
    scopes = scopes_needed(component, use, paid)
    if not need.grants:
        return _Answer(False, "consent-ended", need.reference or "a consent", (), frozenset())
    fitting = tuple(grant for grant in need.grants if scopes <= grant.scopes)
    if not fitting:
        least = min((scopes - grant.scopes for grant in need.grants), key=lambda missing: (len(missing), str(missing)))
        return _Answer(False, "consent-scope", _clause(need.grants, "uses"), (), least)
    clause = _clause(fitting, "territories")
    if use in _EVERYWHERE or any(not grant.territories for grant in fitting):
        return _Answer(True, "consent-given", _clause(fitting, "uses"), fitting, frozenset())
    if actor.territory is None or not is_known(actor.territory):
        return _Answer(None, MISSING_FACT, clause, fitting, frozenset())
    if any(is_covered(actor.territory, grant.territories) for grant in fitting):
        return _Answer(True, "consent-given", clause, fitting, frozenset())
    return _Answer(False, "consent-territory", clause, fitting, frozenset())


def _clause(grants: tuple[ConsentGrant, ...], part: str) -> str:
    references = sorted({grant.reference for grant in grants if grant.reference})
    return f"{', '.join(references) or 'a consent'}: {part}"


def _payment_unknown(component: Component, need: ConsentNeed, use: Use, free: _Answer, paid: _Answer) -> Findings:
    """Whether the service is paid for decides; so does the place where either answer leaves it open."""
    clause = _clause(need.grants, "uses")
    text = f"{_whose(component)} has not consented to {SCOPE_WORDS[_S.COMMERCIAL]} in the same way as to other uses."
    message = f"{text} This decides, and it was not stated yet: {PAID}"
    facts = {"fact": "receives_payment", "use": use.value}
    questions = [_question(component, "receives_payment", PAID, clause)]
    if None in {free.met, paid.met}:
        questions.append(_question(component, "territory", WHERE, _clause(need.grants, "territories")))
    reason = _made(component, Outcome.REVIEW, MISSING_FACT, message, clause, facts)
    return Findings((reason,), _duties(component, need, use, free.fitting or paid.fitting), tuple(questions))


def _reason(component: Component, need: ConsentNeed, use: Use, actor: ActorFacts, answer: _Answer) -> Reason:
    """A publication waits for the person asked again, and is not refused for good."""
    refused = Outcome.REVIEW if use is Use.PUBLISH else Outcome.DENY
    outcome = {True: Outcome.ALLOW, None: Outcome.REVIEW, False: refused}[answer.met]
    limit = sorted({place for grant in answer.fitting for place in grant.territories})
    facts: dict[str, Any] = {"use": use.value}
    if answer.code in {"consent-territory", MISSING_FACT}:
        facts |= {"fact": "territory", "stated": actor.territory, "limit": limit}
    elif answer.missing:
        granted = sorted({scope.value for grant in need.grants for scope in grant.scopes})
        facts |= {"needed": sorted(scope.value for scope in answer.missing), "granted": granted}
    return _made(component, outcome, answer.code, _message(component, answer, limit), answer.clause, facts)


def _message(component: Component, answer: _Answer, limit: list[str]) -> str:
    whose, places = _whose(component), ", ".join(limit)
    again = "Its uploader can ask the person for it."
    uses = " and ".join(SCOPE_WORDS[scope] for scope in sorted(answer.missing))
    return {
        "consent-given": f"{whose} has consented to this use.",
        "consent-ended": f"{whose} has not given the consent that it rests on, has taken it back, or it has run out. "
        "Its uploader can ask the person again.",
        "consent-scope": f"{whose} has not consented to {uses}. Another use may be open. {again}",
        "consent-territory": f"{whose} has consented to its use in {places} only. What was stated lies elsewhere.",
        MISSING_FACT: f"{whose} has consented to its use in {places} only. This decides, and it was not stated yet: "
        f"{WHERE}",
    }[answer.code]


def _duties(
    component: Component, need: ConsentNeed, use: Use, fitting: tuple[ConsentGrant, ...]
) -> tuple[Obligation, ...]:
    """What a narrow consent leaves out stays left out after the download, and for whoever it is passed on to."""
    if not fitting or use in _EVERYWHERE:
        return ()
    duties = []
    if not any(_S.COMMERCIAL in grant.scopes for grant in need.grants):
        text = "Do not earn money with it, by its pictures or the adapter itself: a person in it has not consented."
        duties.append(_duty(component, ObligationKind.USE_RESTRICTIONS, text, _clause(need.grants, "uses")))
    if all(grant.territories for grant in fitting):
        places = ", ".join(sorted({place for grant in fitting for place in grant.territories}))
        text = f"Use it in {places} only: a person in it has not consented to its use elsewhere."
        duties.append(_duty(component, ObligationKind.TERRITORY, text, _clause(fitting, "territories")))
    return tuple(duties)


def _whose(component: Component) -> str:
    return f"{component.name}: a person whose likeness or work is in it"


def _duty(component: Component, kind: ObligationKind, text: str, clause: str) -> Obligation:
    return Obligation(kind, text, component.name, None, clause, None)


def _question(component: Component, fact: str, text: str, clause: str) -> Question:
    return Question(fact, text, component.name, None, clause)


def _made(
    component: Component, outcome: Outcome, code: str, message: str, clause: str, facts: Mapping[str, Any]
) -> Reason:
    return Reason(outcome, code, RULE, message, component.name, None, clause, None, facts)
