"""What the opt-out register says about a text, a picture or a source, and what moderators look through.

A hit names an entry that counts now. `verified` says whether a moderator, or a list that the house takes over, stands
behind it: what nobody has verified is a reason for review and for nothing more. `holders` is the account that alone
claims it, so that nobody is held up by their own opt-out; it is empty where anybody else claims it too.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from moderation.addresses import Address, addresses_in, hosts_above
from moderation.contacts import email_digest
from moderation.matching.names import Name, NameIndex
from moderation.models import ClaimState, EntryKind, OptOutClaim, OptOutEntry, OptOutRevision

if TYPE_CHECKING:
    from moderation.matching.pictures import Query

COUNTS = Q(state=ClaimState.ACTIVE, erased_at=None)
# A single word is a name of many, and of things: it is looked for when a moderator has verified it.
NAMES = COUNTS & Q(kind=EntryKind.NAME) & (Q(mononym=False) | Q(verified=True))


@dataclass(frozen=True)
class NameHit:
    """A registered name in a text: `found` is how it is written there."""

    entry_id: str
    name: str
    found: str
    verified: bool
    holders: tuple[int, ...]  # primary key of the user who alone claims it; else empty
    exact: bool  # only case, accents and separators differ


@dataclass(frozen=True)
class DomainHit:
    """An address in a text that lies within a registered one."""

    entry_id: str
    address: str
    found: str
    verified: bool
    holders: tuple[int, ...]


@dataclass(frozen=True)
class WorkHit:
    """A registered work in a picture.

    `evidence` is geometry, overlay, hash, list (a bare hash, within its strict threshold) or file (the same file).
    `distance` in bits of the hash that decided, `inliers` the local features that agree, where there are such.
    """

    entry_id: str
    title: str
    distance: int | None
    inliers: int | None
    verified: bool
    holders: tuple[int, ...]
    evidence: str
    mirrored: bool = False


class _Names:
    """The names that this process holds, and the mark of the revision that they are of."""

    mark: uuid.UUID | None = None
    index = NameIndex.build([])


def names_found(text: str) -> tuple[NameHit, ...]:
    """Every registered name in a text (tags joined by commas), each entry once, by place.

    Raises ValueError for texts beyond what the matcher takes.
    """
    matches = {match.entry_id: match for match in reversed(_name_index().find(text))}  # the first of each
    entries = _counting(matches)
    holders = _holders(entries)
    return tuple(
        NameHit(
            entry_id=str(entries[pk].public_id),
            name=entries[pk].text,
            found=match.found,
            verified=entries[pk].verified,
            holders=holders.get(pk, ()),
            exact=match.exact,
        )
        for pk, match in sorted(matches.items(), key=lambda item: item[1].start)
        if pk in entries
    )


def _name_index() -> NameIndex:
    """All names that count now. The revision is read first: what is committed after it is looked for the next time."""
    row = OptOutRevision.objects.filter(kind=EntryKind.NAME).first()
    mark = row.mark if row else None
    if mark != _Names.mark:
        rows = OptOutEntry.objects.filter(NAMES).values_list("pk", "text", "mononym")
        _Names.index = NameIndex.build(Name(*row) for row in rows)
        _Names.mark = mark
    return _Names.index


def domains_found(text: str) -> tuple[DomainHit, ...]:
    """Every registered address that covers one which a text names: itself, a host below it, or a page under it."""
    named = addresses_in(text)
    hosts = {host for address in named for host in hosts_above(address)}
    registered = OptOutEntry.objects.filter(COUNTS, kind=EntryKind.URL, host__in=hosts)
    entries = {entry.pk: entry for entry in registered.order_by("host", "form")}
    holders = _holders(entries)
    hits = []
    for entry in entries.values():
        covering = Address(entry.host, entry.form)
        found = next((str(address) for address in named if covering.covers(address)), None)
        if found is not None:
            who = holders.get(entry.pk, ())
            hits.append(DomainHit(str(entry.public_id), str(covering), found, entry.verified, who))
    return tuple(hits)


def works_found(picture: bytes, *, sent: str = "", query: "Query | None" = None) -> tuple[WorkHit, ...]:
    """Every registered work that a picture shows, the surest first.

    `sent` is the SHA-256 of the file as it was sent, where only a copy of its pixels is left; `query` what was worked
    out of it before.

    Raises PictureRefused for what is no picture that can be read, PictureUnusable for one too small or too flat to be
    recognised. Neither is a pass.
    """
    from moderation.selectors.optout_works import matches_of  # brings in the engines, which no web process needs

    matches = {match.owner: match for match in matches_of(picture, sent=sent, query=query)}
    entries = _counting(matches)
    holders = _holders(entries)
    hits = [
        WorkHit(
            entry_id=str(entry.public_id),
            title=entry.text,
            distance=matches[pk].distance,
            inliers=matches[pk].inliers,
            verified=entry.verified,
            holders=holders.get(pk, ()),
            evidence=matches[pk].evidence,
            mirrored=matches[pk].mirrored,
        )
        for pk, entry in entries.items()
    ]
    return tuple(sorted(hits, key=lambda hit: (-(hit.inliers or 0), hit.distance or 0, hit.entry_id)))


def file_digest(picture: bytes) -> bytes:
    return hashlib.sha256(picture).digest()


def _counting(ids: Iterable[int]) -> dict[int, OptOutEntry]:
    """Of these entries those that count at this moment, whatever an index still holds."""
    return OptOutEntry.objects.filter(COUNTS).in_bulk(list(ids))


def _holders(ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """The account that claims an entry, where nobody else does: no other account, no mailbox and no list.

    Anybody can register anything; so that nobody excuses themselves by claiming what is another's, a second claim of
    whatever kind leaves it to a person.
    """
    claims = OptOutClaim.objects.filter(entry__in=list(ids), state=ClaimState.ACTIVE)
    claimants: dict[int, set[int | None]] = {}
    for entry, user in claims.values_list("entry_id", "registration__holder__user_id"):
        claimants.setdefault(entry, set()).add(user)
    return {entry: tuple(user for user in who if user is not None) for entry, who in claimants.items() if len(who) == 1}


def holders_consent(entry_id: str, *, digests: Collection[str]) -> bool:
    """Whether all who claim an entry are known by one of these addresses; what a list names, nobody consents to."""
    claims = OptOutClaim.objects.filter(entry__public_id=entry_id, state=ClaimState.ACTIVE)
    holders = claims.values_list("registration__holder__email_digest", "registration__holder__user__email").distinct()
    known = [digest or (email_digest(email) if email else "") for digest, email in holders]
    return bool(known) and all(digest and digest in digests for digest in known)


def entries_for_moderators(*, query: str = "", kind: str = "", state: str = "") -> QuerySet[OptOutEntry]:
    """Entries by what is written in them, their kind and state; "unverified" are those that count without a ruling."""
    rows = OptOutEntry.objects.all()
    if query:
        rows = rows.filter(Q(text__icontains=query) | Q(host__icontains=query))
    if kind:
        rows = rows.filter(kind=kind)
    if state == "unverified":
        rows = rows.filter(COUNTS, verified=False)
    elif state:
        rows = rows.filter(state=state)
    return rows
