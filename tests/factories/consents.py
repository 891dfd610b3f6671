"""Consents, recalls and webhooks for tests, made through the same services as everybody's."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Organisation, User
from governance.policy import Use
from moderation.consent_terms import ConsentScope, Terms
from moderation.models import Consent, ConsentLink
from moderation.services.consent_answers import consent_grant
from moderation.services.consents import ConsentAsk, consent_ask, consent_link
from registry.models import Receipt, Version
from registry.services.delivery import gate_accept, gate_ask

ALL_SCOPES = frozenset(ConsentScope)


def terms(**changes: Any) -> Terms:
    given: dict[str, Any] = {"scopes": ALL_SCOPES, "until": timezone.now() + timedelta(days=365)}
    return Terms(**{**given, **changes})


def make_asked(actor: User, organisation: Organisation | None = None, **changes: Any) -> Consent:
    """A request that waits for its answer."""
    about = {name: changes.pop(name) for name in ("email", "name", "kind", "work", "message") if name in changes}
    ask = ConsentAsk(
        **{"email": "sam@subjects.example", "name": "Sam Subject", "kind": "person", **about}, terms=terms(**changes)
    )
    return consent_ask(actor=actor, organisation=organisation, ask=ask)


def make_consent(actor: User, organisation: Organisation | None = None, **changes: Any) -> Consent:
    """One that is granted as it was asked."""
    consent = make_asked(actor, organisation, **changes)
    return consent_grant(consent=consent, terms=consent.asked_terms)


def make_linked(version: Version, consent: Consent | None = None, **changes: Any) -> ConsentLink:
    """The version rests on the consent, or on a fresh one."""
    owner = version.adapter.owner
    consent = consent or make_consent(version.created_by, owner.organisation, **changes)
    return consent_link(version=version, consent=consent, actor=version.created_by)


def make_receipt(version: Version, user: User, organisation: Organisation | None = None) -> Receipt:
    """The person passed the gate."""
    asked: dict[str, Any] = {"actor": user, "organisation": organisation, "version": version, "use": Use.PERSONAL}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
