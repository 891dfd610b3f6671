"""Endpoints of a dataset's pictures and their captions."""

import uuid
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound
from training.api import dataset_serializers as s
from training.api.datasets import DatasetView
from training.models import DatasetEdit, DatasetPicture, EditKind
from training.permissions import DatasetPermission, permission_to_change
from training.selectors.consents import consent_to_rest_on
from training.selectors.dataset_pages import FILTERS, pictures_shown
from training.selectors.datasets import access_picture
from training.services.captioning import MODES, captioners, captioning_queue
from training.services.captions import EditRule, caption_set, edit_apply, edit_preview, edit_undo
from training.services.pictures import pictures_change, pictures_remove
from training.views.dataset_pictures import picture_answer

P = DatasetPermission
PAGE = 200


class DatasetPicturesView(DatasetView):
    """The pictures of a dataset, by path."""

    @extend_schema(
        parameters=[
            OpenApiParameter("show", OpenApiTypes.STR, enum=list(FILTERS)),
            OpenApiParameter("after", OpenApiTypes.STR, description="The last path of the page before."),
        ],
        responses=s.DatasetPictureSerializer(many=True),
        operation_id="dataset_pictures",
    )
    def get(self, request: Request, owner: str, name: str) -> Response:
        """At most 200; ask again with `after` until none is left."""
        found = self.dataset(request, owner, name, P.READ)
        rows = pictures_shown(found, request.query_params.get("show", "all")).order_by("path")
        if after := request.query_params.get("after", "").replace("\0", ""):
            rows = rows.filter(path__gt=after)
        page = rows.select_related("consent")[:PAGE]
        return Response(s.DatasetPictureSerializer(page, many=True, context={"request": request}).data)


class PictureView(APIView):
    """What the endpoints of one picture share."""

    def picture(self, request: Request, pk: uuid.UUID, permission: DatasetPermission) -> DatasetPicture:
        return access_picture(actor=acting_user(request), public_id=pk, permission=permission)


class DatasetPictureView(PictureView):
    """One picture."""

    @extend_schema(responses=s.DatasetPictureSerializer, operation_id="dataset_picture_read")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        picture = self.picture(request, pk, P.READ)
        return Response(s.DatasetPictureSerializer(picture, context={"request": request}).data)

    @extend_schema(
        request=s.PictureEditSerializer, responses=s.DatasetPictureSerializer, operation_id="dataset_picture_edit"
    )
    def patch(self, request: Request, pk: uuid.UUID) -> Response:
        picture, actor = self.picture(request, pk, P.CONTRIBUTE), acting_user(request)
        body = s.PictureEditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(body.validated_data)
        self.picture(request, pk, permission_to_change(changes))
        caption, was = changes.pop("caption", None), changes.pop("caption_was", None)
        extra: dict[str, Any] = {}
        if "consent" in changes:
            named = changes.pop("consent")
            extra["consent"] = consent_to_rest_on(picture.dataset, str(named)) if named else None
        if changes or extra:
            pictures_change(dataset=picture.dataset, actor=actor, pictures=[pk], changes=changes, **extra)
        if caption is not None:
            caption_set(picture=picture, actor=actor, caption=caption, was=was)
        picture.refresh_from_db()
        return Response(s.DatasetPictureSerializer(picture, context={"request": request}).data)

    @extend_schema(responses={204: None}, operation_id="dataset_picture_delete")
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        picture = self.picture(request, pk, P.CONTRIBUTE)
        pictures_remove(dataset=picture.dataset, actor=acting_user(request), pictures=[pk])
        return Response(status=204)


class DatasetPictureContentView(PictureView):
    """The stored picture: its pixels alone."""

    @extend_schema(
        responses={(200, "image/png"): OpenApiTypes.BINARY, (200, "image/jpeg"): OpenApiTypes.BINARY},
        operation_id="dataset_picture_content",
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        picture = self.picture(request, pk, P.READ)
        answer: HttpResponse = picture_answer(picture, picture.storage_key)
        return answer


class DatasetPictureThumbView(PictureView):
    """A small copy."""

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY}, operation_id="dataset_picture_thumb")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        picture = self.picture(request, pk, P.READ)
        answer: HttpResponse = picture_answer(picture, picture.thumb_key)
        return answer


class CaptionersView(APIView):
    """The captioners that this registry has, and where they may write."""

    @extend_schema(responses=s.CaptionersSerializer, operation_id="dataset_captioners")
    def get(self, request: Request) -> Response:
        acting_user(request)
        return Response(s.CaptionersSerializer({"captioners": captioners(), "modes": list(MODES)}).data)


class DatasetCaptionsView(DatasetView):
    """Captions changed by a rule."""

    @extend_schema(responses=s.CaptionEditSerializer(many=True), operation_id="dataset_caption_edits")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.READ)
        return Response(s.CaptionEditSerializer(found.edits.all()[:20], many=True).data)

    @extend_schema(
        request=s.CaptionRuleSerializer,
        responses={200: s.CaptionPreviewSerializer, 201: s.CaptionEditSerializer},
        operation_id="dataset_captions_edit",
    )
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Preview a rule, or with `shown` apply exactly what the preview showed."""
        found = self.dataset(request, owner, name, P.CONTRIBUTE)
        body = s.CaptionRuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(body.validated_data)
        shown, pictures = given.pop("shown"), given.pop("pictures")
        kind = EditKind(given.pop("kind"))
        rule = EditRule(kind=kind, pictures=None if pictures is None else tuple(pictures), **given)
        if not shown:
            return Response(s.CaptionPreviewSerializer(edit_preview(dataset=found, rule=rule)).data)
        edit = edit_apply(dataset=found, actor=acting_user(request), rule=rule, shown=shown)
        return Response(s.CaptionEditSerializer(edit).data, status=201)


class DatasetEditUndoView(DatasetView):
    """A change of captions, undone."""

    @extend_schema(request=None, responses=s.CaptionEditSerializer, operation_id="dataset_captions_undo")
    def post(self, request: Request, owner: str, name: str, pk: uuid.UUID) -> Response:
        found = self.dataset(request, owner, name, P.CONTRIBUTE)
        edit = DatasetEdit.objects.filter(dataset=found, public_id=pk).first()
        if edit is None:
            raise NotFound("There is no such change of captions.")
        edit_undo(edit=edit, actor=acting_user(request))
        edit.refresh_from_db()
        return Response(s.CaptionEditSerializer(edit).data)


class DatasetCaptioningView(DatasetView):
    """Captions by a model."""

    @extend_schema(
        request=s.CaptioningSerializer, responses={202: s.DatasetJobSerializer}, operation_id="dataset_captioning"
    )
    def post(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.CONTRIBUTE)
        body = s.CaptioningSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        job = captioning_queue(dataset=found, actor=acting_user(request), **body.validated_data)
        return Response(s.DatasetJobSerializer(job).data, status=202)
