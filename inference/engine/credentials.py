"""Content Credentials (C2PA): a signed statement in the file that a picture was made by a trained model.

The certificate made here is a local one, for trying it out and for installations of one's own: readers say that the
file is intact and who signed it, but trust the signer only where the root certificate is added to their list.
"""

import datetime
import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from inference.engine.errors import EngineError
from inference.picture_texts import PRODUCT, TRAINED

VALID_FOR = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Certificate:
    """Where the signer's key and certificates lie, in PEM."""

    key: Path
    chain: Path
    root: Path | None = None


@dataclass(frozen=True)
class Credential:
    """What the Content Credentials of a file say."""

    state: str
    """valid (intact, signer not on a trust list), trusted, or invalid (changed after signing)."""
    source_type: str | None
    issuer: str | None
    problems: tuple[str, ...]


def signed(png: bytes, title: str, certificate: Certificate) -> bytes:
    """The PNG with a signed manifest: created, by trained algorithmic media."""
    info = c2pa.C2paSignerInfo(b"es256", certificate.chain.read_bytes(), certificate.key.read_bytes(), None)
    target = io.BytesIO()
    try:
        context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_manifest(title), context) as builder:
            builder.sign(signer, "image/png", io.BytesIO(png), target)
    except c2pa.C2paError as error:
        raise EngineError(
            "The picture could not be given its Content Credentials.",
            f"Signing with {certificate.chain} failed: {error}.",
            "Check the certificate (C2PA profile, not expired) and that the key belongs to it.",
        ) from error
    return target.getvalue()


def _manifest(title: str) -> dict[str, Any]:
    action = {
        "action": "c2pa.created",
        "digitalSourceType": TRAINED,
        "softwareAgent": {"name": PRODUCT},
    }
    return {
        "claim_generator_info": [{"name": PRODUCT}],
        "title": title,
        "format": "image/png",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def read_credential(png: bytes, root: Path | None = None) -> Credential | None:
    """The Content Credentials of a PNG, checked; None where it has none."""
    context = c2pa.Context.from_dict(_trust(root)) if root is not None else None
    try:
        reader = c2pa.Reader.try_create("image/png", io.BytesIO(png), context=context)
    except c2pa.C2paError as error:
        return Credential("invalid", None, None, (str(error),))
    if reader is None:
        return None
    with reader:
        return _credential(json.loads(reader.json()))


def _trust(root: Path) -> dict[str, Any]:
    return {"trust": {"user_anchors": root.read_text(encoding="ascii")}, "verify": {"verify_trust": True}}


def _credential(store: Mapping[str, Any]) -> Credential:
    manifest = store["manifests"][store["active_manifest"]]
    actions = [
        action
        for assertion in manifest.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]
    failures = store.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    return Credential(
        state=str(store.get("validation_state", "invalid")).lower(),
        source_type=next((action["digitalSourceType"] for action in actions if "digitalSourceType" in action), None),
        issuer=manifest.get("signature_info", {}).get("issuer"),
        problems=tuple(str(failure["code"]) for failure in failures),
    )


def make_local_certificate(folder: Path) -> Certificate:
    """A key and a certificate chain in this folder; made once, also when several workers start together."""
    certificate = Certificate(folder / "key.pem", folder / "chain.pem", folder / "root.pem")
    if not certificate.chain.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as made:
            _write_chain(Path(made))
            _move(Path(made), folder)
    return certificate


def _move(made: Path, folder: Path) -> None:
    """Put the finished files in place at once; where another worker was first, theirs stay."""
    try:
        os.rename(made, folder)
    except OSError as error:
        if not (folder / "chain.pem").exists():
            raise EngineError(
                "The local signing certificate could not be stored.",
                f"{folder} cannot be written: {error.strerror}.",
                "Make the folder empty and writable.",
            ) from error


def _write_chain(folder: Path) -> None:
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _name(f"{PRODUCT} local root")
    root = _authority(root_name, root_key)
    leaf = _signer(_name(f"{PRODUCT} local signer"), leaf_key, root_name, root_key)
    pem = serialization.Encoding.PEM
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "chain.pem").write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, PRODUCT),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _authority(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return (
        _builder(name, key, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _signer(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """An end-entity certificate after the C2PA profile: signatures only, for documents and mail."""
    return (
        _builder(name, key, issuer, issuer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
