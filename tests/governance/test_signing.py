"""Receipts carry a signature that anybody can check, and no other receipt carries it."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from governance.signing import key_id, public_bytes, receipt_valid, sign_receipt

BODY = {"adapter": "ada/rain", "version": 2, "recipient": "größe", "file": {"sha256": "ab" * 32, "size": 12}}


@pytest.fixture(autouse=True)
def _own_key(settings: Settings, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path / "keys"


def test_signed_receipt_is_valid() -> None:
    receipt = sign_receipt(BODY)
    assert receipt_valid(receipt)
    assert receipt_valid(json.loads(json.dumps(receipt)))
    assert (receipt["algorithm"], receipt["key_id"]) == ("Ed25519", key_id(public_bytes()))


def test_receipt_verifies_with_cryptography_alone() -> None:
    receipt = json.loads(json.dumps(sign_receipt(BODY)))
    signature = base64.b64decode(receipt.pop("signature"))
    said = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    Ed25519PublicKey.from_public_bytes(public_bytes()).verify(signature, said)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public_bytes()).verify(signature, said + b" ")


CHANGES: list[dict[str, Any]] = [
    {"recipient": "eve"},
    {"version": "2"},
    {"file": {"sha256": "ab" * 32, "size": 13}},
    {"added": True},
    {"key_id": "0" * 16},
    {"signature": ""},
    {"signature": "not base64!"},
    {"signature": base64.b64encode(b"0" * 64).decode()},
    {"signature": None},
    {"signature": 7},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changed_receipt_is_not_valid(change: dict[str, Any]) -> None:
    assert not receipt_valid({**sign_receipt(BODY), **change})


def test_receipt_of_another_key_is_not_valid() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not receipt_valid(sign_receipt(BODY), other)


def test_key_is_made_once_and_readable_by_its_owner_only(settings: Settings) -> None:
    first = public_bytes()
    path = Path(settings.KEYS_DIR) / "receipts.pem"
    assert path.stat().st_mode & 0o077 == 0
    assert public_bytes() == first


def _command(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("receipt_verify", str(path), *options, stdout=out)
    return out.getvalue()


def test_command_accepts_a_good_receipt(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(sign_receipt(BODY)))
    assert "valid: ada/rain v2" in _command(file)
    assert "valid" in _command(file, "--public-key", public_bytes().hex())


def _kept(tmp_path: Path, **change: Any) -> Path:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps({**sign_receipt(BODY), **change}))
    return file


def test_command_refuses_a_changed_receipt(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not fit"):
        _command(_kept(tmp_path, recipient="eve"))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"sequence": 1}'])
def test_command_refuses_what_is_no_receipt(tmp_path: Path, text: str) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="receipt"):
        _command(file)
    with pytest.raises(CommandError, match="cannot read"):
        _command(tmp_path / "absent.json")


def test_command_with_another_key_says_which_one_is_missing_and_where_it_is(tmp_path: Path) -> None:
    file, mine = _kept(tmp_path, registry="https://registry.example"), key_id(public_bytes())
    with pytest.raises(CommandError, match=f"cannot tell.*names the key {mine}.*registry-keys.json"):
        _command(file, "--public-key", "00" * 32)
    with pytest.raises(CommandError, match="cannot read the key"):
        _command(file, "--public-key", "no")


def test_command_in_another_data_folder_makes_no_key_and_calls_nothing_forged(
    tmp_path: Path, settings: Settings
) -> None:
    file, mine = _kept(tmp_path), key_id(public_bytes())
    settings.KEYS_DIR = tmp_path / "elsewhere"
    with pytest.raises(CommandError, match=f"cannot tell.*{mine}.*has no key.*--keys"):
        _command(file)
    assert not (tmp_path / "elsewhere").exists()
    sign_receipt(BODY)  # now there is one, and it is another
    with pytest.raises(CommandError, match=f"cannot tell.*{mine}.*has only"):
        _command(file)


def test_command_checks_with_the_published_keys(tmp_path: Path, settings: Settings, client: Client) -> None:
    file, keys = _kept(tmp_path), tmp_path / "registry-keys.json"
    keys.write_bytes(client.get("/.well-known/registry-keys.json").content)
    settings.KEYS_DIR = tmp_path / "elsewhere"
    assert "valid: ada/rain v2" in _command(file, "--keys", str(keys))
    forged = _kept(tmp_path, recipient="eve")  # signed by the key of the other folder
    with pytest.raises(CommandError, match="cannot tell"):
        _command(forged, "--keys", str(keys))
    for broken in ("[]", "{}", '{"keys": [1]}', '{"keys": [{"crv": "Ed25519", "x": "%"}, {"crv": "Ed25519"}]}'):
        keys.write_text(broken)
        with pytest.raises(CommandError, match="cannot read the key"):
            _command(file, "--keys", str(keys))


def test_documented_offline_check_accepts_and_refuses(tmp_path: Path, client: Client) -> None:
    """The code in docs/receipts.md does what it says."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "receipts.md").read_text()
    code = text.split("```python\n")[1].split("```")[0].replace('Path("', f'Path("{tmp_path}/')
    (tmp_path / "registry-keys.json").write_bytes(client.get("/.well-known/registry-keys.json").content)
    for change, fits in (({}, True), ({"recipient": "eve"}, False)):
        (tmp_path / "receipt.json").write_text(json.dumps({**sign_receipt(BODY), **change}))
        if fits:
            exec(code, {})
        else:
            with pytest.raises(InvalidSignature):
                exec(code, {})
