"""Making in the API: plans with their decision and terms, jobs, other forms of files."""

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.scopes import Scope
from inference.api import making_serializers as s
from inference.errors import JobConflict
from inference.models import Making, MakingJob
from inference.selectors.making import access_making, making_of, makings_of
from inference.services.making_checkpoints import checkpoint_token
from inference.services.making_forms import access_receipt_whole, form_request, form_token, forms_of
from inference.services.making_jobs import making_cancel, making_retry
from inference.services.making_plans import MakingPlan, making_queue, making_start
from inference.services.making_results import draft_of, making_publish
from registry.models import Receipt
from registry.selectors.access import access_version

A_PAGE = 50


def _job(request: Request, job: MakingJob) -> dict[str, Any]:
    data: dict[str, Any] = s.MakingJobSerializer(job, context={"request": request}).data
    return data


class MakingJobsView(APIView):
    """Your jobs, newest first."""

    @extend_schema(responses=s.MakingJobSerializer(many=True), operation_id="making_jobs_list")
    def get(self, request: Request) -> Response:
        found = makings_of(actor=acting_user(request))[:A_PAGE]
        return Response(s.MakingJobSerializer(found, many=True, context={"request": request}).data)


class _PlanView(APIView):
    """Without `accepted_terms` the answer is the problem `acceptance-needed` with the terms of all parts and their
    digest, or the refusal with its decision; with the digest the job is queued.
    """

    kind: Making
    serializer: type[s.PlanSerializer]
    # Merging takes the weights of every part, so a token needs what a download needs as well.
    writing_scopes = [Scope.WRITE, Scope.DOWNLOAD]

    def plan(self, request: Request) -> tuple[MakingPlan, str]:
        body = self.serializer(data=request.data)
        body.is_valid(raise_exception=True)
        return body.plan(acting_user(request), self.kind), body.validated_data.get("accepted_terms", "")

    def start(self, request: Request) -> Response:
        plan, accepted = self.plan(request)
        job = making_start(actor=acting_user(request), plan=plan, accepted_terms=accepted)
        return Response(_job(request, job), status=201)


class MergesView(_PlanView):
    """Several adapters as one, which becomes a draft."""

    kind, serializer = Making.MERGE, s.MergeSerializer

    @extend_schema(request=s.MergeSerializer, responses={201: s.MakingJobSerializer}, operation_id="making_merge")
    def post(self, request: Request) -> Response:
        return self.start(request)


class CheckpointsView(_PlanView):
    """A base model with adapters in it, where the base may be given on."""

    kind, serializer = Making.CHECKPOINT, s.CheckpointSerializer

    @extend_schema(
        request=s.CheckpointSerializer, responses={201: s.MakingJobSerializer}, operation_id="making_checkpoint"
    )
    def post(self, request: Request) -> Response:
        return self.start(request)


class ExtractionsView(_PlanView):
    """The difference of two checkpoints as an adapter, which becomes a draft."""

    kind, serializer = Making.EXTRACT, s.ExtractSerializer

    @extend_schema(request=s.ExtractSerializer, responses={201: s.MakingJobSerializer}, operation_id="making_extract")
    def post(self, request: Request) -> Response:
        return self.start(request)


class ComparisonsView(_PlanView):
    """A conflict report of adapters at their weights."""

    kind, serializer = Making.COMPARE, s.CompareSerializer
    writing_scopes = [Scope.WRITE]

    @extend_schema(request=s.CompareSerializer, responses={201: s.MakingJobSerializer}, operation_id="making_compare")
    def post(self, request: Request) -> Response:
        plan, _ = self.plan(request)
        return Response(_job(request, making_queue(actor=acting_user(request), plan=plan)), status=201)


class MakingJobView(APIView):
    """One job of yours with its report."""

    @extend_schema(responses=s.MakingJobSerializer, operation_id="making_job_read")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(_job(request, access_making(actor=acting_user(request), pk=pk)))


class MakingCancelView(APIView):
    """Stop a job."""

    @extend_schema(request=None, responses=s.MakingJobSerializer, operation_id="making_cancel")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        making_cancel(job=access_making(actor=actor, pk=pk), actor=actor)
        return Response(_job(request, access_making(actor=actor, pk=pk)))


class MakingRetryView(APIView):
    """Try again what failed or was cancelled."""

    @extend_schema(request=None, responses=s.MakingJobSerializer, operation_id="making_retry")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        making_retry(job=access_making(actor=actor, pk=pk), actor=actor)
        return Response(_job(request, access_making(actor=actor, pk=pk)))


class MakingPublishView(APIView):
    """Send the draft to inspection, screening and decision. What is left out follows from the parts."""

    @extend_schema(request=s.PublishSerializer, responses=s.MakingJobSerializer, operation_id="making_publish")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        job = access_making(actor=actor, pk=pk)
        body = s.PublishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if draft_of(job) is None:
            raise JobConflict("There is no draft of this job to publish.", remedy="Look at the version's own page.")
        making_publish(job=job, actor=actor, declared=body.declared(job), about=body.about())
        return Response(_job(request, access_making(actor=actor, pk=pk)))


class MakingDownloadView(APIView):
    """A short-lived link to the file of a merged base model."""

    writing_scopes = [Scope.DOWNLOAD]

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT, operation_id="making_download")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        job = access_making(actor=acting_user(request), pk=pk, kind=Making.CHECKPOINT)
        if not job.is_kept:
            raise JobConflict("There is no file of this job, or it is not kept any more.", remedy="Make it anew.")
        url = reverse("made_checkpoint", args=[checkpoint_token(job=job)])
        return Response({"download_url": request.build_absolute_uri(url), "sha256": job.sha256, "size": job.size})


class VersionMadeView(APIView):
    """How a version was made here; parts that you may not see have no name."""

    @extend_schema(responses=s.VersionMadeSerializer, operation_id="version_made")
    def get(self, request: Request, owner: str, name: str, number: int) -> Response:
        version = access_version(actor=request.user, owner=owner, name=name, number=number)
        job = making_of(version=version)
        return Response(s.VersionMadeSerializer(job, context={"request": request}).data)


class FormsView(APIView):
    """The other forms of the file of a receipt of yours; asking for one queues it, or answers with the one there is."""

    writing_scopes = [Scope.DOWNLOAD]
    required_scopes = [Scope.DOWNLOAD]

    @extend_schema(responses=s.FileFormSerializer(many=True), operation_id="receipt_forms_list")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        receipt = access_receipt_whole(actor=acting_user(request), pk=pk)
        return Response([_form(request, receipt, form) for form in forms_of(receipt=receipt)])

    @extend_schema(
        request=s.FormRequestSerializer, responses={201: s.FileFormSerializer}, operation_id="receipt_form_request"
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        receipt = access_receipt_whole(actor=actor, pk=pk)
        body = s.FormRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        form = form_request(receipt=receipt, actor=actor, options=body.validated_data)
        return Response(_form(request, receipt, form), status=201)


def _form(request: Request, receipt: Receipt, form: Any) -> dict[str, Any]:
    url = reverse("made_form", args=[form_token(form=form, receipt=receipt)]) if form.job.is_kept else None
    data: dict[str, Any] = s.FileFormSerializer(form).data
    return {**data, "download_url": request.build_absolute_uri(url) if url else None}
