"""What the pages of the opt-out register show: to holders their own entries, to moderators an entry and its claims."""

from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from governance.models import DecisionRecord
from moderation.models import (
    ClaimState,
    EntryKind,
    Lookback,
    Newcomer,
    OptOutClaim,
    OptOutEntry,
    OptOutHolder,
    OptOutImport,
    OptOutList,
    OptOutPicture,
    PictureState,
)
from moderation.models.lookback import LOOKING

LOOKBACKS = 20  # shown
ENTRY = "moderation.optoutentry"  # the subject of decisions about entries
HOLDER = "moderation.optoutholder"  # and about holders


def holder_of_user(user: User) -> OptOutHolder | None:
    return OptOutHolder.objects.filter(user=user, erased_at=None).first()


def claims_of(*, holder: OptOutHolder) -> list[OptOutClaim]:
    """What a holder has registered and was confirmed, newest first."""
    mine = OptOutClaim.objects.filter(registration__holder=holder, registration__confirmed_at__isnull=False)
    return list(mine.select_related("entry", "registration").order_by("-created_at", "-pk"))


def pictures_of(*, holder: OptOutHolder) -> list[OptOutPicture]:
    """The holder's pictures that are not prepared yet, or were refused with a reason."""
    mine = OptOutPicture.objects.filter(registration__holder=holder, registration__confirmed_at__isnull=False)
    return list(mine.exclude(state=PictureState.PREPARED).order_by("-created_at", "-pk"))


def holder_page(*, holder: OptOutHolder) -> dict[str, Any]:
    """A holder's claims with the state of each and, where a moderator decided, the reasoning."""
    claims = claims_of(holder=holder)
    reasons = _reasons([claim.entry for claim in claims])
    rows = [
        {
            "entry": claim.entry,
            "state": _state(claim),
            "waits": claim.state == ClaimState.ACTIVE and claim.entry.mononym and not claim.entry.verified,
            "reasoning": reasons.get(str(claim.entry.public_id), ""),
            "registered_at": claim.created_at,
            "open": claim.state in {ClaimState.ACTIVE, ClaimState.PENDING},
        }
        for claim in claims
    ]
    blocked = DecisionRecord.objects.filter(subject_type=HOLDER, subject_id=str(holder.public_id)).first()
    pictures = list(pictures_of(holder=holder))
    unfinished = any(picture.state == PictureState.WAITING for picture in pictures)  # the page looks for what comes
    return {"holder": holder, "rows": rows, "pictures": pictures, "unfinished": unfinished, "blocked": blocked}


def _state(claim: OptOutClaim) -> ClaimState:
    """The claim's state, unless a moderator has rejected the entry as a whole."""
    return ClaimState(ClaimState.REJECTED if claim.entry.state == ClaimState.REJECTED else claim.state)


def _reasons(entries: list[OptOutEntry]) -> dict[str, str]:
    """The public reasoning of the newest decision about each entry."""
    keys = [str(entry.public_id) for entry in entries]
    records = DecisionRecord.objects.filter(subject_type=ENTRY, subject_id__in=keys).order_by("created_at", "pk")
    return {record.subject_id: record.public_reasoning for record in records}


def entry_page(*, entry: OptOutEntry) -> dict[str, Any]:
    """An entry for moderators: what it is, who claims it, what was decided."""
    claims = entry.claims.select_related("registration__holder__user", "source")
    records = DecisionRecord.objects.filter(subject_type=ENTRY, subject_id=str(entry.public_id))
    return {
        "entry": entry,
        "claims": claims,
        "holders": _holders(claims),
        "hashes": entry.hashes.order_by("pk")[:10],
        "features": getattr(entry, "features", None),
        "records": records.select_related("actor").order_by("-created_at", "-pk"),
        "is_work": entry.kind == EntryKind.WORK,
    }


def _holders(claims: QuerySet[OptOutClaim]) -> list[OptOutHolder]:
    """Who claims it, each once."""
    found = [claim.registration.holder for claim in claims if claim.registration is not None]
    return list({holder.pk: holder for holder in found}.values())


def lists_page() -> dict[str, Any]:
    """Every list with how it stands, the newest imports, and how far the look backs are for what they brought."""
    imports = OptOutImport.objects.select_related("source", "actor")
    return {
        "lists": OptOutList.objects.all(),
        "imports": imports[:50],
        "lookbacks": Lookback.objects.all()[:LOOKBACKS],
        "looking": Lookback.objects.filter(state__in=LOOKING).exists(),
        "arriving": Newcomer.objects.filter(lookback=None).values("kind", "ref").distinct().count(),
    }
