"""What a run made, to be fetched: its sample pictures and its written adapters."""

import uuid

from django.core.files.storage import default_storage
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.scopes import Scope
from registry.views.images import picture_response
from training.selectors.runs import access_run_file, access_sample


class TrainingSampleContentView(APIView):
    """A sample picture: for whoever may read its run."""

    @extend_schema(responses={(200, "image/png"): OpenApiTypes.BINARY}, operation_id="training_sample_content")
    def get(self, request: Request, pk: uuid.UUID) -> FileResponse:
        return picture_response(access_sample(actor=acting_user(request), pk=pk).storage_key)


class TrainingFileContentView(APIView):
    """A written adapter in one layout, for the run's own people; others pass the gate of the version."""

    required_scopes = [Scope.DOWNLOAD]

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, operation_id="training_run_file")
    def get(self, request: Request, pk: uuid.UUID, file: uuid.UUID) -> FileResponse:
        found = access_run_file(actor=acting_user(request), public_id=pk, file=file)
        return FileResponse(default_storage.open(found.storage_key, "rb"), as_attachment=True, filename=found.filename)
