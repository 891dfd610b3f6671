"""Ed25519 signatures on receipts and anchors: the key of this installation, and how anybody checks one."""

import base64
import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from governance.audit import canonical

ALGORITHM = "Ed25519"


@cache
def _key_at(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        _create(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds no Ed25519 key.")
    return key


def _create(path: Path) -> None:
    """Write a new key where none is; when two processes do so at once, the first one's key stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    handle, partial = tempfile.mkstemp(dir=path.parent)  # readable by the owner only
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
    try:
        os.link(partial, path)
    except FileExistsError:
        pass  # another process was first; its key is the one that counts
    finally:
        os.unlink(partial)


def key_path() -> Path:
    return Path(settings.KEYS_DIR) / "receipts.pem"


def signing_key() -> Ed25519PrivateKey:
    return _key_at(key_path())


def known_keys() -> dict[str, bytes]:
    """The public keys of this installation by their ids. Looks only: where none is, none is made."""
    if not key_path().exists():
        return {}
    return {key_id(public_bytes()): public_bytes()}


def keys_of_set(key_set: dict[str, Any]) -> dict[str, bytes]:
    """The public keys in a JSON Web Key Set, as /.well-known/registry-keys.json has it; ValueError when it is none."""
    try:
        encoded = [str(key["x"]) for key in key_set["keys"] if key.get("crv") == ALGORITHM]
        found = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in encoded]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("it holds no JSON Web Key Set with Ed25519 keys") from error
    return {key_id(public): public for public in found}


def public_bytes() -> bytes:
    """The raw 32 bytes of the public key."""
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    return signing_key().public_key().public_bytes(*raw)


def key_id(public: bytes) -> str:
    """The first 16 hexadecimal digits of the public key's SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the key's id and a signature over the canonical JSON of all the rest."""
    signed = {**body, "algorithm": ALGORITHM, "key_id": key_id(public_bytes())}
    signature = signing_key().sign(canonical(signed).encode())
    return {**signed, "signature": base64.b64encode(signature).decode()}


def sign_receipt(body: dict[str, Any]) -> dict[str, Any]:
    """The receipt as it is handed out."""
    return sign(body)


def receipt_valid(receipt: dict[str, Any], public: bytes | None = None) -> bool:
    """Whether the receipt carries this key's signature over exactly what it says."""
    return signature_fits(receipt, public or public_bytes())


def signature_fits(signed: dict[str, Any], public: bytes) -> bool:
    """Whether `signed` carries this key's signature over exactly what it says."""
    body = {name: value for name, value in signed.items() if name != "signature"}
    encoded = signed.get("signature")
    if not isinstance(encoded, str):
        return False
    try:
        signature = base64.b64decode(encoded, validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(body).encode())
    except (InvalidSignature, ValueError):
        return False
    return True
