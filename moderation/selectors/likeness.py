"""Whose face is it: faces compared with the enrolled ones, and what the pages of an identity read.

A comparison opens templates in memory and gives out which identity is near and how near, rounded: never a descriptor.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.errors import NotFound
from accounts.models import User
from moderation.likeness_keys import key_open, template_open
from moderation.matching.faces import Descriptor, FaceReader
from moderation.matching.people import FaceIndex
from moderation.models import (
    DeletionProof,
    EnrolmentState,
    FaceTemplate,
    IdentityLink,
    IdentityStatus,
    ProtectedIdentity,
)
from registry.sealing import RecordKey
from registry.selectors.access import Actor


@dataclass(frozen=True)
class FaceMatch:
    """One face (its place in what was asked) near one identity. `sure`: within the reader's match distance."""

    face: int
    identity: ProtectedIdentity
    distance: float  # two decimals
    sure: bool


@dataclass(frozen=True)
class MatchReport:
    """What was found, the nearest first, and how many templates were compared.

    `not_comparable` counts templates that another reader made: as long as it is not 0, "no match" is not established.
    """

    matches: tuple[FaceMatch, ...]
    compared: int
    not_comparable: int


def match_faces(
    *, descriptors: Sequence[Descriptor], reader: FaceReader, among: Collection[int] | None = None
) -> MatchReport:
    """Compare faces with all enrolled ones; each identity at most once for each face, by its nearest template.

    `among` names the identities that are compared, where not all are.

    Raises SealBroken where a template cannot be opened: what was not compared is not without a match.
    """
    owners: list[ProtectedIdentity] = []
    known: list[Descriptor] = []
    keys: dict[int, RecordKey] = {}
    strangers = 0
    templates = _enrolled_templates()
    for template in templates if among is None else templates.filter(identity__in=among):
        if template.model != reader.model:
            strangers += 1
            continue
        identity = template.identity
        if identity.pk not in keys:
            keys[identity.pk] = key_open(identity)
        owners.append(identity)
        known.append(template_open(keys[identity.pk], template))
    matches = _nearest_by_identity(owners, known, descriptors, reader)
    return MatchReport(tuple(matches), compared=len(known), not_comparable=strangers)


def _enrolled_templates() -> QuerySet[FaceTemplate]:
    """With their identities in one query: key and template are of one moment."""
    enrolled = FaceTemplate.objects.filter(identity__status=IdentityStatus.ENROLLED)
    return enrolled.select_related("identity").order_by("identity_id", "pk")


def _nearest_by_identity(
    owners: Sequence[ProtectedIdentity], known: Sequence[Descriptor], asked: Sequence[Descriptor], reader: FaceReader
) -> list[FaceMatch]:
    found: dict[tuple[int, int], FaceMatch] = {}
    for face, hits in enumerate(FaceIndex(known).within(asked, reader.look)):
        for place, far in hits:  # the nearest first
            identity = owners[place]
            match = FaceMatch(face, identity, round(far, 2), far <= reader.match)
            found.setdefault((face, identity.pk), match)
    return sorted(found.values(), key=lambda match: match.distance)


def access_identity(*, actor: Actor, public_id: UUID, link_digest: str = "") -> ProtectedIdentity:
    """An identity for the account that enrolled it, or for who opened its personal link; for others it is not there."""
    mine = Q(user=actor) if isinstance(actor, User) else Q(pk__in=())
    opened = Q(links__digest=link_digest, links__purpose=IdentityLink.Purpose.MANAGE) if link_digest else Q(pk__in=())
    identity = ProtectedIdentity.objects.filter(mine | opened, public_id=public_id).distinct().first()
    if identity is None:
        raise NotFound("There is no such protected identity for you.", remedy="Open your personal link, or sign in.")
    return identity


def access_identity_as_moderator(*, public_id: UUID) -> ProtectedIdentity:
    """Any identity; the caller has made sure that a moderator asks."""
    identity = ProtectedIdentity.objects.filter(public_id=public_id).first()
    if identity is None:
        raise NotFound("There is no such protected identity.")
    return identity


class Standing(StrEnum):
    """What protects an identity now: its status, told apart by whether there is anything to compare with."""

    INVITED = "invited"
    READING = "reading"  # its photographs wait to be read
    EMPTY = "empty"  # enrolled in name, and nothing is compared
    PROTECTED = "protected"
    WITHDRAWN = "withdrawn"


def standing_of(identity: ProtectedIdentity, *, templates: int, waiting: int) -> Standing:
    """Consent alone compares nothing: without a template, and with no photograph that waits, nobody is protected."""
    if identity.status != IdentityStatus.ENROLLED:
        return Standing(identity.status)
    if templates:
        return Standing.PROTECTED
    return Standing.READING if waiting else Standing.EMPTY


def _counted(identities: QuerySet[ProtectedIdentity]) -> QuerySet[ProtectedIdentity]:
    """With how many templates and unread photographs each has, never what is in them."""
    waiting = Count("pictures", filter=Q(pictures__state=EnrolmentState.WAITING), distinct=True)
    return identities.annotate(template_count=Count("templates", distinct=True), waiting_count=waiting)


def with_standing(identities: Iterable[ProtectedIdentity]) -> list[tuple[ProtectedIdentity, Standing]]:
    """Counted identities, each with what protects it."""
    return [
        (one, standing_of(one, templates=one.template_count, waiting=one.waiting_count))  # type: ignore[attr-defined]
        for one in identities
    ]


def identities_of(user: User) -> QuerySet[ProtectedIdentity]:
    """What this account enrolled, the newest first."""
    return _counted(ProtectedIdentity.objects.filter(user=user))


def identities_for_moderators() -> QuerySet[ProtectedIdentity]:
    """All of them, the newest first; with how many templates each has, never what is in them."""
    return _counted(ProtectedIdentity.objects.select_related("user", "verified_by")).order_by("-created_at", "-pk")


@dataclass(frozen=True)
class IdentityPage:
    """What the page of an identity shows: counts and states, no template."""

    identity: ProtectedIdentity
    standing: Standing
    templates: int
    waiting: int
    refused: list[str]
    proofs: list["ProofShown"]


@dataclass(frozen=True)
class ProofShown:
    """A deletion and what a look into the tables says about it now: how many of its templates are there."""

    proof: DeletionProof
    still_there: int


def identity_page(*, identity: ProtectedIdentity) -> IdentityPage:
    """Its status, and every deletion checked against the tables anew."""
    pictures = identity.pictures.all()
    templates, waiting = identity.templates.count(), pictures.filter(state=EnrolmentState.WAITING).count()
    proofs = DeletionProof.objects.filter(identity_ref=identity.public_id)
    return IdentityPage(
        identity=identity,
        standing=standing_of(identity, templates=templates, waiting=waiting),
        templates=templates,
        waiting=waiting,
        refused=list(pictures.filter(state=EnrolmentState.REFUSED).values_list("reason", flat=True)),
        proofs=[ProofShown(proof, _still_there(proof)) for proof in proofs],
    )


def _still_there(proof: DeletionProof) -> int:
    return FaceTemplate.objects.filter(public_id__in=[UUID(template) for template in proof.templates]).count()
