"""The chain vouches for decisions as they were taken: a row that was changed, removed or slipped in is named."""

import pytest
from django.core.management import CommandError

from governance.models import AuditEntry, DecisionRecord, SealSalt
from governance.policy import Outcome
from governance.seals import ROWS, values_digest
from governance.services import decision_override
from tests.factories.accounts import make_user
from tests.governance.conftest import Recorder
from tests.governance.tampering import tamper, verify

pytestmark = pytest.mark.django_db

TABLE = "governance_decisionrecord"


@pytest.fixture
def decided(record: Recorder) -> DecisionRecord:
    """A refusal and a moderator's decision over it; the latter is answered."""
    first = record(make_user(), licence_id=None)
    return decision_override(
        record=first,
        actor=make_user("mo", is_moderator=True),
        outcome=Outcome.DENY,
        subject=(first.subject_type, first.subject_id, first.subject_label),
        action=first.action,
        public_reasoning="No licence was shown.",
        private_notes="By e-mail.",
    )


@pytest.mark.usefixtures("decided")
def test_untouched_decisions_are_vouched_for() -> None:
    assert "the chain is whole" in verify()


def test_seal_can_be_worked_out_from_the_row_alone(decided: DecisionRecord) -> None:
    [seal] = AuditEntry.objects.latest("sequence").data[ROWS]
    row = DecisionRecord.objects.values(*seal["fields"]).get(pk=seal["pk"])
    kept = SealSalt.objects.get(table=seal["table"], key=seal["pk"])
    assert values_digest(row, bytes(kept.salt)) == seal["sha256"]
    assert values_digest(row) != seal["sha256"]  # nobody can try out what the row said without the salt
    assert set(seal["fields"]) == {field.attname for field in DecisionRecord._meta.concrete_fields}


CHANGES = [
    "outcome = 'allow'",
    "public_reasoning = 'The author asked for it.'",
    "private_notes = ''",
    "request = '{}'",
    "reasons = '[{}]'",
    "obligations = '[1]'",
    "subject_id = '8'",
    "action = 'redistribution'",
    "override_of_id = NULL",
    "actor_id = NULL",
    "created_at = created_at - interval '1 microsecond'",
    "ruleset_digest = repeat('0', 64)",
]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_decision_is_named(decided: DecisionRecord, change: str) -> None:
    sequence = AuditEntry.objects.latest("sequence").sequence
    tamper(TABLE, f"UPDATE {TABLE} SET {change} WHERE id = {decided.pk}")
    named = f"entry {sequence}: the row {decided.pk} of governance.decisionrecord, .* was changed"
    with pytest.raises(CommandError, match=named):
        verify()


def test_removed_salt_is_named(decided: DecisionRecord) -> None:
    SealSalt.objects.filter(key=str(decided.pk)).delete()
    named = f"the row {decided.pk} of governance.decisionrecord, .* the salt of its seal was removed"
    with pytest.raises(CommandError, match=named):
        verify()


def test_removed_decision_is_named(decided: DecisionRecord) -> None:
    tamper(TABLE, f"DELETE FROM {TABLE} WHERE id = {decided.pk}")
    with pytest.raises(CommandError, match=f"the row {decided.pk} of governance.decisionrecord, .* was removed"):
        verify()


def test_decision_that_was_slipped_in_is_named(decided: DecisionRecord) -> None:
    columns = [
        field.column for field in DecisionRecord._meta.concrete_fields if field.column not in ("id", "public_id")
    ]
    named = ", ".join(f'"{column}"' for column in columns)
    tamper(TABLE, f"INSERT INTO {TABLE} (public_id, {named}) SELECT gen_random_uuid(), {named} FROM {TABLE} LIMIT 1")
    forged = DecisionRecord.objects.latest("pk")
    with pytest.raises(CommandError, match=f"the row {forged.pk} of governance.decisionrecord is in no entry"):
        verify()


def test_every_bad_row_is_named_up_to_a_limit(decided: DecisionRecord) -> None:
    tamper(TABLE, f"UPDATE {TABLE} SET private_notes = 'x'")
    with pytest.raises(CommandError) as caught:
        verify()
    assert len(str(caught.value).splitlines()) == 2


def test_entries_cut_off_leave_their_decisions_without_a_voucher(decided: DecisionRecord) -> None:
    """Even without an anchor: whoever cuts the chain has to remove the rows as well, in every table."""
    tamper("governance_auditentry", "DELETE FROM governance_auditentry")
    with pytest.raises(CommandError, match=f"the row {decided.pk} of .* is in no entry"):
        verify()
