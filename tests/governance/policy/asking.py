"""Short ways to put a question to the engine."""

from typing import Any

from governance.policy import ActorFacts, Component, Decision, Declarations, Ruleset, Use, UseRequest, decide

# An actor whom no licence has anything to ask: below every cap, outside every excluded territory, unpaid.
NOTHING_STANDS_AGAINST = ActorFacts(
    annual_revenue_usd=50_000,
    monthly_users=1_000,
    territory="JP",
    registered_with=frozenset({"stability-ai", "kolors"}),
    receives_payment=False,
    serves_end_users=False,
    offers_related_service=False,
    filters_content=True,
    discloses_ai=True,
    trains_competing_model=False,
    biometric_processing=False,
)
NOTHING_STATED = ActorFacts()
IN_ORDER = Declarations(
    rights_affirmed=True,
    depicts_real_person=False,
    consent_ids=(),
    training_sources=("own photographs",),
    screened=True,
)


def base(licence_id: str | None, **fields: Any) -> Component:
    return Component(role="base", name="the base", licence_id=licence_id, **fields)  # type: ignore[arg-type]


def adapter(licence_id: str | None, **fields: Any) -> Component:
    return Component(role="adapter", name="the adapter", licence_id=licence_id, **fields)  # type: ignore[arg-type]


def parent(licence_id: str | None, **fields: Any) -> Component:
    return Component(role="parent", name="the parent", licence_id=licence_id, **fields)  # type: ignore[arg-type]


def data(licence_id: str | None, **fields: Any) -> Component:
    return Component(role="training-data", name="the pictures", licence_id=licence_id, **fields)  # type: ignore[arg-type]


def ask(
    rules: Ruleset,
    use: Use | str,
    *components: Component,
    actor: ActorFacts = NOTHING_STANDS_AGAINST,
    declarations: Declarations | None = IN_ORDER,
) -> Decision:
    return decide(UseRequest(Use(use), components, actor, declarations), rules)


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.reasons}
