"""The chain's end is signed and kept outside the database, and the check misses what was cut off after it."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from governance.anchors import anchors_path
from governance.models import AuditEntry
from governance.services import audit_append
from governance.signing import public_bytes, signature_fits
from governance.tasks import anchor_audit
from tests.governance.tampering import tamper, verify

pytestmark = pytest.mark.django_db

TABLE = "governance_auditentry"


@pytest.fixture(autouse=True)
def _own_keys(settings: Settings, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path / "keys"


def _append(count: int) -> None:
    for number in range(count):
        audit_append(actor=None, action="act", subject=("t", str(number)))


def _lines() -> list[dict[str, object]]:
    return [json.loads(line) for line in anchors_path().read_text().splitlines()]


def test_anchor_is_signed_and_names_the_end() -> None:
    _append(3)
    anchor_audit()
    head = AuditEntry.objects.latest("sequence")
    [line] = _lines()
    assert (line["sequence"], line["hash"]) == (head.sequence, head.hash)
    assert signature_fits(line, public_bytes())


def test_anchor_is_added_only_when_the_end_has_moved() -> None:
    anchor_audit()
    assert not anchors_path().exists()  # nothing has happened yet
    _append(1)
    anchor_audit()
    anchor_audit()
    assert len(_lines()) == 1
    _append(2)
    anchor_audit()
    assert [line["sequence"] for line in _lines()] == [1, 3]


def test_check_without_anchors_says_so() -> None:
    _append(1)
    assert "no anchors yet" in verify()
    anchor_audit()
    assert "anchors met: 1, the newest at entry 1;" in verify()


@pytest.mark.parametrize("kept", [4, 1, 0])
def test_entries_cut_off_at_the_end_are_missed_by_default(kept: int) -> None:
    _append(5)
    anchor_audit()
    assert "the chain is whole" in verify()
    tamper(TABLE, f"DELETE FROM {TABLE} WHERE sequence > {kept}")
    with pytest.raises(CommandError, match="entry 5: the chain ends before the anchor"):
        verify()


def test_chain_that_was_cut_and_grew_again_is_found_and_not_anchored_over() -> None:
    _append(5)
    anchor_audit()
    tamper(TABLE, f"DELETE FROM {TABLE} WHERE sequence > 2")
    _append(1)
    anchor_audit()
    assert len(_lines()) == 1
    _append(4)
    anchor_audit()
    with pytest.raises(CommandError, match="entry 5: the entry is not the one that the anchor names"):
        verify()


def test_every_anchor_counts_not_the_newest_alone() -> None:
    _append(2)
    anchor_audit()
    tamper(TABLE, f"DELETE FROM {TABLE}")
    _append(3)
    anchor_audit()
    with pytest.raises(CommandError, match="entry 2: "):
        verify()


def test_changed_or_unsigned_line_is_named() -> None:
    _append(2)
    anchor_audit()
    good = anchors_path().read_text()
    for change, what in ((("at", "later"), "line was changed"), (("signature", None), "not signed|was changed")):
        anchors_path().write_text(json.dumps({**json.loads(good), change[0]: change[1]}) + "\n")
        with pytest.raises(CommandError, match=f"line 1: .*({what})"):
            verify()
    head = AuditEntry.objects.latest("sequence")
    anchors_path().write_text(good + json.dumps({"sequence": head.sequence, "hash": head.hash}) + "\n")
    with pytest.raises(CommandError, match="line 2: the anchor is not signed"):
        verify()


def test_half_written_line_is_named_and_does_not_stop_the_next() -> None:
    _append(1)
    anchor_audit()
    with anchors_path().open("a") as file:
        file.write('{"sequence": 2, "ha')
    _append(1)
    anchor_audit()
    assert json.loads(anchors_path().read_text().splitlines()[-1])["sequence"] == 2
    with pytest.raises(CommandError, match="line 2"):
        verify()


def test_copy_of_the_anchors_serves_elsewhere(tmp_path: Path, settings: Settings) -> None:
    _append(3)
    anchor_audit()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(anchors_path().read_bytes())
    anchors_path().unlink()
    assert "anchors met: 1," in verify(anchor=copy)
    tamper(TABLE, f"DELETE FROM {TABLE} WHERE sequence = 3")
    with pytest.raises(CommandError, match="ends before the anchor"):
        verify(anchor=copy)
    assert not (Path(settings.KEYS_DIR) / "audit-anchors.jsonl").exists()
