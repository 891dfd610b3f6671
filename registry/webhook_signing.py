"""Signatures of webhook messages as Standard Webhooks 1.0.0 lays them down (standardwebhooks.com), symmetric, v1."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
TOLERANCE = 300  # seconds that a timestamp may be off


class SignatureWrong(ValueError):
    """A message that does not carry a signature of ours, or an old one that somebody sends again."""


def secret_create() -> str:
    """A new random secret, written as receivers' libraries take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(*, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, joined by dots."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def headers(*, secrets_in_force: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; while a secret is being changed, both sign."""
    made = [
        signature(secret=secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets_in_force
    ]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(made)}


def verify(*, secret: str, received: Mapping[str, str], body: bytes, now: float) -> None:
    """What a receiver does; raises SignatureWrong. Header names in lower case."""
    message_id, stamp = received.get("webhook-id", ""), received.get("webhook-timestamp", "")
    if not message_id or not stamp.isdecimal() or abs(now - int(stamp)) > TOLERANCE:
        raise SignatureWrong("id or timestamp is missing, or the timestamp is too far off")
    wanted = signature(secret=secret, message_id=message_id, timestamp=int(stamp), body=body)
    given = received.get("webhook-signature", "").split(" ")
    if not any([hmac.compare_digest(wanted, one) for one in given]):
        raise SignatureWrong("no signature fits")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SignatureWrong("the secret is not base64") from error
