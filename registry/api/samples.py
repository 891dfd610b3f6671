"""Pictures of a version: which there are, and attaching more."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from registry.models import SampleKind, SamplePicture
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version
from registry.selectors.visibility import samples_readable_by
from registry.services.samples import MAX_SAMPLES, Sample, samples_add


class SampleSerializer(serializers.ModelSerializer[SamplePicture]):
    """A picture that somebody attached, and whether the screening has cleared it."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = SamplePicture
        fields = ["id", "url", "kind", "state", "width", "height", "added_at"]
        read_only_fields = fields

    def get_url(self, sample: SamplePicture) -> str:
        path = f"/pictures/{sample.pk}.png"
        request = self.context.get("request")
        return str(request.build_absolute_uri(path)) if request else path


class SamplesSerializer(serializers.Serializer[Any]):
    """Pictures to attach, as multipart form data."""

    pictures = serializers.ListField(child=serializers.FileField(), min_length=1, max_length=MAX_SAMPLES)
    kind = serializers.ChoiceField(choices=SampleKind.choices, default=SampleKind.EXAMPLE)


class SamplesView(APIView):
    """The pictures that people attached to a version."""

    parser_classes = [MultiPartParser]

    @extend_schema(responses=SampleSerializer(many=True), operation_id="version_pictures_list")
    def get(self, request: Request, owner: str, name: str, number: int) -> Response:
        version = access_version(actor=request.user, owner=owner, name=name, number=number)
        shown = samples_readable_by(request.user).filter(version=version)
        return Response(SampleSerializer(shown, many=True, context={"request": request}).data)

    @extend_schema(
        request={"multipart/form-data": SamplesSerializer},
        responses={201: SampleSerializer(many=True)},
        operation_id="version_pictures_add",
    )
    def post(self, request: Request, owner: str, name: str, number: int) -> Response:
        """Attach pictures; each is screened before others see it. All are taken, or none."""
        version = access_version(
            actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
        )
        given = SamplesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        kind = SampleKind(given.validated_data["kind"])
        samples = [Sample(file.name, file.read(), kind) for file in given.validated_data["pictures"]]
        added = samples_add(version=version, actor=acting_user(request), samples=samples)
        return Response(SampleSerializer(added, many=True, context={"request": request}).data, status=201)
