"""Decisions and audit entries are written once and for good; facts are stated, kept and asked for."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from governance.audit import GENESIS, entry_hash
from governance.handles import handle_of
from governance.models import ActorProfile, AuditEntry, DecisionRecord
from governance.policy import Outcome, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts, can_read_decision, override_chain, standing_use
from governance.services import actor_profile_update, audit_append, decision_override, standing_use_remember
from tests.factories.accounts import make_organisation, make_user
from tests.governance.conftest import Recorder

pytestmark = pytest.mark.django_db


def test_decision_is_on_record_with_its_input_and_the_ruleset(record: Recorder) -> None:
    made = DecisionRecord.objects.get(pk=record(make_user(), licence_id="openrail++").pk)
    assert made.outcome == "allow"
    assert made.ruleset_digest == current_ruleset().digest
    assert made.reasons[0]["clause"] == "§2, §5"
    assert made.obligations
    again = decide(UseRequest.from_json(made.request), current_ruleset())
    assert again.to_json() == made.to_json()


def test_refusal_is_on_record_too(record: Recorder) -> None:
    made = record(make_user(), use=Use.SELLING_WEIGHTS, licence_id="flux-1-dev-nc-1.1.1")
    assert made.outcome == "deny"
    entry = AuditEntry.objects.latest("sequence")
    assert entry.action == "decision.deny"
    assert entry.data["decision"] == str(made.public_id)
    assert entry.data["codes"] == ["prohibited"]


CHANGES = [
    lambda: DecisionRecord.objects.update(outcome="allow"),
    lambda: DecisionRecord.objects.all().delete(),
    lambda: AuditEntry.objects.update(actor="somebody"),
    lambda: AuditEntry.objects.all().delete(),
]


@pytest.mark.parametrize("change", CHANGES, ids=["decision-update", "decision-delete", "audit-update", "audit-delete"])
def test_append_only_table_refuses(record: Recorder, change: Callable[[], object]) -> None:
    record(make_user())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()
    assert DecisionRecord.objects.count() == 1


@pytest.mark.parametrize("table", ["governance_decisionrecord", "governance_auditentry"])
def test_append_only_table_refuses_truncate(table: str) -> None:
    # The suite lifts these triggers so that it can clean up after itself: here they are put back as the migration
    # has them, within a transaction that ends with the test.
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION governance_append_only()"
        )
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("fields", [{"outcome": "maybe"}, {"reasons": []}])
def test_decision_without_outcome_or_reasons_is_refused_by_the_database(fields: dict[str, object]) -> None:
    good = {"subject_type": "t", "subject_id": "1", "subject_label": "l", "action": "personal", "outcome": "allow"}
    good |= {"request": {}, "reasons": [{"code": "x"}], "ruleset_digest": "0" * 64}
    with pytest.raises(DatabaseError), transaction.atomic():
        DecisionRecord.objects.create(**{**good, **fields})


def test_audit_entries_form_a_chain() -> None:
    ada = make_user()
    start = AuditEntry.objects.count()
    first = audit_append(actor=ada, action="thing.made", subject=("thing", "1"), data={"größe": 3})
    second = audit_append(actor=None, action="thing.gone", subject=("thing", "1"))
    assert start > 0 or first.previous_hash == GENESIS
    assert second.previous_hash == first.hash
    assert second.sequence == first.sequence + 1
    assert entry_hash(AuditEntry.objects.get(pk=first.pk)) == first.hash
    assert (first.actor, second.actor) == (handle_of(ada), "")
    assert "ada" not in first.actor


def test_audit_entry_of_a_rolled_back_act_leaves_no_gap() -> None:
    kept = audit_append(actor=None, action="a", subject=("t", "1"))
    with transaction.atomic():
        audit_append(actor=None, action="b", subject=("t", "1"))
        transaction.set_rollback(True)
    after = audit_append(actor=None, action="c", subject=("t", "1"))
    assert (after.sequence, after.previous_hash) == (kept.sequence + 1, kept.hash)


def test_override_continues_the_chain_and_keeps_the_first(record: Recorder) -> None:
    ada, moderator = make_user(), make_user("mo", is_moderator=True)
    first = record(ada, licence_id=None)
    second = decision_override(
        actor=moderator,
        record=first,
        subject=(first.subject_type, first.subject_id, first.subject_label),
        action=first.action,
        outcome=Outcome.ALLOW,
        public_reasoning="The author showed the licence.",
        private_notes="By e-mail.",
    )
    first.refresh_from_db()
    assert first.outcome == "review"
    assert second.outcome == "allow"
    assert second.override_of == first
    assert override_chain(first) == override_chain(second) == [first, second]
    assert can_read_decision(actor=ada, record=second)


def test_who_may_read_a_decision(record: Recorder) -> None:
    ada, member, stranger = make_user(), make_user("ben"), make_user("eve")
    studio = make_organisation(ada, members={"reader": member})
    made = record(ada, studio)
    alone = record(ada)
    assert can_read_decision(actor=member, record=made)
    assert not can_read_decision(actor=member, record=alone)
    assert not can_read_decision(actor=stranger, record=made)
    assert can_read_decision(actor=make_user("mo", is_moderator=True), record=alone)


def test_stated_facts_reach_the_engine_and_the_log_without_their_values() -> None:
    ada = make_user()
    facts = {"annual_revenue_usd": 1234567, "receives_payment": False, "territory": "JP", "registered_with": ["kolors"]}
    actor_profile_update(actor=ada, organisation=None, facts=facts)
    found = actor_facts(actor=ada)
    assert (found.annual_revenue_usd, found.receives_payment, found.territory) == (1234567, False, "JP")
    assert found.registered_with == frozenset({"kolors"})
    assert found.monthly_users is None
    entry = AuditEntry.objects.latest("sequence")
    assert entry.data == {"fields": ["annual_revenue_usd", "receives_payment", "registered_with", "territory"]}
    assert "1234567" not in str(entry.data)


def test_facts_of_an_organisation_are_not_those_of_its_member() -> None:
    ada = make_user()
    studio = make_organisation(ada)
    actor_profile_update(actor=ada, organisation=studio, facts={"monthly_users": 5})
    assert actor_facts(actor=ada).monthly_users is None
    assert actor_facts(actor=ada, organisation=studio).monthly_users == 5


def test_standing_use_is_remembered_per_owner() -> None:
    ada = make_user()
    studio = make_organisation(ada)
    standing_use_remember(actor=ada, organisation=studio, use=Use.HOSTED_SERVICE)
    assert standing_use(actor=ada) == ""
    assert standing_use(actor=ada, organisation=studio) == "hosted-service"


def test_facts_belong_to_exactly_one() -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        ActorProfile.objects.create()
