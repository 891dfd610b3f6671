"""Creators and tags, by page numbers with totals: only those with something that everybody may find."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Namespace
from registry.compat.civitai import params as p
from registry.compat.civitai.access import CivitaiView, root_of
from registry.models import Adapter, Tag

LIMIT, MOST, LAST_PAGE = 20, 200, 10_000


class _PagedView(CivitaiView):
    """A list in pages that are counted."""

    def rows(self, text: str) -> QuerySet[Any, Any]:
        raise NotImplementedError

    def item(self, row: Any, root: str) -> dict[str, Any]:
        raise NotImplementedError

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit = p.number_of(query, "limit", default=LIMIT, least=0, most=MOST) or MOST
        page = p.number_of(query, "page", default=1, most=LAST_PAGE)
        rows = self.rows(p.text_of(query, "query").lower())
        total = rows.count()
        shown = rows[(page - 1) * limit : page * limit]
        root = root_of(request)
        return Response(
            {
                "items": [self.item(row, root) for row in shown],
                "metadata": _metadata(request, total=total, page=page, limit=limit),
            }
        )


def _metadata(request: Request, *, total: int, page: int, limit: int) -> dict[str, Any]:
    pages = max(1, -(-total // limit))
    metadata = {"totalItems": total, "currentPage": page, "pageSize": limit, "totalPages": pages}
    beside = {"nextPage": page + 1 if page < pages else None, "prevPage": page - 1 if page > 1 else None}
    return metadata | {name: _address(request, number) for name, number in beside.items() if number}


def _address(request: Request, page: int) -> str:
    query = request.query_params.copy()
    query.pop("token", None)
    query["page"] = str(page)
    return f"{root_of(request)}{request.path}?{query.urlencode()}"


class CreatorsView(_PagedView):
    """`GET /api/v1/creators`"""

    def rows(self, text: str) -> QuerySet[Any, Any]:
        listed = Count("adapters", filter=Q(adapters__listed=True))
        found = Namespace.objects.annotate(n=listed).filter(n__gt=0)
        return (found.filter(slug__contains=text) if text else found).order_by("-n", "slug").values("slug", "n")

    def item(self, row: Any, root: str) -> dict[str, Any]:
        link = f"{root}/api/v1/models?{urlencode({'username': row['slug']})}"
        return {"username": row["slug"], "modelCount": row["n"], "link": link, "image": None}


class TagsView(_PagedView):
    """`GET /api/v1/tags`"""

    def rows(self, text: str) -> QuerySet[Any, Any]:
        used = Adapter.objects.filter(listed=True, tags=OuterRef("pk"))
        found = Tag.objects.filter(Exists(used))
        return (found.filter(name__contains=text) if text else found).order_by(F("name").asc()).values("name")

    def item(self, row: Any, root: str) -> dict[str, Any]:
        return {"name": row["name"], "link": f"{root}/api/v1/models?{urlencode({'tag': row['name']})}"}
