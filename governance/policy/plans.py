"""The ruleset compiled: what each licence means for each use in each role, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from governance.policy.licences import Claim, Condition, Licence, Ruleset
from governance.policy.vocabulary import VERIFIED, Grant, ObligationKind, Outcome, Role, Status, Use

_UNCHECKED = {
    Status.SECOND_HAND: "This is known only second-hand and was not checked against the licence text",
    Status.UNVERIFIED: "This is general knowledge and was not checked against a licence text",
}


class CompiledDuty(NamedTuple):
    """An obligation without the name of the component that brings it."""

    kind: ObligationKind
    text: str
    licence: str
    clause: str
    quote: str | None


class Plan(NamedTuple):
    """One claim, ready to be answered: everything that does not depend on the component or the actor."""

    licence: str
    claim: Claim
    verified: bool
    outcome: Outcome  # what the claim says when there are no conditions, or when all of them are met
    code: str
    text: str
    conditions: tuple[Condition, ...]
    duties: tuple[CompiledDuty, ...]
    facts: Mapping[str, Any]


Plans = Mapping[tuple[str, Use, Role], Plan]


@lru_cache(maxsize=8)
def plans_of(ruleset: Ruleset) -> Plans:
    """Every plan of a ruleset. A ruleset is compared by identity, so each load is compiled once."""
    plans = {}
    for licence in ruleset.licences.values():
        for use in Use:
            for role in Role:
                claim = licence.claim_for(use, role)
                if claim is not None:
                    plans[licence.id, use, role] = _plan(licence, claim, use, role)
    return plans


def _plan(licence: Licence, claim: Claim, use: Use, role: Role) -> Plan:
    status = claim.status
    if role is Role.BASE and licence.base_status is not None:
        status = licence.base_status
    verified = status in VERIFIED
    outcome, code = _meaning(claim.grant, verified)
    text = claim.text
    if not verified and claim.grant is not Grant.UNSTATED:
        text = f"{text} {_UNCHECKED[status]}, so a moderator decides."
    return Plan(
        licence=licence.id,
        claim=claim,
        verified=verified,
        outcome=outcome,
        code=code,
        text=text,
        conditions=claim.conditions,
        duties=_duties(licence, use, role),
        facts={
            "use": use.value,
            "grant": claim.grant.value,
            "status": status.value,
            "licence": licence.title,
        },
    )


def _meaning(grant: Grant, verified: bool) -> tuple[Outcome, str]:
    """An unchecked claim never decides: neither its permission nor its prohibition."""
    if grant is Grant.UNSTATED:
        return Outcome.REVIEW, "unstated"
    if not verified:
        return Outcome.REVIEW, "prohibition-unverified" if grant is Grant.NO else "grant-unverified"
    if grant is Grant.NO:
        return Outcome.DENY, "prohibited"
    return Outcome.ALLOW, "granted" if grant is Grant.YES else "conditions-met"


def _duties(licence: Licence, use: Use, role: Role) -> tuple[CompiledDuty, ...]:
    return tuple(
        CompiledDuty(duty.kind, duty.text, licence.id, duty.clause, duty.quote)
        for duty in licence.duties
        if use in duty.uses and role in duty.roles
    )
