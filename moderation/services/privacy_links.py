"""Links by which somebody without an account asks what is kept about their address: mailed there, and to nowhere else.

Every address gets the same answer on the page and a letter that looks the same, whether something is kept about it or
not: who asks for somebody else's address learns nothing, and its owner learns that nothing is kept.
"""

import hashlib
import secrets

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from governance.services import audited
from moderation.contacts import email_digest, email_sealed, email_unsealed
from moderation.errors import PrivacyLinkInvalid, TooManyRequests
from moderation.models import PrivacyLink
from moderation.services.post import letter_write
from moderation.throttling import HOUR, count_or_refuse

CONTEXT = "privacy link"


def privacy_link_ask(*, email: str, address: str) -> None:
    """Have a link mailed to `email`. `address` is where the request comes from, counted and not kept.

    Raises TooManyRequests for the place. A mailbox that has had its letters of the day gets no more, untold.
    """
    count_or_refuse(what="privacy-link", who=address, limit=settings.PRIVACY_LINKS_PER_ADDRESS)
    most = settings.PRIVACY_MAILS_PER_MAILBOX
    try:
        count_or_refuse(what="privacy-mail", who=email_digest(email), limit=most, window=24 * HOUR)
    except TooManyRequests:
        return
    _write(email)


@audited()
def _write(email: str) -> None:
    secret = secrets.token_urlsafe(32)
    link = PrivacyLink.objects.create(
        email_sealed=email_sealed(email, context=CONTEXT),
        email_digest=email_digest(email),
        digest=secret_digest(secret),
        expires_at=timezone.now() + settings.PRIVACY_LINK_LIFETIME,
    )
    letter_write(
        key=f"privacy:{link.public_id}",
        to=email,
        subject="What is kept about your address",
        template="privacy_link.txt",
        context={
            "url": f"{settings.PUBLIC_URL}{reverse('privacy_open', args=[secret])}",
            "expires_at": link.expires_at,
        },
    )


def secret_digest(secret: str) -> str:
    """SHA-256: the secret has 256 random bits, so a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def privacy_link_open(*, secret: str) -> PrivacyLink:
    """The link behind a secret, which is marked as opened. Raises PrivacyLinkInvalid."""
    link = privacy_link_of(digest=secret_digest(secret))
    PrivacyLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now())
    return link


def privacy_link_of(*, digest: str) -> PrivacyLink:
    """The live link with this digest, as a session keeps it. Raises PrivacyLinkInvalid."""
    link = PrivacyLink.objects.filter(digest=digest, expires_at__gt=timezone.now()).first() if digest else None
    if link is None:
        raise PrivacyLinkInvalid
    return link


def link_email(link: PrivacyLink) -> str:
    """The address that the link was mailed to. Raises SealBroken."""
    return email_unsealed(bytes(link.email_sealed), context=CONTEXT)
