"""Many writers at once keep one chain, and no small change to a chain goes unseen."""

import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from governance.audit import GENESIS, canonical, chain_fault, entry_hash
from governance.models import AuditEntry
from governance.policy import Use
from governance.services import audit_append
from tests.factories.accounts import make_organisation, make_user
from tests.governance.conftest import use_request

WRITERS, EACH = 6, 12


class _Undone(Exception):
    """Rolls a transaction back."""


def _at_once(act: Callable[[int], None]) -> None:
    """Runs the act in several threads with a connection each; what one raises fails the test."""
    barrier, errors = threading.Barrier(WRITERS), []

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            act(number)
        except Exception as error:  # noqa: BLE001 (the test shows it)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert errors == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_keep_one_chain() -> None:
    """Long and short transactions, some with several entries, some undone at their end."""

    def write(writer: int) -> None:
        for number in range(EACH):
            try:
                with transaction.atomic():
                    for part in range(1 + number % 3):
                        audit_append(actor=None, action=f"w{writer}.{number}.{part}", subject=("t", str(writer)))
                    if number % 4 == 3:
                        raise _Undone
            except _Undone:
                continue

    _at_once(write)
    entries = list(AuditEntry.objects.order_by("sequence"))
    expected = {
        f"w{writer}.{number}.{part}"
        for writer in range(WRITERS)
        for number in range(EACH)
        if number % 4 != 3
        for part in range(1 + number % 3)
    }
    assert {entry.action for entry in entries} == expected
    assert [entry.sequence for entry in entries] == list(range(1, len(expected) + 1))
    assert entries[0].previous_hash == GENESIS
    assert chain_fault(entries) is None
    for writer in range(WRITERS):  # each one's own order is kept
        own = [entry.action for entry in entries if entry.subject_id == str(writer)]
        assert own == sorted(own, key=lambda action: tuple(map(int, action[1:].split("."))))
    out = io.StringIO()
    call_command("audit_verify", stdout=out)
    assert f"{len(expected)} entries, the chain is whole" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_concurrent_decisions_keep_one_chain() -> None:
    """The same through the service that records decisions, as the gate calls it from its threads."""
    from governance.services import decide_and_record

    people = [make_user(f"user{number}") for number in range(WRITERS)]
    before = AuditEntry.objects.count()

    def ask(number: int) -> None:
        for _ in range(4):
            with transaction.atomic():
                decide_and_record(
                    request=use_request(),
                    actor=people[number],
                    organisation=None,
                    subject=("t", "1", "x"),
                    action="personal",
                )

    _at_once(ask)
    entries = list(AuditEntry.objects.order_by("sequence"))
    assert len(entries) == before + 4 * WRITERS
    assert len({entry.data["decision"] for entry in entries[before:]}) == 4 * WRITERS
    assert chain_fault(entries) is None


@pytest.mark.django_db(transaction=True)
def test_members_change_while_the_gate_is_asked_for_their_organisation() -> None:
    """Members lock the organisation and then the chain, decisions the chain and then their reference to it."""
    from accounts.services import member_add, member_remove
    from governance.services import audited, decide_and_record, standing_use_remember

    owner = make_user("owner")
    studio = make_organisation(owner)
    people = [make_user(f"user{number}") for number in range(WRITERS)]

    def work(number: int) -> None:
        for _ in range(6):
            if number % 2:
                member_add(actor=owner, organisation=studio, user=people[number], role="member")
                member_add(actor=owner, organisation=studio, user=people[number], role="reader")
                member_remove(actor=owner, organisation=studio, user=people[number])
                continue
            with audited():
                decide_and_record(
                    request=use_request(), actor=owner, organisation=studio, subject=("t", "1", "x"), action="personal"
                )
                standing_use_remember(actor=owner, organisation=studio, use=Use.PERSONAL)

    _at_once(work)  # a deadlock would fail one of them
    entries = list(AuditEntry.objects.order_by("sequence"))
    assert chain_fault(entries) is None
    counted = Counter(entry.action for entry in entries)
    each = 6 * WRITERS // 2
    assert [counted[f"member.{what}"] for what in ("added", "role-changed", "removed")] == [each] * 3
    assert counted["decision.allow"] == each


# Chains in memory: no database is needed to show that a change is seen.

START = datetime(2026, 1, 1, tzinfo=UTC)


def _chain(length: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(1, length + 1):
        entry = AuditEntry(
            sequence=number,
            at=START + timedelta(microseconds=number),
            actor="ada" if number % 2 else "",
            action=f"act.{number}",
            subject_type="t",
            subject_id=str(number),
            data={"n": number, "text": "größe"},
            previous_hash=entries[-1].hash if entries else GENESIS,
        )
        entry.hash = entry_hash(entry)
        entries.append(entry)
    return entries


CHANGES: dict[str, Callable[[AuditEntry], object]] = {
    "at": lambda entry: entry.at + timedelta(microseconds=1),
    "actor": lambda entry: entry.actor + "x",
    "action": lambda entry: entry.action + " ",
    "subject_type": lambda entry: "u",
    "subject_id": lambda entry: entry.subject_id + "0",
    "data": lambda entry: {**entry.data, "n": str(entry.data["n"])},
    "previous_hash": lambda entry: "0" * 64 if entry.sequence > 1 else "1" * 64,
    "hash": lambda entry: hashlib.sha256(entry.hash.encode()).hexdigest(),
    "sequence": lambda entry: entry.sequence + 1000,
}


@settings(max_examples=150, deadline=None)
@given(length=st.integers(1, 12), data=st.data())
def test_any_field_of_any_entry_changed_is_seen(length: int, data: st.DataObject) -> None:
    entries = _chain(length)
    at = data.draw(st.integers(0, length - 1))
    field = data.draw(st.sampled_from(sorted(CHANGES)))
    setattr(entries[at], field, CHANGES[field](entries[at]))
    fault = chain_fault(entries)
    assert fault is not None
    assert at + 1 <= fault.sequence <= at + 2


@settings(max_examples=150, deadline=None)
@given(length=st.integers(2, 12), data=st.data())
def test_entries_in_another_order_or_missing_are_seen(length: int, data: st.DataObject) -> None:
    entries = _chain(length)
    anchor = (length, entries[-1].hash)
    kept = data.draw(st.permutations(entries)) if data.draw(st.booleans()) else entries
    kept = kept[: data.draw(st.integers(0, length))]
    whole = [entry.sequence for entry in kept] == list(range(1, length + 1))
    assert (chain_fault(kept, anchor=anchor) is None) is whole


@settings(max_examples=100, deadline=None)
@given(length=st.integers(2, 10), data=st.data())
def test_chain_written_anew_from_some_entry_on_is_seen_by_the_anchor(length: int, data: st.DataObject) -> None:
    """Whoever can write everything can make a whole chain of lies; the anchor kept elsewhere tells."""
    entries = _chain(length)
    anchor = (length, entries[-1].hash)
    start = data.draw(st.integers(0, length - 1))
    entries[start].action = "a lie"
    for before, entry in zip([None, *entries], entries, strict=False):
        entry.previous_hash = before.hash if before else GENESIS
        entry.hash = entry_hash(entry)
    assert chain_fault(entries) is None
    fault = chain_fault(entries, anchor=anchor)
    assert fault is not None
    assert fault.sequence == length


@pytest.mark.django_db
def test_exported_lines_prove_themselves(tmp_path: Path) -> None:
    """The chain can be checked from the export alone, without this program and its database."""
    ada = make_user()
    for number in range(5):
        audit_append(actor=ada, action="act", subject=("t", str(number)), data={"text": 'größe "\n\u2028', "n": number})
    target = tmp_path / "log.jsonl"
    call_command("audit_export", output=target)
    lines = target.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    previous = GENESIS
    for sequence, line in enumerate(lines, 1):
        entry = json.loads(line)
        claimed = entry.pop("hash")
        assert (entry["sequence"], entry["previous_hash"]) == (sequence, previous)
        assert hashlib.sha256(canonical(entry).encode()).hexdigest() == claimed
        previous = claimed
    assert len(lines) == AuditEntry.objects.count()


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5), inner)
    ),
    max_leaves=6,
)


@pytest.mark.django_db
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(st.sampled_from(["a", "b", "ä", "10", "9"]), plain, max_size=3))
@example(data={"a": 1e16})
@example(data={"a": -0.0})
@example(data={"a": 1e300})
@example(data={"a": 5e-324})
@example(data={"a": {9: 1, 10: 2}})
def test_entry_reads_back_from_the_database_as_it_was_hashed(data: dict[str, object]) -> None:
    """JSON columns keep numbers in a form of their own; the hash must be of what can be read again."""
    with transaction.atomic():
        entry = audit_append(actor=None, action="act", subject=("t", "1"), data=data)
        stored = AuditEntry.objects.get(pk=entry.pk)
        assert entry_hash(stored) == stored.hash == entry.hash
        transaction.set_rollback(True)
