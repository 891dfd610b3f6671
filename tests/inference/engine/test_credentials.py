"""The local certificate: made once, private, after C2PA's profile, and an error that says what is wrong with it."""

import stat
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from inference.engine import Certificate, EngineError, make_local_certificate, mark_png, read_marks


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_local_certificate(tmp_path / "keys" / "c2pa")


def _png(certificate: Certificate) -> bytes:
    return mark_png(Image.fromarray(np.zeros((8, 8, 3), np.uint8)), {"prompt": "a"}, certificate)


def test_certificate_is_made_once(certificate: Certificate, tmp_path: Path) -> None:
    before = certificate.chain.read_bytes(), certificate.key.read_bytes()
    again = make_local_certificate(tmp_path / "keys" / "c2pa")
    assert again == certificate
    assert (again.chain.read_bytes(), again.key.read_bytes()) == before


def test_key_is_for_its_owner_alone(certificate: Certificate) -> None:
    assert stat.S_IMODE(certificate.key.stat().st_mode) == 0o600


def test_chain_is_signed_by_the_root(certificate: Certificate) -> None:
    assert certificate.root is not None
    leaf, root = x509.load_pem_x509_certificates(certificate.chain.read_bytes())
    assert root == x509.load_pem_x509_certificate(certificate.root.read_bytes())
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


def test_workers_that_start_together_share_one_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "c2pa"
    ready, found, errors = threading.Barrier(4), [], []

    def start() -> None:
        ready.wait()
        try:
            found.append(make_local_certificate(folder).chain.read_bytes())
        except EngineError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["c2pa"]


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "c2pa"
    folder.mkdir()
    (folder / "stranger").write_text("here before")
    with pytest.raises(EngineError, match="empty and writable"):
        make_local_certificate(folder)


def test_key_of_another_certificate_is_an_error(certificate: Certificate, tmp_path: Path) -> None:
    other = make_local_certificate(tmp_path / "other")
    with pytest.raises(EngineError, match="the key belongs to it"):
        _png(replace(certificate, key=other.key))


def test_broken_certificate_is_an_error_with_a_remedy(certificate: Certificate) -> None:
    certificate.chain.write_text("no certificate")
    with pytest.raises(EngineError) as refused:
        _png(certificate)
    assert "Signing with" in refused.value.why
    assert refused.value.remedy


def test_damaged_file_reads_as_invalid(certificate: Certificate) -> None:
    png = bytearray(_png(certificate))
    at = png.index(b"jumb") + 40
    png[at : at + 60] = bytes(60)
    credential = read_marks(bytes(png)).credential
    assert credential is not None
    assert credential.state == "invalid"
    assert credential.problems
