"""Protected identities: invited, enrolled, verified, withdrawn, erased. Faces are compared in `selectors.likeness`."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.contacts import email_digest, email_sealed
from moderation.errors import EnrolmentRefused, IdentityLinkInvalid, NotEnrolled
from moderation.likeness_consent import LikenessConsent
from moderation.likeness_keys import email_context, key_new
from moderation.models import (
    ActsAs,
    DeletionProof,
    DeletionVia,
    EnrolmentState,
    IdentityLink,
    IdentityStatus,
    ProtectedIdentity,
)
from moderation.services.tombstones import never_ask
from registry.errors import ConflictOfInterest

SUBJECT = "moderation.protectedidentity"


@audited()
def identity_enrol(
    *,
    user: User,
    name: str,
    acts_as: ActsAs,
    consent: LikenessConsent,
    aliases: Sequence[str] = (),
    contact_email: str = "",
) -> ProtectedIdentity:
    """A new identity of an account holder, with the consent they gave; its pictures follow."""
    identity = ProtectedIdentity(user=user, created_by=user)
    _enrol(identity, name, aliases, acts_as, consent, contact_email or user.email)
    return identity


@audited()
def identity_invite(*, moderator: User, name: str, contact_email: str = "") -> tuple[ProtectedIdentity, str]:
    """An identity for somebody without an account, and the secret of the link by which they enrol once.

    Raises EnrolmentRefused where the person had their data erased and wants not to be asked again.
    """
    if contact_email and never_ask(email_digest(contact_email)):
        raise EnrolmentRefused(
            "Whoever reads this address asked not to be invited again.", remedy="They can enrol by themselves."
        )
    identity = ProtectedIdentity.objects.create(name=name.strip(), created_by=moderator)
    _set_email(identity, contact_email)
    identity.save()
    secret = _link(identity, IdentityLink.Purpose.ENROL, moderator, settings.LIKENESS_INVITATION)
    _log(identity, "likeness.invited", moderator)
    return identity, secret


@audited()
def identity_accept(
    *,
    digest: str,
    name: str,
    acts_as: ActsAs,
    consent: LikenessConsent,
    aliases: Sequence[str] = (),
    contact_email: str = "",
) -> tuple[ProtectedIdentity, str]:
    """Enrol by the link of an invitation, which is used up by it; the secret given shows the status and withdraws."""
    link = link_open(digest=digest, purpose=IdentityLink.Purpose.ENROL)
    identity = _locked(link.identity)
    if identity.status != IdentityStatus.INVITED:
        raise IdentityLinkInvalid
    link.used_at = timezone.now()
    link.save(update_fields=["used_at"])
    _enrol(identity, name, aliases, acts_as, consent, contact_email)
    return identity, _link(identity, IdentityLink.Purpose.MANAGE, None, None)


@audited()
def manage_link_renew(*, identity: ProtectedIdentity, moderator: User) -> str:
    """A new personal link for somebody who lost theirs; the ones before stop working."""
    identity = _locked(identity)
    identity.links.filter(purpose=IdentityLink.Purpose.MANAGE).delete()
    _log(identity, "likeness.link-renewed", moderator)
    return _link(identity, IdentityLink.Purpose.MANAGE, moderator, None)


@audited()
def identity_verify(*, identity: ProtectedIdentity, moderator: User) -> ProtectedIdentity:
    """A moderator has made sure that who enrolled may do so; raises ConflictOfInterest over one's own."""
    identity = enrolled_locked(identity)
    if moderator.pk == identity.user_id:
        raise ConflictOfInterest("You enrolled this identity yourself.", remedy="Leave it to another moderator.")
    identity.verified_at, identity.verified_by = timezone.now(), moderator
    identity.save(update_fields=["verified_at", "verified_by"])
    _log(identity, "likeness.verified", moderator)
    return identity


@audited()
def templates_delete(*, identity: ProtectedIdentity, via: DeletionVia, actor: User | None = None) -> DeletionProof:
    """Delete every template of an identity that stays enrolled, with the key they were under, and prove it."""
    identity = enrolled_locked(identity)
    proof = _delete(identity, via, actor)
    identity.key_wrapped = key_new(identity)
    identity.save(update_fields=["key_wrapped"])
    return proof


@audited()
def identity_withdraw(*, identity: ProtectedIdentity, via: DeletionVia, actor: User | None = None) -> DeletionProof:
    """The consent is taken back: templates, waiting pictures and key are gone at the commit, and the proof stays."""
    identity = _locked(identity)
    if identity.status == IdentityStatus.WITHDRAWN:
        raise NotEnrolled("This identity was withdrawn before; its templates are gone.")
    proof = _delete(identity, via, actor)
    identity.key_wrapped, identity.status, identity.withdrawn_at = None, IdentityStatus.WITHDRAWN, timezone.now()
    identity.save(update_fields=["key_wrapped", "status", "withdrawn_at"])
    identity.links.filter(purpose=IdentityLink.Purpose.ENROL).delete()
    _log(identity, "likeness.withdrawn", actor, via=via.value)
    return proof


@audited()
def identity_erase(*, identity: ProtectedIdentity, via: DeletionVia, actor: User | None = None) -> None:
    """Withdraw, if it is not yet, and forget the person: name, aliases, address, account and links (Art. 17 GDPR)."""
    identity = _locked(identity)
    if identity.status != IdentityStatus.WITHDRAWN:
        identity_withdraw(identity=identity, via=via, actor=actor)
        identity.refresh_from_db()
    identity.name, identity.aliases, identity.user, identity.created_by = "", [], None, None
    identity.email_sealed, identity.email_digest, identity.acts_as = None, "", ""
    identity.save()
    identity.links.all().delete()
    identity.pictures.all().delete()
    _log(identity, "likeness.erased", actor, via=via.value)


def link_open(*, digest: str, purpose: IdentityLink.Purpose | None = None) -> IdentityLink:
    """The link with this digest; IdentityLinkInvalid where there is none, or it is used up or has run out."""
    known = IdentityLink.objects.select_related("identity").filter(digest=digest, used_at__isnull=True)
    link = (known.filter(purpose=purpose) if purpose else known).first()
    if link is None or (link.expires_at and link.expires_at <= timezone.now()):
        raise IdentityLinkInvalid
    return link


def link_digest(secret: str) -> str:
    """What is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _enrol(
    identity: ProtectedIdentity,
    name: str,
    aliases: Sequence[str],
    acts_as: ActsAs,
    consent: LikenessConsent,
    contact_email: str,
) -> None:
    identity.status, identity.acts_as = IdentityStatus.ENROLLED, acts_as
    identity.name, identity.aliases = name.strip(), [alias.strip() for alias in aliases if alias.strip()]
    identity.consent_edition, identity.consent_sha256 = consent.edition, consent.sha256
    identity.consented_at = timezone.now()
    identity.key_wrapped = key_new(identity)
    if contact_email:
        _set_email(identity, contact_email)
    identity.save()
    _log(identity, "likeness.enrolled", identity.user, consent=consent.sha256, acts_as=acts_as.value)


def _set_email(identity: ProtectedIdentity, email: str) -> None:
    identity.email_sealed = email_sealed(email, context=email_context(identity)) if email else None
    identity.email_digest = email_digest(email) if email else ""


def _delete(identity: ProtectedIdentity, via: DeletionVia, actor: User | None) -> DeletionProof:
    """Remove what is there and write down what it was; the caller destroys the key in the same transaction."""
    templates = list(identity.templates.order_by("public_id"))
    salt = secrets.token_hex(32)
    proof = DeletionProof.objects.create(
        identity_ref=identity.public_id,
        templates=[str(template.public_id) for template in templates],
        count=len(templates),
        key_id=templates[0].key_id if templates else "",  # needs no key to be opened: to delete must always work
        salt=salt,
        digest=deletion_digest(salt=salt, ciphertexts=[bytes(template.ciphertext) for template in templates]),
        via=via,
        actor=actor,
    )
    identity.templates.all().delete()
    identity.pictures.filter(state=EnrolmentState.WAITING).delete()
    data = {"proof": str(proof.public_id), "count": proof.count, "digest": proof.digest, "via": via.value}
    audit_append(actor=actor, action="likeness.templates-deleted", subject=_subject(identity), data=data, rows=[proof])
    return proof


def deletion_digest(*, salt: str, ciphertexts: Sequence[bytes]) -> str:
    """What a DeletionProof keeps: SHA-256 of the salt and the SHA-256 of each ciphertext, in the order of their ids."""
    whole = hashlib.sha256(bytes.fromhex(salt))
    for ciphertext in ciphertexts:
        whole.update(hashlib.sha256(ciphertext).digest())
    return whole.hexdigest()


def _link(
    identity: ProtectedIdentity, purpose: IdentityLink.Purpose, by: User | None, lifetime: timedelta | None
) -> str:
    secret = secrets.token_urlsafe(32)
    expires_at = timezone.now() + lifetime if lifetime else None
    IdentityLink.objects.create(
        identity=identity, purpose=purpose, digest=link_digest(secret), created_by=by, expires_at=expires_at
    )
    return secret


def _locked(identity: ProtectedIdentity) -> ProtectedIdentity:
    return ProtectedIdentity.objects.select_for_update().get(pk=identity.pk)


def enrolled_locked(identity: ProtectedIdentity) -> ProtectedIdentity:
    """The identity, locked; NotEnrolled where there is nothing to protect any more."""
    identity = _locked(identity)
    if identity.status != IdentityStatus.ENROLLED:
        raise NotEnrolled(f"This identity is {identity.get_status_display()}.")
    return identity


def _subject(identity: ProtectedIdentity) -> tuple[str, str]:
    return SUBJECT, str(identity.public_id)


def _log(identity: ProtectedIdentity, action: str, actor: User | None, **data: str) -> None:
    """Ids and codes alone: the chain keeps them for ever."""
    audit_append(actor=actor, action=action, subject=_subject(identity), data=data)
