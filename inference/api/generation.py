"""Generation in the API: asking, following, cancelling, batches, pictures, and what can be chosen."""

import uuid
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from governance.policy import Use
from inference.api.generation_serializers import (
    BatchAskSerializer,
    BatchSerializer,
    CheckSerializer,
    GallerySerializer,
    GenerationSerializer,
    OptionsSerializer,
    PicturesAskSerializer,
    asked,
)
from inference.batch_files import FileRefused, requests_of
from inference.errors import GenerationRefused
from inference.generation_options import PURPOSES, bases_here, defaults_of, limits_of, specs_by_base
from inference.selectors.generation import (
    access_batch,
    access_generated,
    access_generation,
    generations_of,
    picture_file,
    watched,
)
from inference.selectors.generation_check import generation_check
from inference.services.galleries import picture_to_gallery
from inference.services.generation import generation_ask, generation_counts, generations_ask
from inference.services.generation_results import generation_cancel, generation_delete
from registry.models import BaseModel
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version
from registry.views.images import picture_response

A_PAGE = 50


class GenerationsView(APIView):
    """What you asked for, newest first, and asking for more."""

    @extend_schema(
        responses=GenerationSerializer(many=True),
        operation_id="generations_list",
        parameters=[OpenApiParameter("before", OpenApiTypes.DATETIME, description="Only those asked for before this.")],
    )
    def get(self, request: Request) -> Response:
        found = generations_of(acting_user(request)).prefetch_related("pictures", "adapters__version__adapter__owner")
        if before := request.query_params.get("before"):
            found = found.filter(created_at__lt=serializers.DateTimeField().to_internal_value(before))
        return Response(GenerationSerializer(found[:A_PAGE], many=True, context={"request": request}).data)

    @extend_schema(request=PicturesAskSerializer, responses={201: GenerationSerializer}, operation_id="generation_ask")
    def post(self, request: Request) -> Response:
        """Ask for pictures. The answer comes at once; follow `url` until `state` is no longer queued or running."""
        actor = acting_user(request)
        given = PicturesAskSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = generation_ask(actor=actor, spec=asked(given.validated_data))
        return Response(GenerationSerializer(made, context={"request": request}).data, status=201)


class GenerationCheckView(APIView):
    """What would come of a request, without asking for it: each adapter, each mistake, how many pictures."""

    @extend_schema(request=PicturesAskSerializer, responses=CheckSerializer, operation_id="generation_check")
    def post(self, request: Request) -> Response:
        given = PicturesAskSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        spec = asked(given.validated_data)
        base = bases_here().filter(slug=spec.base_model).first()
        if base is None or spec.purpose not in set(PURPOSES):
            raise GenerationRefused("There is no such base model or purpose here.", errors={})
        checked = generation_check(actor=acting_user(request), spec=spec, base=base)
        return Response(CheckSerializer(checked).data)


class GenerationOptionsView(APIView):
    """Base models whose weights are here, with their own values, samplers and limits; and your quotas."""

    @extend_schema(responses=OptionsSerializer, operation_id="generation_options")
    def get(self, request: Request) -> Response:
        waiting, today = generation_counts(actor=acting_user(request))
        quota = {
            "waiting": waiting,
            "waiting_most": settings.GENERATION_WAITING_PER_USER,
            "today": today,
            "a_day": settings.GENERATION_PICTURES_A_DAY,
        }
        bases = [_options(base) for base in bases_here()]
        return Response({"base_models": bases, "purposes": [use.value for use in PURPOSES], "quota": quota})


def _options(base: BaseModel) -> dict[str, Any]:
    own, limits = defaults_of(base), limits_of(base)
    return {
        "slug": base.slug,
        "name": base.name,
        "family": base.family,
        "steps": own.steps,
        "guidance": own.guidance,
        "width": own.width,
        "height": own.height,
        "multiple": limits.multiple,
        "pixels_most": limits.pixels,
        "steps_most": limits.steps,
        "pictures_most": limits.pictures,
        "samplers": dict(limits.samplers),
    }


class GenerationView(APIView):
    """One of your generations with its pictures."""

    @extend_schema(responses=GenerationSerializer, operation_id="generation_get")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        found = access_generation(actor=request.user, pk=pk)
        watched(found)
        return Response(GenerationSerializer(found, context={"request": request}).data)

    @extend_schema(request=None, responses={204: None}, operation_id="generation_delete")
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        """Delete its prompt and pictures; the decisions stay on record."""
        generation_delete(generation=access_generation(actor=acting_user(request), pk=pk))
        return Response(status=204)


class GenerationCancelView(APIView):
    """Stop what is not drawn yet."""

    @extend_schema(request=None, responses=GenerationSerializer, operation_id="generation_cancel")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        found = access_generation(actor=acting_user(request), pk=pk)
        generation_cancel(generation=found)
        found.refresh_from_db()
        return Response(GenerationSerializer(found, context={"request": request}).data)


class GenerationBatchesView(APIView):
    """Many requests at once."""

    @extend_schema(request=BatchAskSerializer, responses={201: BatchSerializer}, operation_id="generation_batch_ask")
    def post(self, request: Request) -> Response:
        """All requests are taken, or none: `rows` of the refusal says what is wrong, by number."""
        actor = acting_user(request)
        given = BatchAskSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        defaults = specs_by_base(purpose=Use(data["purpose"]))
        try:
            specs = requests_of(data["requests"], defaults=defaults, base_model=data["base_model"])
        except FileRefused as refusal:
            raise GenerationRefused(str(refusal), errors={}, rows=refusal.rows) from refusal
        batch = generations_ask(actor=actor, specs=specs, name=data["name"])
        return Response(BatchSerializer(batch, context={"request": request}).data, status=201)


class GenerationBatchView(APIView):
    """One of your batches with its generations."""

    @extend_schema(responses=BatchSerializer, operation_id="generation_batch_get")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        found = access_batch(actor=request.user, pk=pk)
        return Response(BatchSerializer(found, context={"request": request}).data)


class GeneratedImageView(APIView):
    """The PNG of a finished picture, with its marks."""

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY}, operation_id="generated_image")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        return picture_response(picture_file(access_generated(actor=request.user, pk=pk)))


class GeneratedGalleryView(APIView):
    """A result in the gallery of an adapter that it was drawn with."""

    @extend_schema(request=GallerySerializer, responses={201: None}, operation_id="generated_to_gallery")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        found = access_generated(actor=actor, pk=pk)
        given = GallerySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        version = access_version(actor=actor, permission=AdapterPermission.CONTRIBUTE, **given.validated_data)
        added = picture_to_gallery(picture=found, version=version, actor=actor)
        return Response({"picture": str(added.pk), "state": added.state}, status=201)
