"""The newest published versions, as strangers may see them."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import Namespace
from registry.models import Adapter, Version
from registry.models.adapters import LISTED
from registry.selectors.search import AdapterQuery, search_condition
from registry.selectors.visibility import versions_readable_by
from registry.states import VersionState

SHOWN = 50
# A search looks through this many of the newest versions: a word that nobody writes costs no more than another.
SEARCHED = 5000


def newest_versions(*, owner: Namespace | None = None, adapter: Adapter | None = None) -> list[Version]:
    """The newest versions of the site, of an owner or of an adapter."""
    rows = _published()
    if owner is not None:
        rows = rows.filter(adapter__owner=owner)
    if adapter is not None:
        rows = rows.filter(adapter=adapter)
    return _loaded(rows)


def newest_matching(*, query: AdapterQuery) -> list[Version]:
    """The newest versions of adapters that the search finds."""
    recent = _published().order_by("-published_at", "-pk").values("adapter")[:SEARCHED]
    found = Adapter.objects.filter(LISTED, search_condition(query), pk__in=recent)
    return _loaded(_published().filter(adapter__in=found.values("pk")))


def _published() -> QuerySet[Version]:
    return versions_readable_by(AnonymousUser()).filter(state=VersionState.PUBLISHED)


def _loaded(rows: QuerySet[Version]) -> list[Version]:
    related = rows.select_related("adapter__owner", "base_model")
    return list(related.defer("adapter__search").order_by("-published_at", "-pk")[:SHOWN])
