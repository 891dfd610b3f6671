"""Limits that depend on who asks: caps, territory, registration, payment, conduct, against stated facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from governance.policy.licences import Condition
from governance.policy.requests import ActorFacts
from governance.policy.territories import is_inside, is_known
from governance.policy.vocabulary import ConditionKind

Check = Callable[[Condition, Any], "bool | None"]


def within_limit(condition: Condition, value: int) -> bool:
    """The stated figure is below the cap, or at it where the clause says "more than"."""
    limit = condition.limit or 0
    return value < limit or (condition.limit_allowed and value == limit)


def outside_territory(condition: Condition, value: str) -> bool | None:
    """The stated territory is not excluded; a word that is no country code answers nothing."""
    if not is_known(value):
        return None
    return not any(is_inside(value, group) for group in condition.excluded)


def registered(condition: Condition, value: frozenset[str]) -> bool:
    """The actor says that they are registered with the licensor."""
    return condition.registrar in value


def is_so(_condition: Condition, value: bool) -> bool:
    """The clause asks for this to be so."""
    return value is True


def is_not_so(_condition: Condition, value: bool) -> bool:
    """The clause forbids this."""
    return value is False


# kind -> the field of ActorFacts that decides, and how
CHECKS: Mapping[ConditionKind, tuple[str, Check]] = {
    ConditionKind.REVENUE_CAP: ("annual_revenue_usd", within_limit),
    ConditionKind.USER_CAP: ("monthly_users", within_limit),
    ConditionKind.TERRITORY: ("territory", outside_territory),
    ConditionKind.REGISTRATION: ("registered_with", registered),
    ConditionKind.PAYMENT_BAN: ("receives_payment", is_not_so),
    ConditionKind.END_USER_BAN: ("serves_end_users", is_not_so),
    ConditionKind.HOST_BAN: ("offers_related_service", is_not_so),
    ConditionKind.CONTENT_FILTER: ("filters_content", is_so),
    ConditionKind.AI_DISCLOSURE: ("discloses_ai", is_so),
    ConditionKind.NO_COMPETITOR_TRAINING: ("trains_competing_model", is_not_so),
    ConditionKind.NO_BIOMETRIC_PROCESSING: ("biometric_processing", is_not_so),
}


def fact_of(condition: Condition) -> str:
    """The name of the fact that decides a condition."""
    return CHECKS[condition.kind][0]


def is_met(condition: Condition, actor: ActorFacts) -> bool | None:
    """Whether the stated facts meet a condition; ``None`` when the fact was not stated."""
    fact, check = CHECKS[condition.kind]
    value = getattr(actor, fact)
    return None if value is None else check(condition, value)


def stated(condition: Condition, actor: ActorFacts) -> dict[str, Any]:
    """The fact, its stated value and the limit, as plain values for a reason."""
    fact = fact_of(condition)
    value = actor.to_json().get(fact)
    limit = condition.limit if condition.limit is not None else list(condition.excluded) or condition.registrar
    return {"fact": fact, "stated": value, "limit": limit}
