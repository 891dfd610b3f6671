"""What moderators do with the opt-out register: verify, reject and withdraw entries, block who abuses it, and erase."""

import os
from enum import StrEnum

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import audit_append, audited, decision_override
from moderation.errors import RulingRefused
from moderation.models import (
    ClaimState,
    OptOutClaim,
    OptOutEntry,
    OptOutHolder,
    OptOutPicture,
    OptOutRegistration,
    Ruling,
    WorkFeatures,
    WorkHash,
)
from moderation.optout_pictures import pictures_discard, thumbnail_unsealed
from moderation.optout_things import keyed_digest
from moderation.selectors.optout_pages import ENTRY, HOLDER
from moderation.services.optout import LIVE
from moderation.services.optout_entries import entries_settle, revision_mark
from moderation.signals import optout_mail_due
from registry.errors import ConflictOfInterest


class Verdict(StrEnum):
    """What a moderator can decide about an entry."""

    VERIFY = "verify"  # it is the holder's to opt out: it decides alone from now on
    REJECT = "reject"  # it does not count, whoever claims it
    WITHDRAW = "withdraw"  # its holders do not want it any more; lists that name it still do


OUTCOMES = {Verdict.VERIFY: Outcome.ALLOW, Verdict.REJECT: Outcome.DENY, Verdict.WITHDRAW: Outcome.ALLOW}
# From which states of the entry each is possible: what nobody stands behind cannot be verified.
POSSIBLE = {
    Verdict.VERIFY: {ClaimState.ACTIVE, ClaimState.REJECTED},
    Verdict.REJECT: {ClaimState.ACTIVE, ClaimState.PENDING},
    Verdict.WITHDRAW: {ClaimState.ACTIVE, ClaimState.PENDING},
}


def verdicts_possible(entry: OptOutEntry) -> list[Verdict]:
    """What can be decided about the entry as it stands."""
    possible = [verdict for verdict in Verdict if entry.state in POSSIBLE[verdict] and entry.erased_at is None]
    return [verdict for verdict in possible if not (verdict is Verdict.VERIFY and entry.ruling == Ruling.VERIFIED)]


@audited()
def entry_rule(
    *, entry: OptOutEntry, actor: User, verdict: Verdict, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator's decision about an entry, on record with its reasoning; its holders read it on their page.

    Raises ConflictOfInterest over one's own entry, RulingRefused where its state does not allow it.
    """
    entry = OptOutEntry.objects.select_for_update().get(pk=entry.pk)
    if OptOutClaim.objects.filter(entry=entry, registration__holder__user=actor, state__in=LIVE).exists():
        raise ConflictOfInterest("You registered this entry yourself.", remedy="Leave it to another moderator.")
    if verdict not in verdicts_possible(entry):
        raise RulingRefused(f"The entry is {entry.get_state_display()}; it cannot be decided to {verdict.value} it.")
    record = decision_override(
        record=last_ruling(entry),
        actor=actor,
        outcome=OUTCOMES[verdict],
        subject=(ENTRY, str(entry.public_id), str(entry)),
        action=f"opt-out-{verdict.value}",
        public_reasoning=public_reasoning,
        private_notes=private_notes,
    )
    holders = set(claims_live(entry).values_list("registration__holder_id", flat=True))
    _apply(entry, verdict)
    _tell(holders)
    return record


def claims_live(entry: OptOutEntry) -> QuerySet[OptOutClaim]:
    """What holders claim of it now."""
    return OptOutClaim.objects.filter(entry=entry, registration__confirmed_at__isnull=False, state__in=LIVE)


def _tell(holders: set[int]) -> None:
    """They are told by mail that something was decided; what nobody confirmed is nobody's to be told of."""
    OptOutHolder.objects.filter(pk__in=holders, erased_at=None).update(news_at=timezone.now())
    for key in sorted(holders):
        transaction.on_commit(lambda key=key: optout_mail_due.send(sender=OptOutHolder, holder_id=key))  # type: ignore[misc]


def _apply(entry: OptOutEntry, verdict: Verdict) -> None:
    row = OptOutEntry.objects.filter(pk=entry.pk)
    if verdict is Verdict.VERIFY:
        row.update(ruling=Ruling.VERIFIED)
    elif verdict is Verdict.REJECT:
        row.update(ruling=Ruling.REJECTED, state=ClaimState.REJECTED, verified=False)
    else:
        row.update(ruling=Ruling.NONE)
        claims = OptOutClaim.objects.filter(entry=entry, registration__isnull=False, state__in=LIVE)
        claims.update(state=ClaimState.WITHDRAWN, ended_at=timezone.now())
    entries_settle([entry.pk])
    revision_mark(entry.kind)


def last_ruling(entry: OptOutEntry) -> DecisionRecord | None:
    """The decision about the entry that holds now."""
    rulings = DecisionRecord.objects.filter(subject_type=ENTRY, subject_id=str(entry.public_id))
    return rulings.order_by("-created_at", "-pk").first()


@audited()
def holder_block(*, holder: OptOutHolder, actor: User, public_reasoning: str) -> DecisionRecord:
    """All that this holder claims is rejected, and nothing more is taken from them. What others claim stays."""
    holder = OptOutHolder.objects.select_for_update().get(pk=holder.pk)
    if holder.user_id == actor.pk:
        raise ConflictOfInterest("You cannot decide about yourself.", remedy="Leave it to another moderator.")
    if holder.blocked_at:
        raise RulingRefused("This holder is blocked already.")
    record = decision_override(
        record=None,
        actor=actor,
        outcome=Outcome.DENY,
        subject=(HOLDER, str(holder.public_id), str(holder)),
        action="opt-out-block",
        public_reasoning=public_reasoning,
    )
    now = timezone.now()
    OptOutHolder.objects.filter(pk=holder.pk).update(blocked_at=now)
    claims = OptOutClaim.objects.filter(registration__holder=holder, state__in=LIVE)
    ids = list(claims.values_list("entry_id", flat=True))
    claims.update(state=ClaimState.REJECTED, ended_at=now)
    entries_settle(ids)
    _tell({holder.pk})
    return record


@audited()
def entry_erase(*, entry: OptOutEntry, actor: User | None) -> OptOutEntry:
    """Delete what an entry tells of a person: text, hashes, features, thumbnail. A salted tombstone stays.

    The tombstone can be asked whether it stood for a certain thing, and cannot be searched for it.
    """
    entry = OptOutEntry.objects.select_for_update().get(pk=entry.pk)
    if entry.erased_at is not None:
        return entry
    salt = os.urandom(16)
    WorkHash.objects.filter(entry=entry).delete()
    WorkFeatures.objects.filter(entry=entry).delete()
    OptOutPicture.objects.filter(entry=entry).update(title="", sha256="")
    now = timezone.now()
    OptOutClaim.objects.filter(entry=entry).update(reference="")
    OptOutClaim.objects.filter(entry=entry, state__in=LIVE).update(state=ClaimState.WITHDRAWN, ended_at=now)
    tombstone = {"digest": keyed_digest(str(entry.digest), salt), "erased_salt": salt, "erased_at": now}
    OptOutEntry.objects.filter(pk=entry.pk).update(text="", form="", host="", mononym=False, **tombstone)
    entries_settle([entry.pk])
    revision_mark(entry.kind)
    audit_append(actor=actor, action="optout.erased", subject=(ENTRY, str(entry.public_id)))
    return OptOutEntry.objects.get(pk=entry.pk)


@audited()
def holder_erase(*, holder: OptOutHolder, actor: User | None = None) -> int:
    """Delete all that is kept of a holder: their address and name, and every entry that nobody else claims.

    How many entries were erased. What others claim too stays, without the holder.
    """
    holder = OptOutHolder.objects.select_for_update().get(pk=holder.pk)
    mine = OptOutClaim.objects.filter(registration__holder=holder)
    ids = list(mine.values_list("entry_id", flat=True).distinct())
    mine.filter(state__in=LIVE).update(state=ClaimState.WITHDRAWN, ended_at=timezone.now())
    others = OptOutClaim.objects.filter(entry__in=ids, state__in=LIVE).exclude(registration__holder=holder)
    shared = set(others.values_list("entry_id", flat=True))
    entries = OptOutEntry.objects.filter(pk__in=set(ids) - shared, erased_at=None)
    erased = [entry_erase(entry=entry, actor=actor) for entry in entries]
    entries_settle(ids)
    _forget_pictures(holder)
    mine.update(reference="")
    OptOutRegistration.objects.filter(holder=holder).update(token_digest="")
    gone = {"user": None, "name": "", "email_sealed": None, "email_digest": None, "link_digest": ""}
    OptOutHolder.objects.filter(pk=holder.pk).update(
        erased_at=timezone.now(), link_wanted_at=None, news_at=None, **gone
    )
    audit_append(actor=actor, action="optout.holder-erased", subject=(HOLDER, str(holder.public_id)))
    return len(erased)


def _forget_pictures(holder: OptOutHolder) -> None:
    pictures = OptOutPicture.objects.filter(registration__holder=holder)
    keys = [key for key in pictures.values_list("storage_key", flat=True) if key]
    pictures.delete()
    transaction.on_commit(lambda: pictures_discard(keys))


def thumbnail_view(*, entry: OptOutEntry, actor: User) -> bytes:
    """The small picture of a work, as a JPEG; the look goes on the audit log. Raises NotFound where there is none."""
    features = WorkFeatures.objects.filter(entry=entry).first()
    if features is None or features.thumbnail_sealed is None:
        raise NotFound("There is no picture of this entry.")
    picture = thumbnail_unsealed(bytes(features.thumbnail_sealed), entry=entry.public_id)
    audit_append(actor=actor, action="optout.thumbnail-viewed", subject=(ENTRY, str(entry.public_id)))
    return picture
