"""From rows to the policy engine's plain values: what a version is made of, and what may be done with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    ConsentNeed,
    CreatorFlags,
    Declarations,
    Finding,
    Role,
    Use,
    UseRequest,
    effective_permissions,
)
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from registry.models import BaseModel, Version
from registry.models.adapters import Visibility
from registry.selectors.visibility import version_readable
from registry.standing import consents_of, open_questions
from registry.states import REFUSED_BY_MODERATOR, VersionState

# What a version was made from besides its base and its parents, as the apps above know it: its training data.
Contributor = Callable[[Sequence[Version]], Iterable[Component]]
_contributors: dict[str, Contributor] = {}


def components_also(name: str, contributor: Contributor) -> None:
    """Ask this too, under a name of its own, for what versions were made from."""
    _contributors[name] = contributor


def licence_known(licence_id: str) -> bool:
    """Whether the catalogue has this licence."""
    return licence_id in current_ruleset().licences


def base_component(base: BaseModel) -> Component:
    """The base model as a component, with who asserts its licence and what other sources say of it."""
    disputes = current_ruleset().disputes.values()
    dispute = next((found for found in disputes if base.slug == found.model or base.name == found.name), None)
    return Component(
        role=Role.BASE,
        name=base.name,
        licence_id=base.licence_id,
        asserted_by=base.licence_asserted_by,
        facts=dispute.facts_for(base.licence_id) if dispute else {},
    )


def version_component(version: Version, role: Role, consents: tuple[ConsentNeed, ...] = ()) -> Component:
    """A version under its declared licence, its creator's flags, and the consents that it rests on."""
    # Decisions about a public child are read by everybody: they must not name what its parents keep private.
    named = role is not Role.PARENT or (
        version.adapter.visibility == Visibility.PUBLIC and version.published_at is not None
    )
    flags = CreatorFlags(
        commercial_use=frozenset(CommercialFlag(use) for use in version.commercial_use),
        allow_no_credit=not version.credit_required,
        allow_derivatives=version.allow_derivatives,
        allow_different_licence=version.allow_different_licence,
    )
    return Component(
        role=role,
        name=str(version) if named else "a parent that is not public",
        licence_id=version.licence_id,
        asserted_by=version.created_by.username if named else "",
        flags=flags,
        consents=consents if named else tuple(need.unnamed() for need in consents),
    )


def version_components(version: Version) -> tuple[Component, ...]:
    """The version, its base and all its ancestors with theirs, and what any of them was trained on."""
    ancestors = _ancestors(version)
    consents = consents_of(version, ancestors)
    found: dict[Component, None] = {
        base_component(version.base_model): None,
        version_component(version, Role.ADAPTER, consents.get(version.pk, ())): None,
    }
    for ancestor in ancestors:
        found[base_component(ancestor.base_model)] = None
        found[version_component(ancestor, Role.PARENT, consents.get(ancestor.pk, ()))] = None
    for contributor in _contributors.values():
        found |= dict.fromkeys(contributor([version, *ancestors]))
    return tuple(found)


def _ancestors(version: Version) -> list[Version]:
    """Every version above this one; a cycle, which nothing should make, ends the walk."""
    seen: dict[int, Version] = {}
    frontier = [version.pk]
    while frontier:
        parents = Version.objects.filter(descendants__child_id__in=frontier).select_related(
            "base_model", "adapter__owner", "created_by"
        )
        fresh = {parent.pk: parent for parent in parents if parent.pk not in seen and parent.pk != version.pk}
        seen.update(fresh)
        frontier = list(fresh)
    return [seen[pk] for pk in sorted(seen)]


def use_request(version: Version, use: Use, facts: ActorFacts) -> UseRequest:
    """The question that the gate asks."""
    return UseRequest(use=use, components=version_components(version), actor=facts)


def held_back(version: Version) -> bool:
    """Whether people have taken this content out of circulation, so that a copy of it needs one of them too."""
    refused = version.state == VersionState.REFUSED and version.state_detail.get("code") == REFUSED_BY_MODERATOR
    return refused or version.state in {VersionState.QUARANTINED, VersionState.TAKEN_DOWN}


def publish_request(version: Version, *, claimed_licence: str | None, duplicate: Version | None) -> UseRequest:
    """The question whether this version may be published here."""
    declarations = Declarations(
        rights_affirmed=version.rights_affirmed_at is not None,
        depicts_real_person=version.depicts_real_person,
        training_sources=tuple(line for line in version.training_sources.splitlines() if line.strip()),
        claimed_licence=claimed_licence,
        duplicates_of=(str(duplicate),) if duplicate and version_readable(version.created_by, duplicate) else (),
        copies_held_back=duplicate is not None and held_back(duplicate),
        family_declared=version.base_model.family,
        family_found=version.family,
        consent_ids=tuple(version.consent_ids),
        screened=version.screened_at is not None,
        findings=tuple(Finding(**found) for found in version.findings),
        open_questions=open_questions(version),
    )
    stated = actor_facts(actor=version.created_by, organisation=version.adapter.owner.organisation)
    # The publisher gives the weights away through this house, so it is the house that knows of payment for them.
    facts = replace(stated, receives_payment=settings.DOWNLOADS_ARE_PAID)
    return UseRequest(use=Use.PUBLISH, components=version_components(version), actor=facts, declarations=declarations)


def permissions_of(version: Version) -> dict[str, Any]:
    """What everybody may do with the version, with what narrowed it: for the licence card and the search facet."""
    ruleset = current_ruleset()
    answers = effective_permissions(version_components(version), ruleset)
    return {
        "ruleset_digest": ruleset.digest,
        "uses": {use.value: answer.to_json() for use, answer in answers.items()},
    }
