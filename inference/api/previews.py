"""Preview jobs in the API."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound
from inference.models import PreviewFacts, PreviewJob
from inference.services.previews import preview_cancel, preview_retry
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version, access_version_by_id
from registry.selectors.visibility import versions_readable_by


class PreviewFactsSerializer(serializers.ModelSerializer[PreviewFacts]):
    """Mean colour differences (ΔE*ab, CIE 1976) against the base alone; null where there were no pictures for one."""

    curve = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="Pairs of strength and change.",
    )

    class Meta:
        model = PreviewFacts
        fields = ["reference", "curve", "change", "with_trigger", "without_trigger", "diversity", "base_diversity"]
        fields += ["measured_at"]
        read_only_fields = fields


class PreviewJobSerializer(serializers.ModelSerializer[PreviewJob]):
    share = serializers.FloatField(read_only=True, help_text="How much is done, 0 to 1.")
    facts = PreviewFactsSerializer(read_only=True, allow_null=True)

    class Meta:
        model = PreviewJob
        fields = ["id", "state", "problem", "pictures_done", "pictures_total", "step", "steps", "share", "attempts"]
        fields += ["created_at", "started_at", "finished_at", "facts"]
        read_only_fields = fields


class PreviewJobsView(APIView):
    """The preview jobs of a version, newest first."""

    @extend_schema(responses=PreviewJobSerializer(many=True), operation_id="preview_jobs_list")
    def get(self, request: Request, owner: str, name: str, number: int) -> Response:
        version = access_version(actor=request.user, owner=owner, name=name, number=number)
        return Response(PreviewJobSerializer(version.preview_jobs.select_related("facts")[:20], many=True).data)


class _JobView(APIView):
    def job(self, request: Request, pk: uuid.UUID) -> PreviewJob:
        job = PreviewJob.objects.filter(pk=pk, version__in=versions_readable_by(request.user)).first()
        if job is None:
            raise NotFound("There is no such job that you may see.")
        job.version = access_version_by_id(
            actor=request.user, pk=job.version_id, permission=AdapterPermission.CONTRIBUTE
        )
        return job


class PreviewCancelView(_JobView):
    """Stop a job."""

    @extend_schema(request=None, responses=PreviewJobSerializer, operation_id="preview_cancel")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        job = self.job(request, pk)
        preview_cancel(job=job, actor=acting_user(request))
        job.refresh_from_db()
        return Response(PreviewJobSerializer(job).data)


class PreviewRetryView(_JobView):
    """Render again."""

    @extend_schema(request=None, responses={201: PreviewJobSerializer}, operation_id="preview_retry")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        again: Any = preview_retry(job=self.job(request, pk), actor=acting_user(request))
        return Response(PreviewJobSerializer(again).data, status=201)
