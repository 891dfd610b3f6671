"""A model card against the facts: what it may not claim, and what it brings onto the adapter's page."""

from collections.abc import Mapping
from dataclasses import replace

from accounts.models import User
from governance.policy import Component, CreatorFlags, Declarations, Outcome, Role, Use, UseRequest, decide
from governance.policy.vocabulary import CommercialFlag
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from registry.errors import CommitRefused
from registry.models import Adapter, Blob, Version
from registry.services.adapters import adapter_update
from registry.services.declarations import Card, card_base, card_licence, card_read, card_tags, declared_by
from registry.services.policy import base_component, version_component
from registry.services.repository_paths import CARD
from registry.services.versions import Declaration
from registry.storage import local_copy


def card_errors(*, card: Card, actor: User) -> list[str]:
    """What the card claims against the licences: every reason for which the policy engine would refuse it outright.

    What is merely missing, or waits for a person, is no error of a card.
    """
    base, licence = card_base(card), card_licence(card)
    if base is None or licence not in current_ruleset().licences:
        return []
    declared = declared_by(card, actor=actor).declaration
    parents = Version.objects.filter(pk__in=[parent.version_id for parent in declared.parents])
    components = [base_component(base), _own(declared, actor)]
    for parent in parents.select_related("base_model", "adapter__owner", "created_by"):
        components += [base_component(parent.base_model), version_component(parent, Role.PARENT)]
    # Whatever else publication asks for is taken as given: only the licences can refuse here.
    given = Declarations(
        rights_affirmed=True,
        depicts_real_person=False,
        training_sources=("as declared",),
        family_declared=base.family,
        family_found=base.family,
        screened=True,
    )
    facts = replace(actor_facts(actor=actor, organisation=None), receives_payment=None)
    request = UseRequest(use=Use.PUBLISH, components=tuple(components), actor=facts, declarations=given)
    decision = decide(request, current_ruleset())
    if decision.outcome is not Outcome.DENY:
        return []
    return list(dict.fromkeys(reason.message for reason in decision.deciding))


def _own(declared: Declaration, actor: User) -> Component:
    flags = CreatorFlags(
        commercial_use=frozenset(CommercialFlag(use) for use in declared.commercial_use),
        allow_no_credit=not declared.credit_required,
        allow_derivatives=declared.allow_derivatives,
        allow_different_licence=declared.allow_different_licence,
    )
    return Component(
        role=Role.ADAPTER,
        name="the adapter",
        licence_id=declared.licence_id,
        asserted_by=actor.username,
        flags=flags,
    )


def card_refuse_false(*, card: Card, actor: User) -> None:
    """Raises CommitRefused where the card claims what the licences forbid, with every reason."""
    if errors := card_errors(card=card, actor=actor):
        raise CommitRefused(
            f"README.md claims what the licences forbid. {' '.join(errors)}",
            remedy="Correct `license` or `base_model` in README.md.",
        )


def card_apply(*, actor: User, adapter: Adapter, card: Card) -> None:
    """The card's text and tags become the adapter's, whose words are screened as those of the form are."""
    tags = card_tags(card)
    adapter_update(actor=actor, adapter=adapter, description=card.body, tags=tags if tags else None)


def card_stored(tree: Mapping[str, Blob]) -> Card | None:
    """The README.md of a revision; None where it has none."""
    if (blob := tree.get(CARD)) is None:
        return None
    with local_copy(blob.storage_key) as path:
        return card_read(path.read_text())
