"""The audit chain shows every change, gap and reordering, even of somebody who can write to the database."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from governance.models import AuditEntry
from governance.services import audit_append

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain() -> list[AuditEntry]:
    return [audit_append(actor=None, action=f"act.{n}", subject=("t", str(n)), data={"n": n}) for n in range(1, 6)]


def _tamper(*statements: str) -> None:
    """What somebody with the database's own rights could do: lift the triggers, then write."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE governance_auditentry DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("ALTER TABLE governance_auditentry ENABLE TRIGGER USER")


def _verify(**options: object) -> str:
    out = io.StringIO()
    call_command("audit_verify", stdout=out, **options)
    return out.getvalue()


@pytest.mark.usefixtures("chain")
def test_untouched_chain_is_whole() -> None:
    assert "5 entries, the chain is whole" in _verify()


def test_empty_chain_is_whole() -> None:
    assert "0 entries" in _verify()


TABLE = "governance_auditentry"
SWAP = (
    f"UPDATE {TABLE} SET sequence = 99 WHERE sequence = 2",
    f"UPDATE {TABLE} SET sequence = 2 WHERE sequence = 3",
    f"UPDATE {TABLE} SET sequence = 3 WHERE sequence = 99",
)
FAULTS = [
    (3, "was changed", (f"UPDATE {TABLE} SET data = '{{\"n\": 9}}' WHERE sequence = 3",)),
    (3, "was changed", (f"UPDATE {TABLE} SET actor = 'eve' WHERE sequence = 3",)),
    (3, "was changed", (f"UPDATE {TABLE} SET at = at + interval '1 microsecond' WHERE sequence = 3",)),
    (3, "is missing", (f"DELETE FROM {TABLE} WHERE sequence = 3",)),
    (1, "is missing", (f"DELETE FROM {TABLE} WHERE sequence = 1",)),
    (2, "reordered or replaced", SWAP),
    (4, "reordered or replaced", (f"UPDATE {TABLE} SET previous_hash = repeat('0', 64) WHERE sequence = 4",)),
    (
        3,  # the gap is closed by renumbering what follows
        "reordered or replaced",
        (
            f"DELETE FROM {TABLE} WHERE sequence = 3",
            f"UPDATE {TABLE} SET sequence = 3 WHERE sequence = 4",
            f"UPDATE {TABLE} SET sequence = 4 WHERE sequence = 5",
        ),
    ),
]


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(("sequence", "what", "statements"), FAULTS)
def test_tampered_chain_names_the_first_bad_entry(sequence: int, what: str, statements: tuple[str, ...]) -> None:
    _tamper(*statements)
    with pytest.raises(CommandError, match=f"entry {sequence}: .*{what}"):
        _verify()


@pytest.mark.usefixtures("chain")
def test_anchor_finds_entries_cut_off_at_the_end(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    _verify(write_anchor=anchor)
    assert "the chain is whole" in _verify(anchor=anchor)
    _tamper(f"DELETE FROM {TABLE} WHERE sequence = 5")
    assert "the chain is whole" in _verify()  # by itself a shorter chain is a chain
    with pytest.raises(CommandError, match="ends before the anchor"):
        _verify(anchor=anchor)


@pytest.mark.usefixtures("chain")
def test_anchor_finds_a_chain_written_anew(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    _verify(write_anchor=anchor)
    _tamper(f"DELETE FROM {TABLE}")
    for _ in range(6):
        audit_append(actor=None, action="other", subject=("t", "1"))
    assert "the chain is whole" in _verify()
    with pytest.raises(CommandError, match="not the one that the anchor names"):
        _verify(anchor=anchor)


def test_anchor_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "anchor.json"
    broken.write_text("[]")
    with pytest.raises(CommandError, match="is no anchor"):
        _verify(anchor=broken)


def test_export_writes_each_entry_as_a_line(chain: list[AuditEntry], tmp_path: Path) -> None:
    target = tmp_path / "log.jsonl"
    call_command("audit_export", output=target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["hash"] for line in lines] == [entry.hash for entry in chain]
    assert lines[1]["previous_hash"] == lines[0]["hash"]


def test_export_writes_a_part(chain: list[AuditEntry], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit_export", "--from", "2", "--to", "3")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [chain[1].sequence, chain[2].sequence]
