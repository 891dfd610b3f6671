"""What can be opted out, in the form in which it is compared: works by their hashes, names, addresses."""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import salted_hmac

from moderation.addresses import Address, address_read
from moderation.matching.folding import fold
from moderation.matching.names import Name, NameIndex
from moderation.models import EntryKind

SALT = "moderation.optout.entry"
NAME_MAX = 120  # characters
# Bits of a hash, by algorithm. `sha256` is of the file, and finds that very file alone.
ALGORITHMS = {"phash": 64, "pdq": 256, "sha256": 256}


class HashRefused(ValueError):
    """No hash of an algorithm that is known here; the message says what is."""


class NameRefused(ValueError):
    """A name that could never be found, or would be found everywhere; the message says what to do."""


@dataclass(frozen=True)
class Thing:
    """Something to be opted out, in the form in which it is compared."""

    kind: EntryKind
    text: str
    form: str = ""
    host: str = ""
    mononym: bool = False
    algorithm: str = ""
    bits: bytes = b""

    @property
    def key(self) -> str:
        """What makes two of them the same thing."""
        if self.kind is EntryKind.WORK:
            return f"work:{self.algorithm}:{self.bits.hex()}"
        return f"{self.kind.value}:{self.host}:{self.form}"

    @property
    def digest(self) -> uuid.UUID:
        return keyed_digest(self.key)


def keyed_digest(key: str, salt: bytes = b"") -> uuid.UUID:
    """A digest under the installation's secret: nobody else can try out names against it."""
    made = salted_hmac(SALT + salt.hex(), key, secret=settings.SECRET_KEY, algorithm="sha256").digest()
    return uuid.UUID(bytes=made[:16])


def name_read(text: str, *, mononym: bool) -> Thing:
    """A name to register; what is read alike is one name. Raises NameRefused for one that is never looked for."""
    text = " ".join(text.split())
    if not text or len(text) > NAME_MAX:
        raise NameRefused(f"A name has 1 to {NAME_MAX} characters.")
    if any(not sign.isprintable() for sign in text):
        raise NameRefused("The name holds characters that cannot be shown.")
    single = _never_found(text, mononym=False)
    if single and not mononym and " " not in text:
        raise NameRefused("A single word is the name of many people and things: register it as a single-word name.")
    if single and _never_found(text, mononym=mononym):
        raise NameRefused("The name is too short, or has too many words, to be told from other text.")
    form = " ".join(fold(word) for word in text.split())
    # Only a name that needs it is marked: the mark keeps it from being looked for until it is verified.
    return Thing(EntryKind.NAME, text, form=form[:300], mononym=single)


def _never_found(text: str, *, mononym: bool) -> bool:
    return bool(NameIndex.build([Name(1, text, mononym)]).unsearchable)


def address_thing(address: Address) -> Thing:
    return Thing(EntryKind.URL, str(address)[:300], form=address.path, host=address.host)


def hash_thing(algorithm: str, digits: str, *, title: str = "") -> Thing:
    """A work that is known by a hash alone; HashRefused where it is no hash."""
    size = ALGORITHMS.get(algorithm)
    if size is None:
        raise HashRefused(f"{algorithm[:20]!r} is no hash that is known here. Use {', '.join(sorted(ALGORITHMS))}.")
    try:
        bits = bytes.fromhex(digits) if digits.isalnum() else b""
    except ValueError:
        bits = b""
    if 8 * len(bits) != size:
        raise HashRefused(f"A {algorithm} hash has {size // 4} hexadecimal digits.")
    if algorithm != "sha256" and len(set(bits)) == 1:
        raise HashRefused("A hash of one and the same byte is that of an empty picture, and would fit too many.")
    return Thing(EntryKind.WORK, title, algorithm=algorithm, bits=bits)


def hash_read(text: str) -> Thing:
    """A work written as `algorithm:digits` or `algorithm:digits title`; HashRefused where it is no hash."""
    written, _, title = text.strip().partition(" ")
    algorithm, separator, digits = written.partition(":")
    if not separator:
        raise HashRefused("Write the algorithm before the hash, as in pdq:0f1e…")
    clean = "".join(sign for sign in title.strip()[:300] if sign.isprintable())
    return hash_thing(algorithm.lower(), digits.lower(), title=clean)


def address_thing_read(text: str) -> Thing:
    """An address to register; AddressRefused where it is none, or belongs to everybody."""
    return address_thing(address_read(text))
