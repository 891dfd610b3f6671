"""The copy of the newest published version on its adapter: what search, facets and cards read."""

from collections.abc import Iterable

from django.contrib.postgres.search import SearchVector
from django.db.models import Value

from governance.policy import Outcome
from registry.models import Adapter, Lineage, Version
from registry.models.adapters import Visibility
from registry.services.policy import permissions_of
from registry.states import VersionState

COPIED = ["latest", "listed", "published_at", "base_model", "family", "kind", "licence_id"]
COPIED += ["trigger_words", "tag_names", "permitted_uses", "thumbnail", "updated_at"]


def adapter_refresh(*, adapter: Adapter) -> Adapter:
    """Bring the adapter's own row up to date with its versions, inside the caller's transaction."""
    latest = (
        Version.objects.filter(adapter=adapter, state=VersionState.PUBLISHED)
        .select_related("base_model")
        .order_by("-number")
        .first()
    )
    adapter.latest = latest
    adapter.listed = latest is not None and adapter.visibility == Visibility.PUBLIC
    adapter.tag_names = sorted(adapter.tags.values_list("name", flat=True))
    adapter.thumbnail = ""
    if latest is not None:
        _copy(adapter, latest)
    adapter.save(update_fields=COPIED)
    adapter_index(adapter=adapter)
    return adapter


def permissions_refresh(*, version_ids: Iterable[int]) -> None:
    """Work out anew what may be done with these versions and with all that was made from them.

    For when what they rest on has changed; inside the caller's transaction. Adapters are locked in the order in which
    every service locks them.
    """
    found = frontier = set(version_ids)
    while frontier:
        children = Lineage.objects.filter(parent__in=frontier).values_list("child_id", flat=True)
        frontier = set(children) - found
        found = found | frontier
    versions = Version.objects.filter(pk__in=found, inspected_at__isnull=False).order_by("adapter_id", "pk")
    for version in versions.select_related("adapter__owner", "base_model", "created_by"):
        adapter = Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
        version.permissions = permissions_of(version)
        version.save(update_fields=["permissions"])
        if adapter.latest_id == version.pk:
            adapter_refresh(adapter=adapter)


def _copy(adapter: Adapter, latest: Version) -> None:
    adapter.published_at = adapter.published_at or latest.published_at
    adapter.base_model = latest.base_model
    adapter.family = latest.base_model.family
    adapter.kind = latest.kind
    adapter.licence_id = latest.licence_id
    adapter.trigger_words = latest.trigger_words
    uses: dict[str, dict[str, object]] = latest.permissions.get("uses", {})
    adapter.permitted_uses = sorted(use for use, answer in uses.items() if answer["outcome"] == Outcome.ALLOW.value)
    picture = latest.images.filter(screened_at__isnull=False).order_by("row", "-strength").first()
    adapter.thumbnail = str(picture.pk) if picture else ""


def adapter_index(*, adapter: Adapter) -> None:
    """Write down the words that find the adapter; those of its name weigh most, those of its description least."""
    names = " ".join([adapter.title, adapter.name.replace("-", " "), adapter.name, *adapter.trigger_words])
    tags = " ".join([*adapter.tag_names, adapter.kind, adapter.family, adapter.owner.slug])
    Adapter.objects.filter(pk=adapter.pk).update(
        search=SearchVector(Value(names), weight="A", config="simple")
        + SearchVector(Value(tags), weight="B", config="simple")
        + SearchVector(Value(adapter.description), weight="D", config="simple")
    )
