"""What governance reads: the facts of an actor, who may see a decision, the chain's head."""

from accounts.models import Organisation, User
from governance.models import ActorProfile, AuditEntry, DecisionRecord
from governance.policy import ActorFacts

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


def standing_use(*, actor: User, organisation: Organisation | None = None) -> str:
    """The intended use that was chosen last; empty when none was."""
    profile = actor_profile(actor=actor, organisation=organisation)
    return profile.standing_use if profile else ""


def can_read_decision(*, actor: User, record: DecisionRecord) -> bool:
    """Who took part in a decision, and moderators."""
    if actor.is_moderator or record.actor_id == actor.pk:
        return True
    return (
        record.organisation_id is not None and actor.memberships.filter(organisation_id=record.organisation_id).exists()
    )


def audit_head() -> AuditEntry | None:
    """The newest entry of the chain."""
    return AuditEntry.objects.order_by("-sequence").first()
