"""The parts of an export that come from the registry: adapters, uploads, pictures, downloads, what people said."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Manager, Model, Q, QuerySet

from accounts.models import User
from registry.models import (
    AccessRequest,
    Adapter,
    Discussion,
    DiscussionComment,
    DiscussionEvent,
    Rating,
    Receipt,
    SamplePicture,
    Upload,
)

Rows = list[dict[str, Any]]
VERSION = (
    "public_id number label notes state state_detail created_at submitted_at published_at base_model__slug licence_id "
    "credit_required allow_derivatives allow_different_licence commercial_use depicts_real_person training_sources "
    "trigger_words strength preview_prompts rights_statement__edition rights_affirmed_at fictional_statement "
    "consent_ids"
)
COMMENT = "public_id text created_at edited_at hidden_at hidden_reason"


def values(found: QuerySet[Any] | Manager[Any] | Iterable[Model], names: str) -> Rows:
    """These fields of the rows, by name, in the order of their keys."""
    fields = names.split()
    if isinstance(found, Manager | QuerySet):
        return list(found.order_by("pk").values(*fields))
    return [{name: getattr(row, name) for name in fields} for row in found]


def adapters(user: User) -> Rows:
    """Adapters under the person's name or made by them, with each version as it was declared."""
    mine = Adapter.objects.filter(Q(owner__user=user) | Q(created_by=user)).select_related("owner").order_by("pk")
    return [_adapter(adapter) for adapter in mine]


def _adapter(adapter: Adapter) -> dict[str, Any]:
    about = {"address": str(adapter), "tags": sorted(adapter.tags.values_list("name", flat=True))}
    fields = "title description visibility content_level created_at updated_at download_count"
    return {**about, **values([adapter], fields)[0], "versions": [_version(row) for row in adapter.versions.all()]}


def _version(version: Any) -> dict[str, Any]:
    told = values(type(version).objects.filter(pk=version.pk), VERSION)[0]
    files = values(version.files, "path size sha256")
    images = values(version.images, "id prompt negative_prompt seed strength created_at")
    return {**told, "files": files, "previews": images}


def uploads(user: User) -> Rows:
    return values(Upload.objects.filter(created_by=user), "id filename length offset created_at consumed_at")


def pictures(user: User) -> Rows:
    mine = SamplePicture.objects.filter(added_by=user)
    return values(mine, "id version_id kind state sha256 width height added_at")


def downloads(user: User) -> Rows:
    """Every acceptance with the receipt as it was signed, and the texts that went with it."""
    mine = Receipt.objects.filter(acceptance__user=user).select_related("acceptance__terms").order_by("issued_at", "pk")
    return [
        {
            "receipt": receipt.body,
            "notice": receipt.notice,
            "terms": receipt.acceptance.terms.text,
            "accepted_at": receipt.acceptance.accepted_at,
            "first_delivered_at": receipt.first_delivered_at,
        }
        for receipt in mine
    ]


def ratings(user: User) -> Rows:
    return values(Rating.objects.filter(user=user), "adapter_id stars updated_at")


def access_requests(user: User) -> Rows:
    return values(AccessRequest.objects.filter(user=user), "adapter_id state reason answer asked_at decided_at")


def discussions(user: User) -> Rows:
    """What the person opened, said, and changed; of hidden comments the text too, with the reason that was given."""
    opened = Discussion.objects.filter(author=user).select_related("adapter__owner").order_by("pk")
    said = DiscussionComment.objects.filter(author=user).select_related("discussion__adapter__owner").order_by("pk")
    changed = DiscussionEvent.objects.filter(by=user).select_related("discussion__adapter__owner").order_by("pk")
    return [
        *({"opened": str(row), **values([row], "title status created_at closed_at")[0]} for row in opened),
        *({"comment_in": str(row.discussion), **values([row], COMMENT)[0]} for row in said),
        *({"changed": str(row.discussion), **values([row], "kind before after at")[0]} for row in changed),
    ]


PARTS_OF_ADAPTERS: dict[str, Callable[[User], Rows]] = {
    "adapters": adapters,
    "uploads": uploads,
    "pictures": pictures,
    "downloads": downloads,
    "ratings": ratings,
    "access_requests": access_requests,
    "discussions": discussions,
}
