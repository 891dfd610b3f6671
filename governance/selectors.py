"""What governance reads: the facts of an actor, decisions and who may see them, the chain's head."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from accounts.errors import NotFound
from accounts.models import Organisation, User
from accounts.permissions import OrganisationPermission, Role, role_permits
from governance.models import ActorProfile, AuditEntry, DecisionRecord
from governance.policy import ASKED_USES, ActorFacts

FACTS = (
    "annual_revenue_usd",
    "monthly_users",
    "receives_payment",
    "serves_end_users",
    "offers_related_service",
    "filters_content",
    "discloses_ai",
    "trains_competing_model",
    "biometric_processing",
)


def actor_profile(*, actor: User, organisation: Organisation | None = None) -> ActorProfile | None:
    """The stated facts of the organisation when one is named, else of the person."""
    if organisation is not None:
        return ActorProfile.objects.filter(organisation=organisation).first()
    return ActorProfile.objects.filter(user=actor).first()


def actor_facts(*, actor: User, organisation: Organisation | None = None) -> ActorFacts:
    """The facts as the policy engine takes them; what was not stated is None."""
    profile = actor_profile(actor=actor, organisation=organisation)
    if profile is None:
        return ActorFacts()
    stated = {name: getattr(profile, name) for name in FACTS}
    registered = None if profile.registered_with is None else frozenset(profile.registered_with)
    return ActorFacts(**stated, territory=profile.territory or None, registered_with=registered)


def actor_facts_with(*, actor: User, organisation: Organisation | None, stated: Mapping[str, Any] | None) -> ActorFacts:
    """The facts on record with those that are stated for one question laid over them; None takes a fact back."""
    return replace(actor_facts(actor=actor, organisation=organisation), **(stated or {}))


def standing_use(*, actor: User, organisation: Organisation | None = None) -> str:
    """The intended use that was chosen last; empty when none was."""
    profile = actor_profile(actor=actor, organisation=organisation)
    return profile.standing_use if profile else ""


def asked_for_last(*, actor: User) -> Organisation | None:
    """On whose behalf `actor` asked the gate last; None for themselves, or where they no longer belong."""
    last = DecisionRecord.objects.filter(actor=actor, action__in=ASKED_USES).order_by("-pk").first()
    if last is None or last.organisation_id is None:
        return None
    mine = actor.memberships.filter(organisation=last.organisation_id).select_related("organisation").first()
    return mine.organisation if mine else None


def can_read_decision(*, actor: User, record: DecisionRecord) -> bool:
    """Who took part in a decision or in one that it overrides, their organisation, and moderators."""
    if actor.is_moderator or record.actor_id == actor.pk:
        return True
    if record.organisation_id and actor.memberships.filter(organisation_id=record.organisation_id).exists():
        return True
    return record.override_of is not None and can_read_decision(actor=actor, record=record.override_of)


def access_decision(*, actor: User | AnonymousUser, public_id: uuid.UUID) -> DecisionRecord:
    """The decision, if `actor` may read it; absent and closed give the same NotFound."""
    related = DecisionRecord.objects.select_related("actor", "organisation__namespace", "override_of")
    record = related.filter(public_id=public_id).first()
    if record is None or not isinstance(actor, User) or not can_read_decision(actor=actor, record=record):
        raise NotFound(f"There is no decision {public_id} that you may read.")
    return record


def decisions_of(*, actor: User, before: DecisionRecord | None = None) -> QuerySet[DecisionRecord]:
    """The decisions that `actor` asked for, newest first; `before` continues after that one."""
    mine = DecisionRecord.objects.filter(actor=actor).select_related("organisation__namespace", "override_of")
    if before is None:
        return mine
    older = Q(created_at__lt=before.created_at) | Q(created_at=before.created_at, pk__lt=before.pk)
    return mine.filter(older)


def override_chain(record: DecisionRecord) -> list[DecisionRecord]:
    """Every decision of the chain that this one belongs to, from the first to the one that holds now."""
    first = record
    while first.override_of is not None:
        first = first.override_of
    chain, level = [first], [first]
    while level:
        below = DecisionRecord.objects.filter(override_of__in=level).select_related("actor")
        level = list(below.order_by("created_at", "pk"))
        chain += level
    return chain


def decision_facts(record: DecisionRecord) -> dict[str, Any]:
    """A decision on record as plain values; private notes stay with the moderators' own pages."""
    return {
        **record.to_json(),
        "id": str(record.public_id),
        "action": record.action,
        "subject": {"type": record.subject_type, "id": record.subject_id, "label": record.subject_label},
        "organisation": record.organisation.namespace.slug if record.organisation else None,
        "request": record.request,
        "public_reasoning": record.public_reasoning,
        "override_of": str(record.override_of.public_id) if record.override_of else None,
        "overridden_by": [str(found.public_id) for found in record.overrides.order_by("created_at", "pk")],
        "created_at": record.created_at.isoformat(),
    }


def organisations_administered(*, actor: User) -> list[Organisation]:
    """Organisations whose facts the actor may state."""
    memberships = actor.memberships.select_related("organisation__namespace").order_by("organisation__namespace__slug")
    return [
        membership.organisation
        for membership in memberships
        if role_permits(Role(membership.role), OrganisationPermission.ADMINISTER)
    ]


def audit_head() -> AuditEntry | None:
    """The newest entry of the chain."""
    return AuditEntry.objects.order_by("-sequence").first()
