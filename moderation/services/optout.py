"""Registering opt-outs, confirming them by mail, withdrawing them.

With an account an entry counts at once; without one it counts when the link in the mail was followed, so that nobody
opts out in another's name from a mailbox that is not theirs. Until then it is not looked for at all. What counts but
no moderator has verified holds an upload for review and decides nothing.
"""

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.contacts import email_digest, email_sealed
from moderation.errors import OptOutLinkInvalid, RegistrationRefused
from moderation.models import (
    ClaimState,
    OptOutClaim,
    OptOutEntry,
    OptOutHolder,
    OptOutPicture,
    OptOutRegistration,
    PictureState,
)
from moderation.optout_pictures import CheckedPicture, picture_discard, picture_store, pictures_discard
from moderation.optout_things import Thing
from moderation.services.optout_entries import entries_settle, entry_of
from moderation.signals import optout_mail_due, optout_picture_received

STATEMENT = "2026-11"  # the edition of the statement on the page, templates/moderation/optout/_statement.html
CONFIRM_WITHIN = timedelta(days=7)
LINK_LIFETIME = timedelta(days=30)
PER_USER_AN_HOUR = 60  # registrations of one account
THINGS_MAX = 500  # of one registration; longer lists are imported by a moderator
LIVE = (ClaimState.PENDING, ClaimState.ACTIVE)


@dataclass(frozen=True)
class Submission:
    """What somebody sends in, read and checked."""

    things: tuple[Thing, ...] = ()
    pictures: tuple[CheckedPicture, ...] = ()
    name: str = ""
    on_behalf: bool = False

    def __post_init__(self) -> None:
        count = len(self.things) + len(self.pictures)
        if not count:
            raise RegistrationRefused("There is nothing to register: name a work, a name or an address.")
        if count > THINGS_MAX:
            raise RegistrationRefused(
                f"{count} things at once are too many.",
                remedy=f"Send at most {THINGS_MAX} at a time, or ask a moderator to import your list.",
            )


def link_secret() -> tuple[str, str]:
    """A new secret for a link, and its digest, which is what is kept."""
    secret = secrets.token_urlsafe(32)
    return secret, link_digest(secret)


def link_digest(secret: str) -> str:
    """SHA-256, by which the link is looked up: how long that takes tells nothing about a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def optout_register(*, submission: Submission, user: User | None = None, email: str = "") -> OptOutRegistration:
    """Take in what a person registers; without an account it waits for the link in the mail.

    Raises RegistrationRefused where a moderator has blocked the account. A blocked mailbox is not told so, and gets
    no mail.
    """
    with ExitStack() as undo:
        # The files first: nobody waits for a slow disk with the chain locked.
        pictures = [_stored(picture, undo) for picture in submission.pictures]
        registration = _register(submission, pictures, user, email)
        undo.pop_all()
    return registration


def _stored(checked: CheckedPicture, undo: ExitStack) -> OptOutPicture:
    picture = OptOutPicture(title=checked.title, sha256=checked.sha256)
    picture.storage_key = picture_store(content=checked.content, picture_id=picture.pk)
    undo.callback(picture_discard, picture.storage_key)
    return picture


@audited()
def _register(
    submission: Submission, pictures: list[OptOutPicture], user: User | None, email: str
) -> OptOutRegistration:
    holder = _holder(user, email, submission.name)
    now = timezone.now()
    registration = OptOutRegistration.objects.create(
        holder=holder,
        statement=STATEMENT,
        on_behalf=submission.on_behalf,
        confirmed_at=now if user else None,
        expires_at=None if user else now + CONFIRM_WITHIN,
    )
    entries = [entry_of(thing) for thing in sorted(submission.things, key=lambda thing: thing.digest)]
    claims_add(registration=registration, entries=entries)
    for picture in pictures:
        picture.registration = registration
        picture.save(force_insert=True)
        _prepare_later(picture)
    audit_append(
        actor=user,
        action="optout.registered",
        subject=("moderation.optoutregistration", str(registration.public_id)),
        data={"things": len(entries), "pictures": len(pictures), "account": user is not None},
    )
    if not user:
        _mail_later(holder)
    return registration


def _holder(user: User | None, email: str, name: str) -> OptOutHolder:
    """The holder, locked: made when the account or the mailbox registers for the first time."""
    if user:
        holder, _ = OptOutHolder.objects.get_or_create(user=user, defaults={"name": name})
    else:
        sealed = email_sealed(email, context="opt-out holder")
        made = {"email_sealed": sealed, "name": name}
        holder, _ = OptOutHolder.objects.get_or_create(email_digest=email_digest(email), defaults=made)
    holder = OptOutHolder.objects.select_for_update().get(pk=holder.pk)
    if holder.blocked_at and user:
        raise RegistrationRefused(
            "A moderator has blocked this account from the register because of earlier entries.",
            remedy="Write to the moderators if you think that this is a mistake.",
        )
    return holder


def claims_add(*, registration: OptOutRegistration, entries: Iterable[OptOutEntry]) -> None:
    """The registration claims these entries; they count when it is confirmed."""
    live = registration.confirmed_at is not None and registration.holder.blocked_at is None
    state = ClaimState.ACTIVE if live else ClaimState.PENDING
    rows = {entry.pk: OptOutClaim(entry=entry, registration=registration, state=state) for entry in entries}
    OptOutClaim.objects.bulk_create(rows.values(), ignore_conflicts=True)
    entries_settle(rows)


def _prepare_later(picture: OptOutPicture) -> None:
    key = str(picture.pk)
    transaction.on_commit(lambda: optout_picture_received.send(sender=OptOutPicture, picture_id=key))


def _mail_later(holder: OptOutHolder) -> None:
    if holder.blocked_at is None:
        transaction.on_commit(lambda: optout_mail_due.send(sender=OptOutHolder, holder_id=holder.pk))


def registration_by_secret(*, secret: str) -> OptOutRegistration:
    """The registration whose confirmation link this is; OptOutLinkInvalid where it is none, or has run out."""
    found = OptOutRegistration.objects.select_related("holder").filter(token_digest=link_digest(secret)).first()
    if found is None or (found.expires_at is not None and found.expires_at < timezone.now()):
        raise OptOutLinkInvalid("This confirmation link is unknown or has run out.")
    return found


@audited()
def optout_confirm(*, secret: str) -> str:
    """Follow the link of the mail: what was registered counts from now on. Answers the secret of the manage link.

    The same link may be followed again while it lasts: it changes nothing more.
    """
    registration = registration_by_secret(secret=secret)
    holder = OptOutHolder.objects.select_for_update().get(pk=registration.holder_id)
    if OptOutRegistration.objects.filter(pk=registration.pk, confirmed_at=None).update(confirmed_at=timezone.now()):
        if holder.blocked_at is None:
            claims = OptOutClaim.objects.filter(registration=registration, state=ClaimState.PENDING)
            ids = list(claims.values_list("entry_id", flat=True))
            claims.update(state=ClaimState.ACTIVE)
            entries_settle(ids)
        audit_append(
            actor=None,
            action="optout.confirmed",
            subject=("moderation.optoutregistration", str(registration.public_id)),
        )
    return holder_link_renew(holder=holder)


def holder_link_renew(*, holder: OptOutHolder) -> str:
    """A new manage link; the one before stops working."""
    secret, digest = link_secret()
    expires = timezone.now() + LINK_LIFETIME
    OptOutHolder.objects.filter(pk=holder.pk).update(link_digest=digest, link_expires_at=expires, link_wanted_at=None)
    return secret


def holder_by_secret(*, secret: str) -> OptOutHolder:
    """Whose manage link this is; OptOutLinkInvalid where it is nobody's, or has run out."""
    holder = holder_by_digest(digest=link_digest(secret))
    if holder is None:
        raise OptOutLinkInvalid("This link is unknown or has run out.")
    return holder


def holder_by_digest(*, digest: str) -> OptOutHolder | None:
    """The same by the digest of the secret, as a session keeps it."""
    live = OptOutHolder.objects.filter(link_expires_at__gt=timezone.now(), erased_at=None)
    return live.filter(link_digest=digest).first() if digest else None


@transaction.atomic
def holder_link_ask(*, email: str) -> None:
    """Have the manage link mailed, where the mailbox has entries; nobody learns whether it has."""
    confirmed = {"registrations__confirmed_at__isnull": False, "blocked_at": None, "erased_at": None}
    holder = OptOutHolder.objects.filter(email_digest=email_digest(email), **confirmed).distinct().first()
    if holder is not None:
        OptOutHolder.objects.filter(pk=holder.pk).update(link_wanted_at=timezone.now())
        _mail_later(holder)


@audited()
def claims_withdraw(*, holder: OptOutHolder, entry: OptOutEntry, actor: User | None = None) -> int:
    """The holder takes back what they claimed of an entry; what others claim of it stays. How many claims ended."""
    mine = OptOutClaim.objects.filter(registration__holder=holder, entry=entry, state__in=LIVE)
    ended = mine.update(state=ClaimState.WITHDRAWN, ended_at=timezone.now())
    if ended:
        entries_settle([entry.pk])
        audit_append(
            actor=actor,
            action="optout.withdrawn",
            subject=("moderation.optoutentry", str(entry.public_id)),
            data={"holder": str(holder.public_id)},
        )
    return ended


def pictures_due() -> list[uuid.UUID]:
    """Pictures that wait for a worker, or whose worker is gone; the oldest first."""
    free = Q(leased_until=None) | Q(leased_until__lt=timezone.now())
    return list(OptOutPicture.objects.filter(free, state=PictureState.WAITING).values_list("pk", flat=True)[:200])


def registrations_expire(*, now: datetime | None = None) -> int:
    """Remove what nobody confirmed in time, with all that came of it alone; how many registrations."""
    now = now or timezone.now()
    late = OptOutRegistration.objects.filter(confirmed_at=None, expires_at__lt=now)
    return _expire(now) if late.exists() else 0


@audited()
def _expire(now: datetime) -> int:
    late = OptOutRegistration.objects.select_for_update().filter(confirmed_at=None, expires_at__lt=now)
    found = list(late.values_list("pk", "holder_id"))
    keys, holders = [pk for pk, _ in found], [holder for _, holder in found]
    entries = list(OptOutClaim.objects.filter(registration__in=keys).values_list("entry_id", flat=True))
    waiting = list(OptOutPicture.objects.filter(registration__in=keys).values_list("storage_key", flat=True))
    OptOutRegistration.objects.filter(pk__in=keys).delete()
    OptOutEntry.objects.filter(pk__in=entries, claims=None, ruling="", erased_at=None).delete()
    OptOutHolder.objects.filter(pk__in=holders, registrations=None, user=None, blocked_at=None).delete()
    entries_settle(entries)
    transaction.on_commit(lambda: pictures_discard(waiting))
    return len(keys)
