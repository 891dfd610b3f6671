"""Consents for the people concerned: who may open which, and what its pages show."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from accounts.errors import NotFound
from accounts.models import Membership, Organisation, User
from accounts.permissions import Role
from moderation.consent_terms import MEANINGS, SCOPE_WORDS, ConsentScope, ConsentState, Verification
from moderation.models.consent import Consent, ConsentLink
from moderation.selectors.consents import consent_covers, missing_consents
from registry.models import Version
from registry.selectors.access import namespaces_for_upload
from registry.selectors.visibility import versions_readable_by
from registry.states import VersionState

CONTRIBUTING = (Role.OWNER, Role.MAINTAINER, Role.MEMBER)
VERIFICATION_WORDS: dict[Verification, str] = {
    Verification.NONE: "not verified",
    Verification.MAIL: "answered by the link in the mail; nobody has checked who that is",
    Verification.ACCOUNT: "verified: an account known to be theirs",
    Verification.DOCUMENT: "verified: a signed document",
    Verification.CALL: "verified: a call",
    Verification.IN_PERSON: "verified: in person",
}
STATE_BADGES = {ConsentState.GRANTED: "allow", ConsentState.ASKED: "review"}


def consents_held_by(*, actor: User) -> QuerySet[Consent]:
    """The consents of `actor` and of the organisations that they contribute to, newest first."""
    groups = Membership.objects.filter(user=actor, role__in=CONTRIBUTING).values("organisation")
    held = Consent.objects.filter(Q(grantee_user=actor) | Q(grantee_organisation__in=groups))
    return held.select_related("subject", "grantee_user__namespace", "grantee_organisation__namespace", "asked_by")


def access_held(*, actor: User, public_id: uuid.UUID) -> Consent:
    """A consent that the actor holds; anybody else's is absent."""
    consent = consents_held_by(actor=actor).filter(public_id=public_id).first()
    if consent is None:
        raise NotFound("There is no such consent of yours.")
    return consent


def organisations_asking(*, actor: User) -> QuerySet[Organisation]:
    """In whose name `actor` may ask, beside their own."""
    mine = Membership.objects.filter(user=actor, role__in=CONTRIBUTING)
    return Organisation.objects.filter(pk__in=mine.values("organisation")).select_related("namespace")


@dataclass(frozen=True)
class ScopeLine:
    """One use in plain words, and whether the terms include it."""

    scope: ConsentScope
    words: str
    included: bool


def scope_lines(scopes: frozenset[ConsentScope]) -> list[ScopeLine]:
    """Every use, with what is included."""
    return [ScopeLine(scope, words, scope in scopes) for scope, words in SCOPE_WORDS.items()]


def consent_facts(consent: Consent) -> dict[str, Any]:
    """What every page of a consent shows."""
    state = ConsentState(consent.state)
    return {
        "consent": consent,
        "state_words": MEANINGS[state],
        "badge": STATE_BADGES.get(state, "deny" if state in {ConsentState.REFUSED, ConsentState.REVOKED} else "muted"),
        "scopes": scope_lines(consent.terms.scopes),
        "verification_words": VERIFICATION_WORDS[Verification(consent.verification)],
        "events": list(consent.events.select_related("actor")),
    }


@dataclass(frozen=True)
class Use:
    """One version that rests on a consent, as its subject and its holder read it."""

    version: Version
    since: Any
    state: VersionState
    held_back: bool  # by the end of this consent or of another
    downloads: int
    released: bool


def uses_of(consent: Consent) -> list[Use]:
    """Every version that rests or rested on this consent: what was made under it, whatever its state."""
    links = ConsentLink.objects.filter(consent=consent).select_related("version__adapter__owner")
    return [_use(link) for link in links.order_by("-linked_at", "-pk")]


def _use(link: ConsentLink) -> Use:
    version = link.version
    downloads = version.acceptances.filter(receipts__isnull=False).count()
    held = version.recalls.filter(open=True, recall__consent__isnull=False).exists()
    return Use(version, link.linked_at, VersionState(version.state), held, downloads, link.released_at is not None)


def versions_to_link(*, actor: User, consent: Consent) -> list[Version]:
    """Versions of the grantee that this consent covers and that are not linked to it yet, those with people first."""
    owners = namespaces_for_upload(actor).filter(
        user=consent.grantee_user_id, organisation=consent.grantee_organisation_id
    )
    versions = versions_readable_by(actor).filter(adapter__owner__in=owners.values("pk"))
    versions = versions.exclude(state__in=[VersionState.WITHDRAWN, VersionState.TAKEN_DOWN])
    versions = versions.exclude(consent_links__in=consent.links.filter(released_at=None))
    found = versions.select_related("adapter__owner").order_by("-depicts_real_person", "-created_at")[:200]
    return [version for version in found if consent_covers(consent, version)]


@dataclass(frozen=True)
class Standing:
    """One consent under a version: whether it holds it now."""

    link: ConsentLink
    covers: bool


def version_standing(*, version: Version) -> dict[str, Any]:
    """What a version rests on, for its own people and moderators."""
    links = version.consent_links.filter(released_at=None).select_related("consent__subject")
    return {
        "version": version,
        "adapter": version.adapter,
        "standing": [Standing(link, consent_covers(link.consent, version)) for link in links],
        "missing": missing_consents(version),
    }


def consents_for_moderators(*, state: str = "", unverified: bool = False) -> QuerySet[Consent]:
    """Every consent, newest first; names stay sealed until one is opened."""
    found = Consent.objects.select_related("grantee_user", "grantee_organisation__namespace", "subject", "verified_by")
    if state in list(ConsentState):
        found = found.filter(state=state)
    if unverified:
        found = found.filter(verification__in=[Verification.NONE, Verification.MAIL], state=ConsentState.GRANTED)
    return found
