"""What stays of an address that was erased: a salted digest, asked about one address when it comes up again."""

import hashlib
import hmac
import os

from accounts.models import User
from moderation.models.privacy import ErasedVia, ErasureRecord

BUCKET = 3  # hexadecimal digits: a look-up tries a 4096th of all rows


def tombstone_write(
    *, email_digest: str, via: ErasedVia, never_ask: bool, counts: dict[str, object], user: User | None = None
) -> ErasureRecord:
    """Keep that what belonged to this address was erased. `email_digest` is that of `moderation.contacts`."""
    salt = os.urandom(16)
    return ErasureRecord.objects.create(
        user=user,
        bucket=email_digest[:BUCKET],
        salt=salt,
        digest=_digest(email_digest, salt),
        never_ask=never_ask,
        via=via,
        counts=counts,
    )


def tombstones_of(email_digest: str) -> list[ErasureRecord]:
    """The erasures of this address."""
    near = ErasureRecord.objects.filter(bucket=email_digest[:BUCKET])
    return [row for row in near if hmac.compare_digest(row.digest, _digest(email_digest, bytes(row.salt)))]


def never_ask(email_digest: str) -> bool:
    """Whether the person behind this address said, when they were erased, that nobody shall ask or enrol them again."""
    return bool(email_digest) and any(row.never_ask for row in tombstones_of(email_digest))


def _digest(email_digest: str, salt: bytes) -> str:
    return hashlib.sha256(salt + email_digest.encode()).hexdigest()
