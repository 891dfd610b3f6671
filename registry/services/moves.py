"""A repository's own life: an empty one, another address, its end. What was published leaves its notice behind."""

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.services import audit_append, audited
from registry.errors import DeclarationIncomplete, NameTaken, QuotaExceeded
from registry.models import Adapter, Blob, FormerName, Upload
from registry.models.adapters import Visibility
from registry.permissions import AdapterPermission as P
from registry.permissions import AdapterRole
from registry.selectors.access import adapter_permissions, membership_role, namespaces_for_upload
from registry.services.adapters import NAME_PATTERN, adapter_create
from registry.services.listing import adapter_refresh
from registry.services.repositories import MAIN, revision_make
from registry.services.uploads import quota_left
from registry.services.versions import version_withdraw
from registry.states import VersionState, may_become

MANAGING = frozenset({AdapterRole.OWNER, AdapterRole.MAINTAINER})
REASON = "Its repository was deleted by its owner."


@audited()
def repository_create(*, actor: User, owner: Namespace, name: str, visibility: str) -> Adapter:
    """An empty repository with its first revision; raises NotPermitted, NameTaken or DeclarationIncomplete."""
    if not namespaces_for_upload(actor).filter(pk=owner.pk).exists():
        raise NotPermitted(f"You may not upload under {owner}.")
    adapter = adapter_create(actor=actor, owner=owner, name=name, title="", visibility=visibility)
    FormerName.objects.filter(namespace=owner, name=name).delete()  # the address is somebody's again
    revision_make(adapter=adapter, author=actor, message="initial commit", tree={}, parent=None, branch=MAIN)
    return adapter


@audited()
def repository_move(*, actor: User, adapter: Adapter, owner: Namespace, name: str) -> Adapter:
    """Another address; the former one leads there. Raises NotPermitted, NameTaken, QuotaExceeded."""
    adapter = Adapter.objects.select_for_update(of=("self",), no_key=True).select_related("owner").get(pk=adapter.pk)
    if P.EDIT not in adapter_permissions(actor, adapter) or membership_role(actor, owner) not in MANAGING:
        raise NotPermitted(f"Moving {adapter} to {owner} takes a maintainer or owner of both.")
    if not NAME_PATTERN.match(name):
        raise DeclarationIncomplete(
            f"{name[:80]!r} cannot be part of an address.",
            remedy="Use up to 60 lower-case letters and digits, with single hyphens, dots or underscores inside.",
        )
    former_owner, former_name = adapter.owner, adapter.name
    if (former_owner.pk, former_name) == (owner.pk, name):
        return adapter
    if former_owner.pk != owner.pk:
        _charge(adapter, owner)
    try:
        with transaction.atomic():
            adapter.owner, adapter.name, adapter.updated_at = owner, name, timezone.now()
            adapter.save(update_fields=["owner", "name", "updated_at"])
    except IntegrityError as error:
        raise NameTaken(f"{owner}/{name} exists already.") from error
    FormerName.objects.filter(namespace=owner, name=name).delete()
    FormerName.objects.update_or_create(
        namespace=former_owner, name=former_name, defaults={"adapter": adapter, "moved_at": timezone.now()}
    )
    _log(actor, adapter, "adapter.moved")
    return adapter_refresh(adapter=adapter)


def _charge(adapter: Adapter, owner: Namespace) -> None:
    """What it holds counts under its new owner from now on."""
    Namespace.objects.select_for_update(no_key=True).get(pk=owner.pk)
    size = sum(Blob.objects.filter(adapter=adapter).values_list("size", flat=True))
    if size > (left := quota_left(namespace=owner)):
        raise QuotaExceeded(f"{adapter} holds {size:,} bytes and {max(left, 0):,} are left for {owner}.")
    Upload.objects.filter(arrival__adapter=adapter, consumed_at=None).update(namespace=owner)


@audited()
def repository_delete(*, actor: User, adapter: Adapter) -> None:
    """The end of a repository: its versions are withdrawn, and no protocol finds it any more.

    Where something was published, the notice stays under its address and receipts stay valid, so the name stays taken;
    what nobody else ever saw gives its name back. Raises NotPermitted.
    """
    adapter = Adapter.objects.select_for_update(of=("self",), no_key=True).select_related("owner").get(pk=adapter.pk)
    if membership_role(actor, adapter.owner) not in MANAGING:
        raise NotPermitted(f"Deleting {adapter} takes a maintainer or owner.")
    for version in adapter.versions.select_related("adapter__owner").order_by("pk"):
        if may_become(VersionState(version.state), VersionState.WITHDRAWN):
            version_withdraw(version=version, actor=actor, reason=REASON)
    adapter.refresh_from_db()
    adapter.deleted_at = timezone.now()
    if adapter.published_at is None:
        FormerName.objects.filter(adapter=adapter).delete()
        adapter.name, adapter.visibility = f"deleted-{uuid.uuid4().hex}", Visibility.PRIVATE
    adapter.save(update_fields=["deleted_at", "name", "visibility"])
    _log(actor, adapter, "adapter.deleted")
    adapter_refresh(adapter=adapter)


def _log(actor: User, adapter: Adapter, action: str) -> None:
    audit_append(actor=actor, action=action, subject=("registry.adapter", str(adapter.pk)))


def moved_to(*, owner: str, name: str) -> Adapter | None:
    """The adapter that had this address once; whether somebody may learn of it is asked where it is now."""
    found = FormerName.objects.filter(namespace__slug=owner.lower(), name=name.lower(), adapter__deleted_at=None)
    former = found.select_related("adapter__owner").first()
    return former.adapter if former else None
