"""What is sealed opens only here, only for its context, and only as it was; its keys show themselves to nobody."""

import base64
import os
import pickle

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from registry.sealing import RecordKey, SealBroken, rewrap, seal, under_former_key, unseal

PLAIN = b"what nobody may read"


def _key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


@pytest.mark.parametrize("plain", [b"", b"x", PLAIN, os.urandom(300_000)], ids=len)
def test_sealed_opens_as_it_was(plain: bytes) -> None:
    sealed = seal(plain, context="case 1")
    assert unseal(sealed, context="case 1") == plain
    assert unseal(memoryview(sealed), context="case 1") == plain  # type: ignore[arg-type]  # as a column may give it


def test_sealed_shows_nothing_and_differs_each_time() -> None:
    first, second = (seal(PLAIN, context="case 1") for _ in range(2))
    assert PLAIN not in first
    assert first[9:] != second[9:]
    assert first[73:] != second[73:]


def test_another_context_does_not_open_it() -> None:
    sealed = seal(PLAIN, context="case 1")
    with pytest.raises(SealBroken, match="another record"):
        unseal(sealed, context="case 2")


def test_sealing_without_context_is_refused() -> None:
    with pytest.raises(ValueError, match="context"):
        seal(PLAIN, context="")


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal(PLAIN, context="case 1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            unseal(bytes(changed), context="case 1")


@pytest.mark.parametrize("length", [0, 1, 24, 25, 72, 73, 88])
def test_cut_short_is_refused(length: int) -> None:
    with pytest.raises(SealBroken, match="cut short"):
        unseal(seal(PLAIN, context="case 1")[:length], context="case 1")


def test_new_first_key_seals_and_the_old_one_still_opens() -> None:
    old, new = _key(), _key()
    with override_settings(DATA_KEYS=[old]):
        sealed = seal(PLAIN, context="case 1")
    with override_settings(DATA_KEYS=[new, old]):
        assert unseal(sealed, context="case 1") == PLAIN
        again = seal(PLAIN, context="case 1")
        assert (under_former_key(sealed), under_former_key(again)) == (True, False)
    with override_settings(DATA_KEYS=[new]):
        assert unseal(again, context="case 1") == PLAIN
        with pytest.raises(SealBroken, match="which DATA_KEYS does not hold") as refused:
            unseal(sealed, context="case 1")
        assert sealed[1:9].hex() in str(refused.value)
        assert "DATA_KEYS" in refused.value.remedy


@pytest.mark.parametrize("wrong", ["short", "%%%", "x" * 200, base64.b64encode(b"0" * 31).decode()])
def test_wrong_key_is_refused_by_its_place_and_not_shown(wrong: str) -> None:
    with override_settings(DATA_KEYS=[_key(), wrong]), pytest.raises(ImproperlyConfigured, match="Key 2") as refused:
        seal(PLAIN, context="case 1")
    assert wrong not in str(refused.value)


def test_no_key_is_refused() -> None:
    with override_settings(DATA_KEYS=[]), pytest.raises(ImproperlyConfigured, match="DATA_KEYS is empty"):
        seal(PLAIN, context="case 1")


def test_record_key_opens_what_it_sealed() -> None:
    key = RecordKey.new(context="identity 1")
    sealed = key.seal(PLAIN, context="template 1")
    again = RecordKey.open(key.wrapped, context="identity 1")
    assert again.unseal(sealed, context="template 1") == PLAIN
    with pytest.raises(SealBroken):
        again.unseal(sealed, context="template 2")


def test_record_keys_do_not_open_each_others() -> None:
    one, other = RecordKey.new(context="identity 1"), RecordKey.new(context="identity 2")
    sealed = one.seal(PLAIN, context="template 1")
    with pytest.raises(SealBroken, match="another record"):
        other.unseal(sealed, context="template 1")
    with pytest.raises(SealBroken):  # nor do the installation's own keys
        unseal(sealed, context="template 1")
    with pytest.raises(SealBroken):
        RecordKey.open(one.wrapped, context="identity 2")


def test_rewrapped_message_opens_without_the_former_key() -> None:
    """Neither its context is needed for that, nor the message opened; a record key goes the same way."""
    old, new = _key(), _key()
    with override_settings(DATA_KEYS=[old]):
        key = RecordKey.new(context="identity 1")
        of_record, sealed = key.seal(PLAIN, context="template 1"), seal(PLAIN, context="case 1")
    with override_settings(DATA_KEYS=[new, old]):
        moved, wrapped = rewrap(sealed), rewrap(key.wrapped)
        assert not under_former_key(moved)
    with override_settings(DATA_KEYS=[new]):
        assert unseal(moved, context="case 1") == PLAIN
        assert RecordKey.open(wrapped, context="identity 1").unseal(of_record, context="template 1") == PLAIN
        with pytest.raises(SealBroken):
            unseal(moved, context="case 2")
        with pytest.raises(SealBroken, match="does not hold"):
            rewrap(sealed)


def test_message_key_of_another_message_does_not_open_it() -> None:
    one, other = seal(PLAIN, context="case 1"), seal(PLAIN, context="case 1")
    with pytest.raises(SealBroken):
        unseal(one[:73] + other[73:], context="case 1")


def test_keys_show_themselves_to_nobody() -> None:
    key = RecordKey.new(context="identity 1")
    secret = unseal(key.wrapped, context="record key of identity 1")
    assert len(secret) == 32
    for shown in (repr(key), str(key), f"{key}"):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(key)
