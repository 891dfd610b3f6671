"""What a thing that is made here is made of, and under which licence and permissions it can be given on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    CreatorFlags,
    Decision,
    Declarations,
    Outcome,
    Role,
    Use,
    UseRequest,
    decide,
)
from governance.policy.plans import plans_of
from governance.policy.vocabulary import SEVERITY
from governance.rulebook import current_ruleset
from registry.models import Version
from registry.services.policy import version_component, version_components

FREE = "apache-2.0"  # for what nothing binds
KEPT = "share-alike-kept"
WIDENED = "licence-narrowed-by-base"  # the code of a licence that promises more than the sources give


@dataclass(frozen=True)
class Permissions:
    """What the creators of all parts permit together: the least of it."""

    credit_required: bool
    allow_different_licence: bool
    commercial_use: tuple[str, ...]

    def flags(self) -> CreatorFlags:
        return CreatorFlags(
            commercial_use=frozenset(CommercialFlag(use) for use in self.commercial_use),
            allow_no_credit=not self.credit_required,
            allow_derivatives=True,
            allow_different_licence=self.allow_different_licence,
        )


@dataclass(frozen=True)
class Licensing:
    """The computed licence, and what the engine says of publishing the result under it."""

    licence_id: str
    request: UseRequest
    decision: Decision
    choices: tuple[tuple[str, Outcome], ...]
    """Every licence that was tried, the best first."""

    @property
    def is_possible(self) -> bool:
        return self.decision.outcome is not Outcome.DENY


def parts_components(versions: Iterable[Version]) -> tuple[Component, ...]:
    """Everything that a result of these versions is made of: they are its parents, their ancestors as well."""
    found: dict[Component, None] = {}
    for version in versions:
        for component in version_components(version):
            mine = component.role is Role.ADAPTER
            found[version_component(version, Role.PARENT, component.consents) if mine else component] = None
    return tuple(found)


def permissions_together(versions: Sequence[Version]) -> Permissions:
    """Credit where anybody wants it; a use where everybody permits it."""
    uses = [set(version.commercial_use) for version in versions]
    common = set.intersection(*uses) if uses else {"image", "rent", "sell"}
    return Permissions(
        credit_required=any(version.credit_required for version in versions),
        allow_different_licence=all(version.allow_different_licence for version in versions),
        commercial_use=tuple(sorted(common)),
    )


def licence_computed(
    *, components: Sequence[Component], permissions: Permissions, family: str, facts: ActorFacts
) -> Licensing:
    """The licence under which the engine would let the result out, and that promises no more than its sources give.

    Where it lets none out, the one that the fewest reasons stand against, with its DENY.
    """
    ranked = []
    for licence in _candidates(components):
        request = _publication(components, licence, permissions, family, facts)
        decision = decide(request, current_ruleset())
        against = sum(reason.outcome is not Outcome.ALLOW for reason in decision.reasons)
        # A share-alike licence that admits another one is kept all the same where it can be.
        left = sum(reason.code == KEPT and reason.licence != licence for reason in decision.reasons)
        widened = sum(reason.code == WIDENED for reason in decision.reasons)
        rank = (SEVERITY[decision.outcome], against, left, widened, -_duties(licence), licence)
        ranked.append((rank, licence, request, decision))
    ranked.sort(key=lambda row: row[0])
    _, licence, request, decision = ranked[0]
    return Licensing(licence, request, decision, tuple((name, answer.outcome) for _, name, _, answer in ranked))


def _publication(
    components: Sequence[Component], licence: str, permissions: Permissions, family: str, facts: ActorFacts
) -> UseRequest:
    declared = Declarations(
        rights_affirmed=True,
        depicts_real_person=False,
        training_sources=("as on record",),
        screened=True,
        family_declared=family,
        family_found=family,
    )
    result = Component(Role.ADAPTER, "the result", licence, "computed", permissions.flags())
    # The house gives the weights away, so it is the house that knows of payment for them.
    stated = replace(facts, receives_payment=settings.DOWNLOADS_ARE_PAID)
    return UseRequest(Use.PUBLISH, (*components, result), stated, declared)


def _duties(licence: str) -> int:
    """How many duties come with what is given on under it: of two that fit alike, the one that keeps more of them."""
    return len(plans_of(current_ruleset())[licence, Use.REDISTRIBUTION, Role.ADAPTER].duties)


def _candidates(components: Iterable[Component]) -> list[str]:
    """The licences of everything that goes in, and the free one; the order of parts decides nothing."""
    known = current_ruleset().licences
    named = {component.licence_id for component in components if component.licence_id in known}
    return sorted(name for name in {*named, FREE} if name is not None)
