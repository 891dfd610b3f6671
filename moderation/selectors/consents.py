"""Which consents are live. Whoever trains, previews, publishes or hands out asks here, at that moment.

No flag is kept: a consent whose time has run out is not live from that moment on, whether or not the sweep came by.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Namespace
from governance.policy import Use
from governance.policy.territories import is_covered
from moderation.consent_terms import CHECKED, ConsentScope, ConsentState
from moderation.models.consent import Consent, ConsentLink, Subject
from registry.models import Adapter, Lineage, Version
from registry.standing import Obstacle

# What the house does itself, beside publishing, needs a scope of its own.
HOUSE_SCOPES = {Use.PREVIEW: ConsentScope.PREVIEW, Use.TRAINING: ConsentScope.TRAINING}


def live_consents(
    *,
    version: Version | None = None,
    adapter: Adapter | None = None,
    scope: ConsentScope | str,
    subject: Subject | None = None,
    at: datetime | None = None,
    territory: str | None = None,
) -> list[Consent]:
    """The consents that cover this adapter (or the version's) in `scope` at the moment `at`, now by default.

    `territory` is where the use happens (ISO 3166-1 alpha-2, or EU); without one, consents for some countries only
    count too. Raises ValueError unless a version or an adapter is named.
    """
    adapter = adapter or (version.adapter if version else None)
    if adapter is None:
        raise ValueError("Name the version or the adapter that the consent has to cover.")
    return grantee_consents(
        owner=adapter.owner, adapter_name=str(adapter), scope=scope, subject=subject, at=at, territory=territory
    )


def grantee_consents(
    *,
    owner: Namespace,
    scope: ConsentScope | str,
    adapter_name: str = "",
    subject: Subject | None = None,
    at: datetime | None = None,
    territory: str | None = None,
) -> list[Consent]:
    """The same for an adapter that need not exist yet, `owner/name`; without a name, consents for every adapter."""
    found = live(at).filter(_grantee(owner), scopes__contains=[ConsentScope(scope)])
    found = found.filter(Q(adapters=[]) | Q(adapters__contains=[adapter_name]) if adapter_name else Q(adapters=[]))
    if subject is not None:
        found = found.filter(subject=subject)
    return [consent for consent in found if territory is None or is_covered(territory, consent.terms.territories)]


def live(at: datetime | None = None) -> QuerySet[Consent]:
    """Every consent that is in force at `at`."""
    moment = at or timezone.now()
    running = Q(valid_until=None) | Q(valid_until__gt=moment)
    granted = Consent.objects.filter(running, state=ConsentState.GRANTED, valid_from__lte=moment)
    return granted.select_related("subject", "grantee_user__namespace", "grantee_organisation__namespace")


def _grantee(owner: Namespace) -> Q:
    return Q(grantee_user=owner.user_id) if owner.user_id else Q(grantee_organisation=owner.organisation_id)


def consent_declined(*, owner: Namespace, email_digest: str) -> bool:
    """Whether the person with this address has said no to `owner`, or taken their yes back, and not said yes since."""
    asked = Consent.objects.filter(_grantee(owner), subject__email_digest=email_digest)
    if not email_digest or live().filter(pk__in=asked).exists():
        return False
    return asked.filter(state__in=[ConsentState.REFUSED, ConsentState.REVOKED]).exists()


def needed_scopes(version: Version) -> frozenset[ConsentScope]:
    """What a consent has to allow for this version to stay published."""
    commercial = {ConsentScope.COMMERCIAL} if version.commercial_use else set()
    return frozenset({ConsentScope.PUBLICATION} | commercial)


def covering(version: Version, subject: Subject, at: datetime | None = None) -> Consent | None:
    """A live consent of `subject` with all that this version needs, or None."""
    needed = needed_scopes(version)
    found = live_consents(version=version, scope=ConsentScope.PUBLICATION, subject=subject, at=at)
    return next((consent for consent in found if needed <= consent.terms.scopes), None)


def checked_consent_ids_of(version: Version) -> tuple[str, ...]:
    """The public ids of live consents that the version is linked to and that cover it, for the policy engine.

    Only those whose subject a moderator has made sure of; an answer by mail alone proves a mailbox, no person.
    """
    links = [link for link in links_in_force([version.pk]) if link.consent.verification in CHECKED]
    return tuple(str(link.consent.public_id) for link in links if consent_covers(link.consent, version))


def consent_covers(consent: Consent, version: Version, at: datetime | None = None) -> bool:
    """Whether this very consent is live and allows all that the version needs."""
    found = live_consents(version=version, scope=ConsentScope.PUBLICATION, subject=consent.subject, at=at)
    return any(one.pk == consent.pk and needed_scopes(version) <= one.terms.scopes for one in found)


@dataclass(frozen=True)
class MissingConsent:
    """A version rests on a subject's consent, and none of theirs covers it now."""

    version: Version  # the version itself or the ancestor that is linked
    subject: Subject
    consent: Consent  # the latest one that it was linked to


def missing_consents(
    version: Version,
    *,
    scope: ConsentScope | str | None = None,
    at: datetime | None = None,
) -> list[MissingConsent]:
    """What stands against using `version` now: of it and of everything that it was made from.

    With a scope, that scope is asked for instead of what publication needs.
    """
    latest: dict[tuple[int, int], ConsentLink] = {}
    for link in links_in_force([version.pk, *ancestor_ids([version.pk])]):
        latest[link.version_id, link.consent.subject_id] = link

    def covered(one: Version, subject: Subject) -> bool:
        needed = {ConsentScope(scope)} if scope else needed_scopes(one)
        found = live_consents(version=one, scope=min(needed), subject=subject, at=at)
        return any(needed <= consent.terms.scopes for consent in found)

    return [
        MissingConsent(link.version, link.consent.subject, link.consent)
        for link in latest.values()
        if link.version_id in uncovered_line([version], link.consent.subject, covered, up=True)
    ]


def uncovered_line(
    start: Iterable[Version], subject: Subject, covered: Callable[[Version, Subject], bool], *, up: bool
) -> set[int]:
    """Those of `start`, and what lies above them or below them, that are not covered: a covered one ends its line.

    What was made from a version that has a consent of the subject in its own right rests on that one.
    """
    found: set[int] = set()
    frontier = list(start)
    while frontier:
        fresh = {one.pk for one in frontier if one.pk not in found and not covered(one, subject)}
        found |= fresh
        edge = {"descendants__child__in": fresh} if up else {"parents__parent__in": fresh}
        frontier = list(
            Version.objects.filter(**edge).exclude(pk__in=found).select_related("adapter__owner").distinct()
        )
    return found


def links_in_force(version_ids: Iterable[int]) -> list[ConsentLink]:
    """On which consents these rest, in force or not, the oldest first."""
    links = ConsentLink.objects.filter(version__in=list(version_ids), released_at=None)
    return list(links.select_related("consent__subject", "version__adapter__owner").order_by("linked_at", "pk"))


def ancestor_ids(version_ids: Iterable[int]) -> list[int]:
    """Every version that these were made from, however far back."""
    start = list(version_ids)
    seen, frontier = set(start), start
    while frontier:
        parents = Lineage.objects.filter(child_id__in=frontier).values_list("parent_id", flat=True)
        frontier = sorted(set(parents) - seen)
        seen.update(frontier)
    return sorted(seen - set(start))


def consent_obstacle(version: Version, use: Use) -> Obstacle | None:
    """What the registry asks before it publishes, hands out or previews: whether what it rests on holds at all now.

    How far a consent reaches that holds, for which use and where, the policy engine says (`consent_needs`).
    """
    if not missing_consents(version, scope=HOUSE_SCOPES.get(use)):
        return None
    return Obstacle(
        "consent-ended",
        f"{version} needs a consent that does not hold.",
        "A person whose consent it rests on has not given it for this use, has taken it back, or it has run out.",
        "It cannot be used for this now. Its uploader can ask the person again.",
    )
