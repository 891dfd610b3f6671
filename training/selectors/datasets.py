"""Fetching and authorising datasets in one call. What is absent and what may not be read give the same answer."""

import uuid

from django.db.models import Count, Q, QuerySet, Sum

from accounts.errors import NotFound, NotPermitted
from accounts.models import Membership, Namespace, User
from accounts.permissions import Role
from registry.permissions import AdapterRole
from registry.selectors.access import membership_role
from registry.selectors.visibility import Actor
from training.models import Dataset, DatasetDeletion, DatasetPicture, DatasetState, PictureState
from training.permissions import DATASET_ROLES, DatasetPermission

READING = [role for role in Role if DatasetPermission.READ in DATASET_ROLES[AdapterRole(role.value)]]
# What concerns moderators: pictures that a person has to decide about, or findings about the set.
CONCERNS_MODERATORS = (
    Q(pictures__state=PictureState.HELD, pictures__left_out=False)
    | Q(pictures__findings__contains=[{"code": "youth-sexual"}])
    | ~Q(findings=[])
)


def dataset_roles(actor: Actor, dataset: Dataset) -> frozenset[AdapterRole]:
    """Every role that `actor` has towards `dataset`; their permissions add up."""
    roles: set[AdapterRole] = set()
    role = membership_role(actor, dataset.owner)
    if role is not None:
        roles.add(role)
        # Who made it keeps it in their hands for as long as they may contribute at all.
        if role is AdapterRole.MEMBER and dataset.created_by_id == actor.pk:
            roles.add(AdapterRole.MAINTAINER)
    if isinstance(actor, User) and actor.is_moderator and _concerns_moderators(dataset):
        roles.add(AdapterRole.MODERATOR)
    return frozenset(roles)


def _concerns_moderators(dataset: Dataset) -> bool:
    return Dataset.objects.filter(CONCERNS_MODERATORS, pk=dataset.pk).exists()


def dataset_permissions(actor: Actor, dataset: Dataset) -> frozenset[DatasetPermission]:
    """All that `actor` may do with `dataset`."""
    return frozenset().union(*(DATASET_ROLES[role] for role in dataset_roles(actor, dataset)))


def datasets_readable_by(actor: Actor) -> QuerySet[Dataset]:
    """Open datasets of one's own and one's organisations', and for moderators those that wait for a person."""
    if not isinstance(actor, User):
        return Dataset.objects.none()
    spaces = Namespace.objects.filter(_belongs_to(actor)).values("pk")
    readable = Q(owner__in=spaces)
    if actor.is_moderator:
        readable |= Q(pk__in=Dataset.objects.filter(CONCERNS_MODERATORS).values("pk"))
    return Dataset.objects.filter(readable, state=DatasetState.OPEN)


def _belongs_to(actor: User) -> Q:
    memberships = Membership.objects.filter(user=actor, role__in=READING)
    return Q(user=actor) | Q(organisation__in=memberships.values("organisation"))


def access_dataset(*, actor: Actor, owner: str, name: str, permission: DatasetPermission) -> Dataset:
    """The dataset at `/datasets/{owner}/{name}`, if `actor` may read it and do this to it.

    Raises NotFound (absent or unreadable) or NotPermitted (readable, but not this).
    """
    found = datasets_readable_by(actor).filter(owner__slug=_plain(owner), name=_plain(name))
    return _authorised(actor, found, permission, f"{owner}/{name}")


def _plain(name: str) -> str:
    return name.lower().replace("\0", "")


def _authorised(actor: Actor, found: QuerySet[Dataset], permission: DatasetPermission, label: str) -> Dataset:
    dataset = found.select_related("owner__user", "owner__organisation", "created_by").first()
    if dataset is None:
        raise NotFound(f"There is no dataset {label} that you may see.")
    if permission not in dataset_permissions(actor, dataset):
        raise NotPermitted(
            f"Your role towards {label} does not include {permission.value}.",
            remedy="Ask an owner or maintainer of the organisation.",
        )
    return dataset


def access_picture(*, actor: Actor, public_id: uuid.UUID, permission: DatasetPermission) -> DatasetPicture:
    """A picture whose dataset `actor` may read and do this to."""
    readable = datasets_readable_by(actor).values("pk")
    found = DatasetPicture.objects.filter(public_id=public_id, dataset__in=readable)
    picture = found.select_related(
        "dataset__owner__user", "dataset__owner__organisation", "dataset__created_by"
    ).first()
    if picture is None:
        raise NotFound("There is no such picture that you may see.")
    if permission not in dataset_permissions(actor, picture.dataset):
        raise NotPermitted(f"Your role towards its dataset does not include {permission.value}.")
    return picture


def next_held(dataset: Dataset) -> uuid.UUID | None:
    """The next picture of the set that waits for a person; None where none does."""
    held = dataset.pictures.filter(state=PictureState.HELD, left_out=False).order_by("path")
    return held.values_list("public_id", flat=True).first()


def datasets_listed(actor: Actor) -> QuerySet[Dataset]:
    """What the list shows, the last changed first, with counts of its pictures."""
    counted = Count("pictures", filter=Q(pictures__is_prior=False, pictures__left_out=False))
    waiting = Count("pictures", filter=Q(pictures__state=PictureState.WAITING, pictures__left_out=False))
    stopped = Q(pictures__state__in=[PictureState.HELD, PictureState.REFUSED], pictures__left_out=False)
    rows = datasets_readable_by(actor).select_related("owner__user", "owner__organisation")
    annotated = rows.annotate(picture_count=counted, waiting=waiting, stopped=Count("pictures", filter=stopped))
    return annotated.order_by("-updated_at", "-pk")


def deletions_readable_by(actor: User) -> QuerySet[DatasetDeletion]:
    """What was deleted of one's own, and of organisations whose datasets one manages; the newest first."""
    managing = [role for role in Role if DatasetPermission.MANAGE in DATASET_ROLES[AdapterRole(role.value)]]
    organisations = Membership.objects.filter(user=actor, role__in=managing).values("organisation")
    mine = Q(dataset__owner__user=actor) | Q(dataset__owner__organisation__in=organisations)
    return DatasetDeletion.objects.filter(mine).select_related("dataset__owner").order_by("-asked_at", "-pk")


def datasets_trainable_by(actor: Actor) -> QuerySet[Dataset]:
    """Datasets that `actor` may train on, for the choice on the page of a new run."""
    if not isinstance(actor, User):
        return Dataset.objects.none()
    training = [role for role in Role if DatasetPermission.TRAIN in DATASET_ROLES[AdapterRole(role.value)]]
    memberships = Membership.objects.filter(user=actor, role__in=training).values("organisation")
    mine = Q(owner__user=actor) | Q(owner__organisation__in=memberships)
    return Dataset.objects.filter(mine, state=DatasetState.OPEN).select_related("owner")


def stored_bytes(namespace: Namespace) -> int:
    """Bytes of dataset pictures under a name, which count against its quota."""
    pictures = DatasetPicture.objects.filter(dataset__owner=namespace, dataset__state=DatasetState.OPEN)
    return int(pictures.aggregate(total=Sum("size"))["total"] or 0)
