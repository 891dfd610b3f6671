"""What governance writes: decisions, the audit chain, and stated facts. All inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from contextlib import ContextDecorator
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import Organisation, User
from governance.audit import GENESIS, as_stored, entry_hash
from governance.handles import handle_of
from governance.models import ActorProfile, AuditEntry, DecisionRecord
from governance.policy import Decision, Outcome, Reason, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.seals import ROWS, salts_keep, seal_of
from governance.selectors import audit_head

CHAIN_LOCK = 0x61756469  # "audi": one writer at a time appends to the chain


class audited(ContextDecorator):
    """A transaction that will append to the chain: it takes the chain's lock first, before any row.

    Every service that decides, moves a state or logs runs in one, so that all of them take their locks in one order:
    the chain, then the adapter, then what belongs to it. Taken later, the chain's lock would meet theirs crosswise.
    """

    def __enter__(self) -> None:
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        _lock_chain()

    def __exit__(self, *problem: Any) -> None:
        self._transaction.__exit__(*problem)

    def _recreate_cm(self) -> "audited":
        return audited()


def _lock_chain() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])


def audit_append(
    *,
    actor: User | None,
    action: str,
    subject: tuple[str, str],
    data: Mapping[str, Any] | None = None,
    rows: Sequence[Model] = (),
) -> AuditEntry:
    """Append an entry, which vouches for `rows` as they stand; the chain's lock is held to the transaction's end.

    The chain is for ever and names nobody: `actor` goes in as a random handle, and `data` holds ids, codes and salted
    digests alone.
    """
    with audited():
        seals = [seal_of(row) for row in rows]
        sealed = {ROWS: [seal for seal, _ in seals]} if rows else {}
        head = audit_head()
        entry = AuditEntry(
            sequence=head.sequence + 1 if head else 1,
            at=timezone.now(),
            actor=handle_of(actor) if actor else "",
            action=action,
            subject_type=subject[0],
            subject_id=subject[1],
            data=as_stored({**(data or {}), **sealed}),
            previous_hash=head.hash if head else GENESIS,
        )
        entry.hash = entry_hash(entry)
        entry.save(force_insert=True)
        salts_keep(sequence=entry.sequence, sealed=seals)
    return entry


def decision_record(
    *,
    request: UseRequest,
    decision: Decision,
    actor: User | None,
    organisation: Organisation | None,
    subject: tuple[str, str, str],
    action: str,
) -> DecisionRecord:
    """Put a decision on record and on the audit log. `subject` is (type, id, label)."""
    answer = decision.to_json()
    record = DecisionRecord.objects.create(
        actor=actor,
        organisation=organisation,
        subject_type=subject[0],
        subject_id=subject[1],
        subject_label=subject[2],
        action=action,
        outcome=decision.outcome.value,
        request=request.to_json(),
        reasons=answer["reasons"],
        obligations=answer["obligations"],
        questions=answer["questions"],
        ruleset_digest=decision.ruleset_digest,
    )
    _log(record, actor)
    return record


def _log(record: DecisionRecord, actor: User | None) -> None:
    audit_append(
        actor=actor,
        action=f"decision.{record.outcome}",
        subject=(record.subject_type, record.subject_id),
        data={
            "decision": str(record.public_id),
            "use": record.action,
            "codes": [reason["code"] for reason in record.reasons],
            "ruleset": record.ruleset_digest,
        },
        rows=[record],
    )


def decide_and_record(
    *,
    request: UseRequest,
    actor: User | None,
    organisation: Organisation | None,
    subject: tuple[str, str, str],
    action: str,
) -> tuple[Decision, DecisionRecord]:
    """Ask the policy engine and put the answer on record, whatever it is."""
    decision = decide(request, current_ruleset())
    record = decision_record(
        request=request,
        decision=decision,
        actor=actor,
        organisation=organisation,
        subject=subject,
        action=action,
    )
    return decision, record


def house_decision(
    *,
    outcome: Outcome,
    code: str,
    rule: str,
    message: str,
    subject: tuple[str, str, str],
    action: str,
    record: DecisionRecord | None = None,
    facts: Mapping[str, Any] | None = None,
) -> DecisionRecord:
    """The house acts by a rule of its own, without anybody asking; `record` is the decision that stood until now."""
    reason = Reason(outcome, code, rule, message, subject[2], None, None, None, facts or {}).to_json()
    return _over(record, None, outcome, subject, action, reason, public_reasoning=message)


def decision_override(
    *,
    record: DecisionRecord | None,
    actor: User,
    outcome: Outcome,
    subject: tuple[str, str, str],
    action: str,
    public_reasoning: str,
    private_notes: str = "",
) -> DecisionRecord:
    """A person decides over the engine: a new record that names the one it overrides."""
    reason = {
        "outcome": outcome.value,
        "code": "decided-by-a-person",
        "rule": "moderation",
        "message": public_reasoning,
        "component": subject[2],
        "licence": None,
        "clause": None,
        "quote": None,
        "facts": {"moderator": actor.username},
    }
    given = {"public_reasoning": public_reasoning, "private_notes": private_notes}
    return _over(record, actor, outcome, subject, action, reason, **given)


def _over(
    record: DecisionRecord | None,
    actor: User | None,
    outcome: Outcome,
    subject: tuple[str, str, str],
    action: str,
    reason: Mapping[str, Any],
    **reasoning: str,
) -> DecisionRecord:
    """A decision over the one that stood until now, of the same question and with the same obligations."""
    override = DecisionRecord.objects.create(
        actor=actor,
        organisation=record.organisation if record else None,
        subject_type=subject[0],
        subject_id=subject[1],
        subject_label=subject[2],
        action=action,
        outcome=outcome.value,
        request=record.request if record else {},
        reasons=[reason],
        obligations=record.obligations if record else [],
        ruleset_digest=current_ruleset().digest,
        override_of=record,
        **reasoning,
    )
    _log(override, actor)
    return override


def standing_use_remember(*, actor: User, organisation: Organisation | None, use: Use) -> ActorProfile:
    """Remember the use for the next download, of the organisation when it acts through one."""
    owner = {"organisation": organisation} if organisation else {"user": actor}
    profile, _ = ActorProfile.objects.update_or_create(**owner, defaults={"standing_use": use.value})
    return profile


@audited()
def actor_profile_update(*, actor: User, organisation: Organisation | None, facts: Mapping[str, Any]) -> ActorProfile:
    """State facts about oneself or one's organisation; they are on the audit log by name, not by value."""
    owner = {"organisation": organisation} if organisation else {"user": actor}
    profile, _ = ActorProfile.objects.update_or_create(**owner, defaults={**facts, "updated_at": timezone.now()})
    audit_append(
        actor=actor,
        action="facts.stated",
        subject=("governance.actorprofile", str(profile.pk)),
        data={"fields": sorted(name for name, value in facts.items() if value not in (None, ""))},
    )
    return profile
