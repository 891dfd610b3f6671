"""Fetching and authorising in one call. What is absent and what may not be read give the same answer."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet, Value

from accounts.errors import NotFound, NotPermitted
from accounts.models import Membership, Namespace, User
from accounts.permissions import Role
from registry.models import Adapter, Receipt, Version
from registry.models.adapters import LISTED, Visibility
from registry.permissions import ROLE_PERMISSIONS, AdapterPermission, AdapterRole
from registry.selectors.matching import Part
from registry.selectors.visibility import (
    FACE,
    MANAGING_ROLES,
    NEEDS_A_MODERATOR,
    Actor,
    adapters_readable_by,
    versions_readable_by,
)


def membership_role(actor: Actor, namespace: Namespace) -> AdapterRole | None:
    """What `actor` is to everything under `namespace`; None when nothing."""
    if not isinstance(actor, User):
        return None
    if namespace.user_id is not None:
        return AdapterRole.OWNER if namespace.user_id == actor.pk else None
    found = Membership.objects.filter(user=actor, organisation=namespace.organisation).first()
    return AdapterRole(found.role) if found else None


def adapter_roles(actor: Actor, adapter: Adapter) -> frozenset[AdapterRole]:
    """Every role that `actor` has towards `adapter`; their permissions add up."""
    roles: set[AdapterRole] = set()
    role = membership_role(actor, adapter.owner)
    shown = adapter.versions.filter(FACE).exists()
    if role is not None and _admits(role, adapter, actor) and (shown or role is not AdapterRole.READER):
        roles.add(role)  # a reader reads the published face, as the public does
    if adapter.visibility == Visibility.PUBLIC and shown:
        roles.add(AdapterRole.PUBLIC)
    if isinstance(actor, User) and actor.is_moderator and _concerns_moderators(adapter):
        roles.add(AdapterRole.MODERATOR)
    return frozenset(roles)


def _admits(role: AdapterRole, adapter: Adapter, actor: User | AnonymousUser) -> bool:
    """A private adapter of an organisation is for those who run it and for who uploaded it."""
    if adapter.visibility != Visibility.PRIVATE or role in {AdapterRole.OWNER, AdapterRole.MAINTAINER}:
        return True
    return adapter.created_by_id == actor.pk


def _concerns_moderators(adapter: Adapter) -> bool:
    if adapter.visibility == Visibility.PUBLIC:
        return True
    return adapter.versions.filter(NEEDS_A_MODERATOR).exists()


def adapter_permissions(actor: Actor, adapter: Adapter) -> frozenset[AdapterPermission]:
    """All that `actor` may do with `adapter`."""
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in adapter_roles(actor, adapter)))


def access_adapter(*, actor: Actor, owner: str, name: str, permission: AdapterPermission) -> Adapter:
    """The adapter at `/{owner}/{name}`, if `actor` may read it and do this to it.

    Raises NotFound (absent or unreadable) or NotPermitted (readable, but not this).
    """
    adapter = (
        adapters_readable_by(actor)
        .select_related("owner__user", "owner__organisation", "base_model", "latest", "created_by")
        .filter(owner__slug=owner.lower(), name=name.lower())
        .first()
    )
    if adapter is None:
        raise NotFound(f"There is no adapter {owner}/{name} that you may see.")
    if permission not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"Your role towards {owner}/{name} does not include {permission.value}.")
    return adapter


def may_rate(*, actor: Actor, adapter: Adapter) -> bool:
    """Whether `actor` holds a receipt of `adapter` and is not one of its own people."""
    if not isinstance(actor, User) or AdapterPermission.CONTRIBUTE in adapter_permissions(actor, adapter):
        return False
    return Receipt.objects.filter(acceptance__user=actor, acceptance__version__adapter=adapter).exists()


def access_version(
    *, actor: Actor, owner: str, name: str, number: int, permission: AdapterPermission = AdapterPermission.READ
) -> Version:
    """Version `number` of `/{owner}/{name}`, under the same rule as `access_adapter`."""
    found = _versions(actor).filter(adapter__owner__slug=owner.lower(), adapter__name=name.lower(), number=number)
    return _authorised_version(actor, found.first(), permission, f"{owner}/{name} v{number}")


def access_version_at_gate(*, actor: Actor, owner: str, name: str, number: int) -> Version:
    """As `access_version`; who holds a receipt for it comes to the gate also while it is held back, to read why."""
    try:
        return access_version(actor=actor, owner=owner, name=name, number=number)
    except NotFound:
        held = _held_by(actor).filter(adapter__owner__slug=owner.lower(), adapter__name=name.lower(), number=number)
        if (version := held.select_related("adapter__owner").first()) is None:
            raise
        return version


def _held_by(actor: Actor) -> QuerySet[Version]:
    """What the actor, or an organisation that they belong to, has a receipt for."""
    if not isinstance(actor, User):
        return Version.objects.none()
    receipts = Receipt.objects.filter(Q(acceptance__user=actor) | Q(acceptance__organisation__memberships__user=actor))
    return Version.objects.filter(pk__in=receipts.values("acceptance__version"))


def access_version_by_id(*, actor: Actor, pk: int, permission: AdapterPermission = AdapterPermission.READ) -> Version:
    """The version with this id, under the same rule as `access_adapter`."""
    return _authorised_version(actor, _versions(actor).filter(pk=pk).first(), permission, f"version {pk}")


def _versions(actor: Actor) -> QuerySet[Version]:
    return versions_readable_by(actor).select_related(
        "adapter__owner__user",
        "adapter__owner__organisation",
        "base_model",
        "decision",
        "created_by",
        "adapter__latest",
    )


def _authorised_version(actor: Actor, version: Version | None, permission: AdapterPermission, label: str) -> Version:
    if version is None:
        raise NotFound(f"There is no {label} that you may see.")
    if permission not in adapter_permissions(actor, version.adapter):
        raise NotPermitted(f"Your role towards {label} does not include {permission.value}.")
    return version


def adapters_visible_to(actor: Actor) -> QuerySet[Adapter]:
    """Everything `actor` may find: what is listed, and what is published inside their own walls."""
    inside = _inside(actor)
    return Adapter.objects.filter(LISTED if inside is None else LISTED | (inside.published & inside.admitted))


def adapters_visible_apart(actor: Actor) -> list[Part]:
    """The same in parts that do not overlap: an index can walk each in order, and none their union."""
    listed = Adapter.objects.filter(LISTED)
    parts, inside = [Part(rows=listed, outline=listed)], _inside(actor)
    if inside is not None:
        outline = Adapter.objects.filter(inside.published, listed=False)
        parts.append(Part(rows=outline.filter(inside.admitted), outline=outline))
    return parts


@dataclass(frozen=True)
class _Inside:
    """What is published under the names that somebody belongs to, and what of it admits them."""

    published: Q
    admitted: Q


def _inside(actor: Actor) -> _Inside | None:
    """None for strangers. The names are looked up first: how many rows a subquery admits, the database cannot know."""
    if not isinstance(actor, User):
        return None
    own = Namespace.objects.filter(user=actor).values_list("pk", Value(Role.OWNER.value))
    roles: dict[int, str] = dict(own)
    roles |= dict(Membership.objects.filter(user=actor).values_list("organisation__namespace", "role"))
    managed = [pk for pk, role in roles.items() if role in MANAGING_ROLES]
    not_private = Q(visibility__in=[Visibility.PUBLIC, Visibility.ORGANISATION]) | Q(created_by=actor)
    admitted = Q(latest__isnull=False) & (Q(owner__in=managed) | not_private)  # what is held back now is found nowhere
    return _Inside(Q(published_at__isnull=False, owner__in=list(roles)), admitted)


def namespaces_for_upload(actor: User) -> QuerySet[Namespace]:
    """The names that `actor` may upload under: their own and their organisations'."""
    contributing = [Role.OWNER, Role.MAINTAINER, Role.MEMBER]
    return Namespace.objects.filter(
        Q(user=actor) | Q(organisation__memberships__user=actor, organisation__memberships__role__in=contributing)
    ).distinct()
