"""Changes of accounts go on the audit log, in their own transaction: one line per handler."""

from typing import Any

from django.dispatch import receiver

from accounts.models import ApiToken, Organisation, User
from accounts.signals import (
    member_changed,
    organisation_created,
    password_changed,
    token_created,
    token_revoked,
    user_registered,
)
from governance.handles import handle_of
from governance.services import audit_append


@receiver(user_registered)
def log_sign_up(user: User, **_: Any) -> None:
    audit_append(actor=user, action="user.registered", subject=("accounts.user", str(user.pk)))


@receiver(password_changed)
def log_password(user: User, **_: Any) -> None:
    audit_append(actor=user, action="user.password-changed", subject=("accounts.user", str(user.pk)))


@receiver(organisation_created)
def log_organisation(actor: User, organisation: Organisation, **_: Any) -> None:
    audit_append(actor=actor, action="organisation.created", **_organisation(organisation))


@receiver(member_changed)
def log_member(actor: User, organisation: Organisation, user: User, was: str, role: str, **_: Any) -> None:
    action = "member.role-changed" if was and role else "member.added" if role else "member.removed"
    audit_append(actor=actor, action=action, **_organisation(organisation, user=handle_of(user), was=was, role=role))


@receiver(token_created)
def log_token_created(token: ApiToken, **_: Any) -> None:
    audit_append(actor=token.user, action="token.created", **_token(token))


@receiver(token_revoked)
def log_token_revoked(actor: User, token: ApiToken, **_: Any) -> None:
    audit_append(actor=actor, action="token.revoked", **_token(token))


def _organisation(organisation: Organisation, **data: str) -> dict[str, Any]:
    subject = ("accounts.organisation", str(organisation.pk))
    return {"subject": subject, "data": {"slug": organisation.namespace.slug, **data}}


def _token(token: ApiToken) -> dict[str, Any]:
    expires = token.expires_at.isoformat() if token.expires_at else None
    data = {"prefix": token.prefix, "scopes": token.scopes, "expires_at": expires}
    return {"subject": ("accounts.apitoken", str(token.pk)), "data": data}
