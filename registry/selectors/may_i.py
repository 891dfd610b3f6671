"""The answer of the "may I?" page: a decision over everything that is to be combined, without a record."""

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from governance.policy import ActorFacts, Component, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from registry.models import Adapter
from registry.selectors.access import Actor, adapters_visible_to
from registry.services.policy import version_components

MAX_ADAPTERS = 10
MAX_DIGITS = 18
YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class MayIQuestion:
    """Which adapters, for what, and what the asker states about themselves."""

    adapter_ids: tuple[int, ...]
    use: Use | None
    facts: ActorFacts

    @classmethod
    def from_parameters(cls, parameters: QueryDict) -> "MayIQuestion":
        ids = [number for value in parameters.getlist("adapter") if (number := _number(value)) is not None]
        use = parameters.get("use", "")
        return cls(
            adapter_ids=tuple(dict.fromkeys(ids))[:MAX_ADAPTERS],
            use=Use(use) if use in set(Use) else None,
            facts=_facts(parameters),
        )


def _number(value: str) -> int | None:
    """A whole number that the database can hold; superscripts are digits too, but no numbers."""
    return int(value) if value.isdecimal() and len(value) <= MAX_DIGITS else None


def _facts(parameters: QueryDict) -> ActorFacts:
    stated: dict[str, Any] = {}
    for name in ("annual_revenue_usd", "monthly_users"):
        if (number := _number(str(parameters.get(name, "")))) is not None:
            stated[name] = number
    for name in ("receives_payment", "serves_end_users", "filters_content", "discloses_ai"):
        if (answer := str(parameters.get(name, ""))) in YES_NO:
            stated[name] = YES_NO[answer]
    if len(territory := parameters.get("territory", "").upper()) == 2:
        stated["territory"] = territory
    return ActorFacts(**stated)


def may_i_answer(*, actor: Actor, question: MayIQuestion) -> dict[str, Any]:
    """The chosen adapters that the actor may see, and the decision once there is a use."""
    chosen = list(
        adapters_visible_to(actor)
        .filter(pk__in=question.adapter_ids, latest__isnull=False)
        .select_related("owner", "base_model", "latest__base_model", "latest__adapter__owner", "latest__created_by")
    )
    if not chosen or question.use is None:
        return {"chosen": chosen, "decision": None}
    request = _request(chosen, question)
    return {"chosen": chosen, "decision": decide(request, current_ruleset()).to_json()}


def _request(chosen: list[Adapter], question: MayIQuestion) -> UseRequest:
    components: dict[Component, None] = {}
    for adapter in chosen:
        if adapter.latest is not None:
            components |= dict.fromkeys(version_components(adapter.latest))
    assert question.use is not None
    return UseRequest(use=question.use, components=tuple(components), actor=question.facts)
