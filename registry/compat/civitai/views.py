"""Endpoints for models, versions, hashes and pictures."""

import uuid
from typing import Any

from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import NotFound
from registry.compat.civitai import params as p
from registry.compat.civitai import words as w
from registry.compat.civitai.access import CivitaiView, root_of
from registry.compat.civitai.errors import BadRequest
from registry.compat.civitai.hashes import ids_by_hash, published_versions, version_by_hash, versions_by_sha256
from registry.compat.civitai.listing import ModelPage, model_query, models_page, period_start
from registry.compat.civitai.pictures import Wanted, listed_picture_json, pictures_page
from registry.compat.civitai.shapes import model_json, moment, shelf, versions_json
from registry.models.adapters import ContentLevel
from registry.selectors.visibility import adapters_readable_by

HASHES, HASH_IDS = 100, 10_000  # of one call
IMAGES, MOST_IMAGES = 50, 200
IMAGE_SORTS = ("Newest", "Oldest", "Most Reactions", "Most Comments", "Most Collected")
IMAGE_LEVELS = {
    "none": (ContentLevel.GENERAL,),
    "soft": (ContentLevel.GENERAL, ContentLevel.SUGGESTIVE),
    "mature": tuple(ContentLevel),
    "x": tuple(ContentLevel),
    "false": (ContentLevel.GENERAL, ContentLevel.SUGGESTIVE),
    "true": tuple(ContentLevel),
    "": (ContentLevel.GENERAL, ContentLevel.SUGGESTIVE),
}


def _next_page(request: Request, cursor: str) -> str:
    query = request.query_params.copy()
    for name in ("page", "token"):
        query.pop(name, None)
    query["cursor"] = cursor
    return f"{root_of(request)}{request.path}?{query.urlencode()}"


def _metadata(request: Request, cursor: str, page: int | None, limit: int) -> dict[str, Any]:
    found: dict[str, Any] = {"nextCursor": cursor, "nextPage": _next_page(request, cursor)} if cursor else {}
    return found | ({"currentPage": page, "pageSize": limit} if page else {})


class ModelsView(CivitaiView):
    """`GET /api/v1/models`"""

    def get(self, request: Request) -> Response:
        if p.flag_of(request.query_params, "favorites") or p.flag_of(request.query_params, "hidden"):
            return _own_lists(request)
        query = model_query(request.query_params)
        page: ModelPage = models_page(actor=request.user, query=query)
        found = shelf(actor=request.user, adapters=page.adapters, root=root_of(request))
        primary = bool(p.flag_of(request.query_params, "primaryFileOnly"))
        items = [model_json(adapter, found, primary_only=primary) for adapter in page.adapters]
        return Response({"items": items, "metadata": _metadata(request, page.next_cursor, query.page, query.limit)})


def _own_lists(request: Request) -> Response:
    """Favourites and hidden models are lists of somebody's own; nobody has put anything on one here."""
    if not request.user.is_authenticated:
        return Response({"error": "Sign in to see your own lists: send a token."}, status=401)
    return Response({"items": [], "metadata": {}})


class ModelView(CivitaiView):
    """`GET /api/v1/models/{id}`; what was taken down answers with its notice."""

    def get(self, request: Request, pk: int) -> Response:
        readable = adapters_readable_by(request.user).filter(published_at__isnull=False)
        adapter = readable.select_related("owner", "base_model", "latest").filter(pk=pk).first()
        if adapter is None:
            raise NotFound(f"No model with id {pk}", remedy="")
        found = shelf(actor=request.user, adapters=[adapter], root=root_of(request))
        return Response(model_json(adapter, found))


class VersionView(CivitaiView):
    """`GET /api/v1/model-versions/{id}`"""

    def get(self, request: Request, pk: int) -> Response:
        version = published_versions(request.user).filter(pk=pk).first()
        if version is None:
            raise NotFound(f"No model version with id {pk}", remedy="")
        return Response(versions_json([version], actor=request.user, root=root_of(request))[0])


class HashView(CivitaiView):
    """`GET /api/v1/model-versions/by-hash/{hash}`"""

    def get(self, request: Request, value: str) -> Response:
        version = version_by_hash(actor=request.user, value=value)
        if version is None:
            raise NotFound("Model not found", remedy="")
        return Response(versions_json([version], actor=request.user, root=root_of(request))[0])


def _hashes(request: Request, most: int) -> list[str]:
    if not isinstance(request.data, list) or not all(isinstance(value, str) for value in request.data):
        raise BadRequest("Send a JSON list of hashes.")
    if len(request.data) > most:
        raise BadRequest(f"Send at most {most:,} hashes at once; these are {len(request.data):,}.")
    return [value.strip()[:64] for value in request.data]


class HashesView(CivitaiView):
    """`POST /api/v1/model-versions/by-hash`"""

    def post(self, request: Request) -> Response:
        versions = versions_by_sha256(actor=request.user, values=_hashes(request, HASHES))
        return Response(versions_json(versions, actor=request.user, root=root_of(request)))


class HashIdsView(CivitaiView):
    """`POST /api/v1/model-versions/by-hash/ids`"""

    def post(self, request: Request) -> Response:
        found = ids_by_hash(actor=request.user, values=_hashes(request, HASH_IDS))
        return Response(
            [{"modelVersionId": version, "modelId": adapter, "hash": value} for version, adapter, value in found]
        )


class ImagesView(CivitaiView):
    """`GET /api/v1/images`"""

    def get(self, request: Request) -> Response:
        query = request.query_params
        sort = p.one_of(query, "sort", IMAGE_SORTS, "Newest")
        limit = p.number_of(query, "limit", default=IMAGES, most=MOST_IMAGES)
        found = pictures_page(
            actor=request.user,
            wanted=_wanted(query),
            rising=sort == "Oldest",
            place=_image_place(query, sort),
            most=limit + 1,
        )
        more, shown = len(found) > limit, found[:limit]
        root = root_of(request)
        cursor = p.cursor_of(sort, shown[-1].made_at, str(shown[-1].row.pk)) if more else ""
        items = [listed_picture_json(picture, root, moment(picture.made_at)) for picture in shown]
        return Response({"items": items, "metadata": _metadata(request, cursor, None, limit)})


def _wanted(query: QueryDict) -> Wanted:
    level = p.text_of(query, "nsfw").casefold()
    if level not in IMAGE_LEVELS:
        raise BadRequest("nsfw is one of None, Soft, Mature, X, true, false.")
    return Wanted(
        adapter=p.id_of(query, "modelId"),
        version=p.id_of(query, "modelVersionId") or p.id_of(query, "postId"),
        owner=p.text_of(query, "username").lower(),
        levels=IMAGE_LEVELS[level],
        since=period_start(query),
    )


def _image_place(query: QueryDict, sort: str) -> tuple[Any, uuid.UUID] | None:
    found = p.read_cursor(query, sort)
    if found is None:
        return None
    try:
        return p.moment_of(found[0]), uuid.UUID(str(found[1]))
    except ValueError as error:
        raise BadRequest("The cursor cannot be read. Start again without it.") from error


class EnumsView(CivitaiView):
    """`GET /api/v1/enums`"""

    def get(self, request: Request) -> Response:
        return Response(
            {
                "ModelType": [*w.TYPES, *w.OTHER_TYPES],
                "ModelFileType": ["Model"],
                "ActiveBaseModel": w.accepted_base_models(),
                "BaseModel": w.accepted_base_models(),
                "BaseModelType": ["Standard"],
                "ModelSort": list(w.SORTS),
                "MetricTimeframe": list(w.PERIODS),
                "CommercialUse": list(w.COMMERCIAL),
            }
        )
