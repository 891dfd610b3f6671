"""What each person may read, as conditions in the database.

A page asks one question for what is absent and what is closed, so that neither the answer nor the time it takes
tells them apart.
"""

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from accounts.models import Membership, User
from accounts.permissions import Role
from registry.models import Adapter, SamplePicture, SampleState, Version, VersionImage
from registry.models.adapters import Visibility
from registry.permissions import ROLE_PERMISSIONS, AdapterPermission, AdapterRole
from registry.states import NEEDS_MAINTAINER, TOMBSTONES, VersionState

M = TypeVar("M", bound=Model)
Actor = User | AnonymousUser
MANAGING_ROLES = frozenset({Role.OWNER, Role.MAINTAINER})
# What only waits for its own maintainer is nobody else's case.
NEEDS_A_MODERATOR = Q(state__in=[VersionState.QUARANTINED, VersionState.TAKEN_DOWN]) | (
    Q(state=VersionState.IN_REVIEW)
    & (Q(state_detail__code__isnull=True) | ~Q(state_detail__code=NEEDS_MAINTAINER))  # the key may be missing
)
SEEING_UNPUBLISHED = [
    role for role in Role if AdapterPermission.READ_UNPUBLISHED in ROLE_PERMISSIONS[AdapterRole(role)]
]
# What a stranger sees of a version: while it is published, and the notice that stays where it was.
FACE = Q(state=VersionState.PUBLISHED) | Q(state__in=TOMBSTONES, published_at__isnull=False)


def _shown() -> Q:
    """Adapters with something to show: one whose versions are all held back or unfinished shows nothing of itself."""
    return Q(published_at__isnull=False) & Q(Exists(Version.objects.filter(FACE, adapter=OuterRef("pk"))))


def _member_of_owner(actor: User, roles: list[Role] | frozenset[Role] | None = None) -> Exists:
    memberships = Membership.objects.filter(user=actor, organisation_id=OuterRef("owner__organisation_id"))
    return Exists(memberships.filter(role__in=roles) if roles is not None else memberships)


def _inside(actor: User, roles: list[Role] | None = None) -> Q:
    """The owner's own people, with one of `roles` in an organisation; its private adapters are for fewer of them."""
    not_private = ~Q(visibility=Visibility.PRIVATE) | Q(created_by=actor)
    member = Q(_member_of_owner(actor, roles)) & not_private
    return Q(owner__user=actor) | member | Q(_member_of_owner(actor, MANAGING_ROLES))


def _of_moderators() -> Q:
    """What is public, and what waits for a decision."""
    waiting = Version.objects.filter(NEEDS_A_MODERATOR, adapter=OuterRef("pk"))
    return Q(visibility=Visibility.PUBLIC) | Q(Exists(waiting))


def adapters_readable_by(actor: Actor) -> QuerySet[Adapter]:
    """Every adapter that `actor` may open by its address."""
    public = Q(visibility=Visibility.PUBLIC)
    if not isinstance(actor, User):
        return Adapter.objects.filter(public & _shown())
    readable = _seen_whole(actor) | (public | _inside(actor)) & _shown()
    return Adapter.objects.filter(readable)


def versions_readable_by(actor: Actor) -> QuerySet[Version]:
    """Published versions and tombstones for every reader, all others for those inside."""
    readable = FACE & Q(adapter__in=adapters_readable_by(actor))
    if isinstance(actor, User):
        readable |= Q(adapter__in=Adapter.objects.filter(_seen_whole(actor)))
    return Version.objects.filter(readable)


def images_readable_by(actor: Actor) -> QuerySet[VersionImage]:
    """Screened pictures of published versions for every reader, others for those inside.

    Those of what was taken down are for moderators only.
    """
    return _pictures(VersionImage.objects.all(), actor, Q(screened_at__isnull=False))


def samples_readable_by(actor: Actor) -> QuerySet[SamplePicture]:
    """The same for pictures that people attached; what was removed is nobody's."""
    kept = SamplePicture.objects.exclude(state=SampleState.REMOVED)
    return _pictures(kept, actor, Q(state=SampleState.SHOWN))


def _pictures(rows: QuerySet[M], actor: Actor, cleared: Q) -> QuerySet[M]:
    pictures = rows.filter(version__in=versions_readable_by(actor))
    public = Q(version__state=VersionState.PUBLISHED) & cleared
    if not isinstance(actor, User):
        return pictures.filter(public)
    if actor.is_moderator:
        return pictures
    inside = Q(version__adapter__in=Adapter.objects.filter(_seen_whole(actor)))
    return pictures.filter(public | inside).exclude(version__state=VersionState.TAKEN_DOWN)


def _seen_whole(actor: User) -> Q:
    """Adapters of which `actor` sees the unpublished versions too."""
    inside = _inside(actor, SEEING_UNPUBLISHED)
    return inside | _of_moderators() if actor.is_moderator else inside


def version_readable(actor: Actor, version: Version) -> bool:
    """Whether `actor` may read `version`."""
    return versions_readable_by(actor).filter(pk=version.pk).exists()
