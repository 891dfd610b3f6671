"""Addresses of people without an account: sealed, and found again by a keyed digest that tells nobody the address."""

import hashlib
import hmac

from django.conf import settings

from registry.sealing import seal, unseal

SALT = b"moderation.contacts"


def email_cleaned(email: str) -> str:
    """As it is compared: without white space around it, in lower case."""
    return email.strip().lower()


def email_digest(email: str) -> str:
    """HMAC-SHA256 under the installation's secret, in hexadecimal; the same for every spelling of one address."""
    key = hashlib.sha256(SALT + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, email_cleaned(email).encode(), hashlib.sha256).hexdigest()


def email_sealed(email: str, *, context: str) -> bytes:
    return seal(email_cleaned(email).encode(), context=context)


def email_unsealed(sealed: bytes, *, context: str) -> str:
    return unseal(sealed, context=context).decode()
