"""Adapters named in a prompt, resolved to versions that the actor may use for their purpose, or refused with why.

Three things are asked of each: whether the actor may see it, whether it fits the base model and nothing stands against
it now, and what the policy engine says of the house offering it and of what the actor wants the pictures for. Nothing
is put on record here: a page asks while somebody types. The request itself decides again, on record.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.conf import settings

from accounts.errors import DomainError, NotFound
from accounts.models import User
from governance.policy import ActorFacts, Component, Decision, Outcome, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from inference.prompts import Mention
from inference.services.previews import HOUSE_FACTS
from registry.models import BaseModel, Version
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version, adapter_permissions, adapters_visible_to
from registry.selectors.parents import version_at
from registry.services.policy import base_component, version_components
from registry.standing import obstacle_to
from registry.states import MEANINGS, VersionState

SEVERAL = 4  # adapters of one name that are told
OWN_STATES = {VersionState.DRAFT, VersionState.IN_REVIEW}  # its own people try these out


@dataclass(frozen=True)
class Answer:
    """What became of one tag: a version, or what happened, why, and what to do; the decision where the law said no."""

    mention: Mention
    version: Version | None = None
    problem: dict[str, str] = field(default_factory=dict)
    decision: Decision | None = None

    @property
    def is_allowed(self) -> bool:
        return self.version is not None and not self.problem


def house_facts() -> ActorFacts:
    """What this house states about itself when it draws pictures for people."""
    return replace(HOUSE_FACTS, receives_payment=settings.GENERATION_IS_PAID)


def adapter_answer(*, actor: User, mention: Mention, base: BaseModel, purpose: Use) -> Answer:
    """Whether `actor` may use what the tag names on this base model for this purpose."""
    try:
        version = _version(actor, mention)
    except DomainError as error:
        return Answer(mention, problem=_problem(error.detail, "", error.remedy))
    problem = _not_here(actor, version) or _does_not_fit(version, base) or _stands_against(version)
    if problem:
        return Answer(mention, version, problem)
    return _decided(actor, mention, version, purpose)


def _version(actor: User, mention: Mention) -> Version:
    if not mention.owner:
        mention = _with_owner(actor, mention)
    if mention.version is not None:
        place = {"owner": mention.owner, "name": mention.name, "number": mention.version}
        return access_version(actor=actor, **place)  # type: ignore[arg-type]
    return version_at(actor=actor, address=f"{mention.owner}/{mention.name}")


def _with_owner(actor: User, mention: Mention) -> Mention:
    """A name alone means the actor's own adapter of that name, or the only one that there is."""
    found = adapters_visible_to(actor).filter(name=mention.name.lower())
    own = actor.username.lower()
    if found.filter(owner__slug=own).exists():
        return replace(mention, owner=own)
    owners = list(found.order_by("owner__slug").values_list("owner__slug", flat=True)[: SEVERAL + 1])
    if len(owners) != 1:
        raise _unclear(mention, owners)
    return replace(mention, owner=owners[0])


def _unclear(mention: Mention, owners: list[str]) -> NotFound:
    if not owners:
        remedy = "Write its whole address: <lora:owner/name:0.7>."
        return NotFound(f"There is no adapter “{mention.name}” that you may see.", remedy=remedy)
    named = ", ".join(f"{owner}/{mention.name}" for owner in owners[:SEVERAL])
    return NotFound(f"“{mention.name}” is the name of several adapters.", remedy=f"Write which one: {named}.")


def _problem(what: str, why: str, remedy: str) -> dict[str, str]:
    return {"what": what, "why": why, "remedy": remedy}


def _not_here(actor: User, version: Version) -> dict[str, str]:
    """Published ones are for whoever sees them; others for their own people, while the checks have found nothing."""
    state = VersionState(version.state)
    if state is VersionState.PUBLISHED:
        return {}
    inside = AdapterPermission.CONTRIBUTE in adapter_permissions(actor, version.adapter)
    if inside and state in OWN_STATES and version.revision_id is not None and not version.findings:
        return {}
    why = version.state_detail.get("why") or MEANINGS[state]
    return _problem(f"{version} cannot be used now.", f"It is {state.value}. {why}", "Take another version of it.")


def _does_not_fit(version: Version, base: BaseModel) -> dict[str, str]:
    if version.base_model.family == base.family:
        return {}
    return _problem(
        f"{version} does not fit {base.name}.",
        f"It was made for {version.base_model.name}; its layers are not in this base model.",
        f"Choose {version.base_model.name}, or an adapter for {base.name}.",
    )


def _stands_against(version: Version) -> dict[str, str]:
    obstacle = obstacle_to(version, Use.HOSTED_SERVICE)
    return {} if obstacle is None else _problem(obstacle.what, obstacle.why, obstacle.remedy)


def _decided(actor: User, mention: Mention, version: Version, purpose: Use) -> Answer:
    components = version_components(version)
    for use, facts in uses_of(actor, purpose):
        decision = decide(UseRequest(use=use, components=components, actor=facts), current_ruleset())
        if decision.outcome is not Outcome.ALLOW:
            return Answer(mention, version, _not_allowed(version, use, decision), decision)
    return Answer(mention, version)


def uses_of(actor: User, purpose: Use) -> tuple[tuple[Use, ActorFacts], tuple[Use, ActorFacts]]:
    """The two questions: may the house offer it, and may the actor do with the pictures what they want."""
    return (Use.HOSTED_SERVICE, house_facts()), (purpose, actor_facts(actor=actor))


def _not_allowed(version: Version, use: Use, decision: Decision) -> dict[str, str]:
    reason = next(reason for reason in decision.reasons if reason.outcome is decision.outcome)
    if decision.outcome is Outcome.REVIEW and decision.questions:
        remedy = "State the facts that the licence asks for on your account's page, or choose another purpose."
    elif use is Use.HOSTED_SERVICE:
        remedy = "Take another adapter, or download it where its licence allows that."
    else:
        remedy = "Choose another purpose, or take another adapter."
    what = (
        "This registry may not draw with it." if use is Use.HOSTED_SERVICE else "It may not be used for this purpose."
    )
    return _problem(f"{version}: {what}", reason.message, remedy)


def all_components(base: BaseModel, versions: Iterable[Version]) -> tuple[Component, ...]:
    """The base model and everything that the adapters are made of, each once."""
    found: dict[Component, None] = {base_component(base): None}
    for version in versions:
        found |= dict.fromkeys(version_components(version))
    return tuple(found)
