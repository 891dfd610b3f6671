"""What somebody has here: their uploads in every state, what waits for them, and what they downloaded."""

import uuid

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import Namespace, User
from accounts.permissions import Role
from registry.models import Receipt, Upload, Version
from registry.permissions import ROLE_PERMISSIONS, AdapterPermission, AdapterRole
from registry.selectors.access import namespaces_for_upload
from registry.selectors.visibility import versions_readable_by
from registry.states import NEEDS_MAINTAINER, VersionState

PUBLISHING = [role for role in Role if AdapterPermission.PUBLISH in ROLE_PERMISSIONS[AdapterRole(role)]]
SHOWN_WAITING = 50


def uploads_of(*, actor: User) -> QuerySet[Version]:
    """Every version, in whatever state, under the names that `actor` uploads to."""
    names = namespaces_for_upload(actor).values("pk")
    versions = versions_readable_by(actor).filter(adapter__owner__in=names)
    return versions.select_related("adapter__owner", "created_by", "base_model")


def awaiting_publication_by(*, actor: User) -> list[Version]:
    """What waits for `actor` to publish it as owner or maintainer, oldest first."""
    names = Namespace.objects.filter(
        Q(user=actor) | Q(organisation__memberships__user=actor, organisation__memberships__role__in=PUBLISHING)
    )
    waiting = uploads_of(actor=actor).filter(
        state=VersionState.IN_REVIEW, state_detail__code=NEEDS_MAINTAINER, adapter__owner__in=names.values("pk")
    )
    return list(waiting.order_by("submitted_at", "pk")[:SHOWN_WAITING])


def unfinished_uploads_of(*, actor: User) -> list[Upload]:
    """Files of `actor` that have arrived in part or whole, and that no version was made of yet."""
    kept = Upload.objects.filter(created_by=actor, consumed_at=None, expires_at__gt=timezone.now(), transfer=None)
    return list(kept.select_related("namespace").order_by("-created_at", "-pk"))


def receipts_of(*, actor: User) -> QuerySet[Receipt]:
    """The receipts of what `actor` downloaded."""
    mine = Receipt.objects.filter(acceptance__user=actor)
    return mine.select_related(
        "file", "acceptance__decision", "acceptance__organisation__namespace", "acceptance__version__adapter__owner"
    )


def access_receipt(*, actor: User, pk: uuid.UUID) -> Receipt:
    """A receipt of the actor's own; anybody else's is absent."""
    receipt = receipts_of(actor=actor).filter(pk=pk).first()
    if receipt is None:
        raise NotFound("There is no such receipt of yours.")
    return receipt
