"""Redaction: what is taken out of a sealed row is on record, other changes are faults, and nothing can be tried out."""

import pytest
from django.core.management import CommandError
from django.db import DatabaseError, transaction

from governance.audit import entry_hash
from governance.models import AuditEntry, DecisionRecord, SealSalt
from governance.redaction import Redaction, rows_redact
from governance.seals import REDACTED, ROWS, values_digest
from governance.services import audit_append
from tests.factories.accounts import make_user
from tests.governance.conftest import Recorder
from tests.governance.tampering import tamper, verify

pytestmark = pytest.mark.django_db

TABLE = "governance_decisionrecord"


def _redact(*records: DecisionRecord, label: str = "somebody's style") -> None:
    changes = [Redaction(record, {"subject_label": label}) for record in records]
    rows_redact(redactions=changes, actor=None, subject=("t", "1"), ground="test")


def test_redacted_row_is_vouched_for_as_it_stands(record: Recorder) -> None:
    made = record(make_user())
    before = SealSalt.objects.get(key=str(made.pk))
    _redact(made)
    assert "the chain is whole" in verify()
    told = AuditEntry.objects.latest("sequence")
    assert told.action == REDACTED
    [hidden] = told.data["redacted"]
    assert (hidden["pk"], hidden["fields"], hidden["was"]) == (str(made.pk), ["subject_label"], [before.sha256])
    assert SealSalt.objects.get(key=str(made.pk)).sequence == told.sequence  # the salt of before is gone


def test_row_is_redacted_twice(record: Recorder) -> None:
    made = record(make_user())
    _redact(made)
    _redact(made, label="nobody's")
    assert DecisionRecord.objects.get(pk=made.pk).subject_label == "nobody's"
    assert "the chain is whole" in verify()


def test_row_that_was_changed_after_its_redaction_is_named(record: Recorder) -> None:
    made = record(make_user())
    _redact(made)
    tamper(TABLE, f"UPDATE {TABLE} SET outcome = 'deny' WHERE id = {made.pk}")
    with pytest.raises(CommandError, match=f"the row {made.pk} of governance.decisionrecord, .* was changed"):
        verify()


def test_redacted_row_that_was_removed_is_named(record: Recorder) -> None:
    made = record(make_user())
    _redact(made)
    tamper(TABLE, f"DELETE FROM {TABLE} WHERE id = {made.pk}")
    with pytest.raises(CommandError, match="was removed"):
        verify()


def test_redaction_excuses_no_other_row(record: Recorder) -> None:
    ada = make_user()
    made, other = record(ada), record(ada)
    _redact(made)
    tamper(TABLE, f"UPDATE {TABLE} SET subject_label = 'x' WHERE id = {other.pk}")
    with pytest.raises(CommandError, match=f"the row {other.pk} of"):
        verify()


def test_redaction_excuses_no_seal_that_comes_after_it(record: Recorder) -> None:
    made = record(make_user())
    _redact(made)
    audit_append(actor=None, action="sealed.again", subject=("t", "1"), rows=[made])
    tamper(TABLE, f"UPDATE {TABLE} SET subject_label = 'x' WHERE id = {made.pk}")
    with pytest.raises(CommandError) as caught:
        verify()
    assert len(str(caught.value).splitlines()) == 2  # of the redaction, and of what sealed it again


def test_seal_of_before_there_were_salts_is_checked_and_can_be_redacted(record: Recorder) -> None:
    made = record(make_user())
    _as_of_old(made)
    assert "the chain is whole" in verify()
    _redact(made)
    assert "the chain is whole" in verify()
    tamper(TABLE, f"UPDATE {TABLE} SET outcome = 'deny' WHERE id = {made.pk}")
    with pytest.raises(CommandError, match="was changed"):
        verify()


def _as_of_old(made: DecisionRecord) -> None:
    """Rewrite the last entry as the program wrote it before: a username, and a seal without a salt."""
    entry = AuditEntry.objects.latest("sequence")
    [seal] = entry.data[ROWS]
    row = DecisionRecord.objects.values(*seal["fields"]).get(pk=made.pk)
    old = {"table": seal["table"], "pk": seal["pk"], "fields": seal["fields"], "sha256": values_digest(row)}
    entry.actor, entry.data = "ada", {**entry.data, ROWS: [old]}
    entry.hash = entry_hash(entry)
    tamper("governance_auditentry", f"DELETE FROM governance_auditentry WHERE sequence = {entry.sequence}")
    entry.save(force_insert=True)
    SealSalt.objects.filter(sequence=entry.sequence).delete()


def test_nothing_passes_the_trigger_after_the_redaction(record: Recorder) -> None:
    made = record(make_user())
    _redact(made)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        DecisionRecord.objects.filter(pk=made.pk).update(subject_label="x")


def test_redaction_that_is_undone_leaves_everything_as_it_was(record: Recorder) -> None:
    made = record(make_user())
    count = AuditEntry.objects.count()
    with transaction.atomic():
        _redact(made)
        transaction.set_rollback(True)
    assert (AuditEntry.objects.count(), DecisionRecord.objects.get(pk=made.pk).subject_label) == (
        count,
        made.subject_label,
    )
    assert "the chain is whole" in verify()
