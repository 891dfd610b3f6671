"""Authenticated encryption of what nobody may read at rest: face templates, evidence files, addresses of people.

`seal` encrypts each message under a key of its own, and that one under the installation's, `settings.DATA_KEYS`: the
first of them seals, every one opens. So a key is changed by putting a new one in front, and `rewrap` brings what was
sealed before under it without opening the message. A `RecordKey` belongs to one record: it is random, kept wrapped by
`seal`, and seals what belongs to that record. To destroy the wrapped key is to erase all that was sealed with it, also
where copies of the sealed bytes lie on: in an object store, a replica, a backup of files.

The bytes, in their order, lengths in bytes:

- by `seal`: 1 | key id 8 | salt 16 | wrapped message key 32 + tag 16 | message + tag 16;
- by a record key: 2 | key id 8 | salt 16 | message + tag 16.

All encryption is AES-256-GCM. Key and nonce of what stands behind a salt come from HKDF-SHA256 over the key and that
salt, so that no count of messages wears a key out (NIST SP 800-38D, 8.3, limits random nonces under one key to 2^32); a
message key encrypts one message, so its nonce is zero. The context is authenticated: what is moved to another row,
table or use does not open there.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.errors import DomainError

KEY_BYTES = 32
ID_BYTES = 8
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
BY_MASTER, BY_RECORD = b"\x01", b"\x02"
HEADER_BYTES = 1 + ID_BYTES + SALT_BYTES
WRAPPED_BYTES = HEADER_BYTES + KEY_BYTES + TAG_BYTES
ONCE = bytes(NONCE_BYTES)  # the nonce of a key that encrypts one message
HOW_TO_MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


class SealBroken(DomainError):
    """Sealed bytes that do not open here: no key for them, another context, or changed since."""

    code = "sealed-data-unreadable"
    status = 500
    title = "Encrypted data cannot be read"
    remedy = "Tell the administrator: DATA_KEYS has to hold every key that sealed something that is still kept."


class _Key:
    """One key and its public id; it shows itself to nobody."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = _derive(secret, salt=None, info=b"key id", length=ID_BYTES)

    def __repr__(self) -> str:
        return f"<key {self.id.hex()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not written anywhere.")

    def encrypt(self, kind: bytes, plain: bytes, bound: bytes = b"") -> bytes:
        header = kind + self.id + os.urandom(SALT_BYTES)
        cipher, nonce = self._behind(header)
        return header + cipher.encrypt(nonce, plain, header + bound)

    def decrypt(self, sealed: bytes, bound: bytes = b"") -> bytes:
        header = sealed[:HEADER_BYTES]
        cipher, nonce = self._behind(header)
        return _opened(cipher, nonce, sealed[HEADER_BYTES:], header + bound)

    def _behind(self, header: bytes) -> tuple[AESGCM, bytes]:
        made = _derive(self._secret, salt=header[-SALT_BYTES:], info=b"message", length=KEY_BYTES + NONCE_BYTES)
        return AESGCM(made[:KEY_BYTES]), made[KEY_BYTES:]


class RecordKey(_Key):
    """The key of one record. `wrapped` is what the record keeps; without it nothing sealed here opens again."""

    __slots__ = ("wrapped",)

    def __init__(self, secret: bytes, wrapped: bytes) -> None:
        super().__init__(secret)
        self.wrapped = wrapped

    @classmethod
    def new(cls, *, context: str) -> "RecordKey":
        """A new random key; `context` names the record, and is asked for again to open it."""
        secret = os.urandom(KEY_BYTES)
        return cls(secret, seal(secret, context=f"record key of {context}"))

    @classmethod
    def open(cls, wrapped: bytes, *, context: str) -> "RecordKey":
        """The key out of what the record keeps; SealBroken where that is gone, changed or another record's."""
        return cls(unseal(wrapped, context=f"record key of {context}"), bytes(wrapped))

    def seal(self, plain: bytes, context: str) -> bytes:
        """`plain` under this key, for this context."""
        return self.encrypt(BY_RECORD, plain, _bound(context))

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """SealBroken where it was sealed by another key, for another context, or changed since."""
        sealed = bytes(sealed)  # a column of bytes may come as a memoryview
        if _key_id(sealed, BY_RECORD) != self.id:
            raise SealBroken("Encrypted data belongs to another record than the one read.")
        return self.decrypt(sealed, _bound(context))


def seal(plain: bytes, *, context: str) -> bytes:
    """`plain` encrypted under the first of DATA_KEYS; `context` says what it is, and is asked for again to open it."""
    once = os.urandom(KEY_BYTES)
    return _masters()[0].encrypt(BY_MASTER, once) + AESGCM(once).encrypt(ONCE, plain, _bound(context))


def unseal(sealed: bytes, *, context: str) -> bytes:
    """What was sealed for this context; SealBroken where no key of ours opens it, or it was changed since."""
    sealed = bytes(sealed)
    return _opened(AESGCM(_message_key(sealed)), ONCE, sealed[WRAPPED_BYTES:], _bound(context))


def rewrap(sealed: bytes) -> bytes:
    """The same message with its key under the first of DATA_KEYS; the message itself is not opened."""
    sealed = bytes(sealed)
    return _masters()[0].encrypt(BY_MASTER, _message_key(sealed)) + sealed[WRAPPED_BYTES:]


def former_key_heads() -> list[bytes]:
    """How everything begins that `seal` made under one of DATA_KEYS which is not the first any more."""
    return [BY_MASTER + key.id for key in _masters()[1:]]


def under_former_key(sealed: bytes) -> bool:
    """Whether these bytes begin so."""
    return bytes(sealed[: 1 + ID_BYTES]) in former_key_heads()


def _message_key(sealed: bytes) -> bytes:
    wanted = _key_id(sealed, BY_MASTER)
    for key in _masters():
        if key.id == wanted:
            return key.decrypt(sealed[:WRAPPED_BYTES])
    raise SealBroken(f"Encrypted data was sealed with the key {wanted.hex()}, which DATA_KEYS does not hold.")


def _opened(cipher: AESGCM, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, bound)
    except InvalidTag as error:
        raise SealBroken("Encrypted data was changed, or belongs to another record than the one read.") from error


def _key_id(sealed: bytes, kind: bytes) -> bytes:
    shortest = (WRAPPED_BYTES if kind == BY_MASTER else HEADER_BYTES) + TAG_BYTES
    if len(sealed) < shortest or not sealed.startswith(kind):
        raise SealBroken("Encrypted data is cut short, or was not sealed in this way.")
    return sealed[1 : 1 + ID_BYTES]


def _bound(context: str) -> bytes:
    if not context:
        raise ValueError("Sealing needs a context that says what is sealed.")
    return context.encode()


def _derive(secret: bytes, *, salt: bytes | None, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=b"adapter-registry seal 1: " + info).derive(secret)


def _masters() -> tuple[_Key, ...]:
    return _keys_of(tuple(settings.DATA_KEYS))


@lru_cache(maxsize=4)
def _keys_of(written: tuple[str, ...]) -> tuple[_Key, ...]:
    if not written:
        raise ImproperlyConfigured(f"DATA_KEYS is empty: name at least one key, made by {HOW_TO_MAKE_A_KEY}.")
    return tuple(_Key(secret) for secret in data_keys_read(written))


def data_keys_read(written: Sequence[str]) -> list[bytes]:
    """The keys as bytes; ImproperlyConfigured, which names the place of the wrong one and never shows it."""
    found: list[bytes] = []
    for place, text in enumerate(written, start=1):
        secret = _decoded(text)
        if len(secret) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"Key {place} of DATA_KEYS is not {KEY_BYTES} bytes in base64: make one by {HOW_TO_MAKE_A_KEY}."
            )
        found.append(secret)
    return found


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text) + "=" * (-len(str(text)) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
