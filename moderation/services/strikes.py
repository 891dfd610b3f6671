"""Strikes against who uploaded what was removed: issued with a decision, ending by themselves, lifted by an appeal."""

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.models import Case, Strike


@audited()
def strike_issue(*, case: Case, actor: User, reason: str) -> Strike:
    """One strike per case against the uploader of its version; the letter is that of the statement of reasons."""
    now = timezone.now()
    strike, created = Strike.objects.get_or_create(
        user=case.version.created_by,
        case=case,
        defaults={
            "issued_by": actor,
            "reason": reason[:500],
            "issued_at": now,
            "expires_at": now + settings.STRIKE_LIFETIME,
        },
    )
    if created:
        _log("strike.issued", strike, actor)
    return strike


@audited()
def strikes_lift(*, case: Case, actor: User) -> int:
    """Take back the strikes of a decision that an appeal overturned; the number of them."""
    lifted = 0
    for strike in Strike.objects.select_for_update(no_key=True).filter(case=case, lifted_at__isnull=True):
        strike.lifted_at = timezone.now()
        strike.save(update_fields=["lifted_at"])
        _log("strike.lifted", strike, actor)
        lifted += 1
    return lifted


def _log(action: str, strike: Strike, actor: User) -> None:
    data = {"case": str(strike.case.public_id), "expires": strike.expires_at.isoformat()}
    audit_append(actor=actor, action=action, subject=("accounts.user", str(strike.user_id)), data=data)
