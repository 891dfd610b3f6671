"""Endpoints of datasets: made, uploaded to, judged, captioned, snapshot, deleted."""

import uuid
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound, NotPermitted
from accounts.models import Namespace, User
from registry.selectors.access import namespaces_for_upload
from registry.services.uploads import access_upload
from registry.services.versions import namespace_of
from training.api import dataset_serializers as s
from training.models import Dataset
from training.permissions import DatasetPermission
from training.selectors.consents import consent_to_rest_on, consents_linked, consents_to_choose
from training.selectors.dataset_pages import SIDES, picture_counts, report_of
from training.selectors.datasets import access_dataset, datasets_readable_by, deletions_readable_by
from training.services.datasets import (
    DatasetDraft,
    consent_link,
    consent_release,
    current_statement,
    dataset_create,
    dataset_recheck,
    dataset_update,
)
from training.services.imports import import_queue
from training.services.retention import dataset_delete
from training.services.snapshots import obstacles, snapshot_take

P = DatasetPermission
DELETIONS = 100


class DatasetView(APIView):
    """What the endpoints of one dataset share. Nothing of a dataset is there for who is not signed in."""

    def dataset(self, request: Request, owner: str, name: str, permission: DatasetPermission) -> Dataset:
        return access_dataset(actor=acting_user(request), owner=owner, name=name, permission=permission)


class DatasetStatementView(APIView):
    """The statement that is affirmed with a dataset."""

    @extend_schema(responses=s.DatasetStatementSerializer, operation_id="dataset_statement")
    def get(self, request: Request) -> Response:
        return Response(s.DatasetStatementSerializer(current_statement()).data)


class DatasetsView(APIView):
    """The caller's own datasets and their organisations'."""

    @extend_schema(responses=s.DatasetSerializer(many=True), operation_id="datasets_list")
    def get(self, request: Request) -> Response:
        rows = datasets_readable_by(acting_user(request)).select_related("owner").order_by("-updated_at")[:200]
        return Response(s.DatasetSerializer(rows, many=True).data)

    @extend_schema(
        request=s.DatasetDraftSerializer, responses={201: s.DatasetSerializer}, operation_id="dataset_create"
    )
    def post(self, request: Request) -> Response:
        actor = acting_user(request)
        body = s.DatasetDraftSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(body.validated_data)
        owner = _namespace(actor, given.pop("owner", ""))
        made = dataset_create(actor=actor, owner=owner, draft=DatasetDraft(**given))
        return Response(s.DatasetSerializer(made).data, status=201)


def _namespace(actor: User, slug: str) -> Namespace:
    if not slug:
        return namespace_of(actor)
    found = namespaces_for_upload(actor).filter(slug=slug.lower().replace("\0", "")).first()
    if found is None:
        raise NotPermitted(f"You may not make datasets under {slug}.")
    return found


class DatasetDetailView(DatasetView):
    """One dataset."""

    @extend_schema(responses=s.DatasetSerializer, operation_id="dataset_read")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.READ)
        more = {"counts": vars(picture_counts(found)), "obstacles": obstacles(found)}
        return Response(s.DatasetSerializer(found).data | more)

    @extend_schema(request=s.DatasetEditSerializer, responses=s.DatasetSerializer, operation_id="dataset_edit")
    def patch(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.MANAGE)
        body = s.DatasetEditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changed = dataset_update(dataset=found, actor=acting_user(request), changes=dict(body.validated_data))
        return Response(s.DatasetSerializer(changed).data)

    @extend_schema(responses=s.DatasetDeletionSerializer, operation_id="dataset_delete")
    def delete(self, request: Request, owner: str, name: str) -> Response:
        """Delete it for good; the answer is the record that stays."""
        found = self.dataset(request, owner, name, P.MANAGE)
        deletion = dataset_delete(dataset=found, actor=acting_user(request))
        return Response(s.DatasetDeletionSerializer(deletion).data)


class DatasetRecheckView(DatasetView):
    """Checks repeated that could not be finished."""

    @extend_schema(request=None, responses={202: None}, operation_id="dataset_recheck")
    def post(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.CONTRIBUTE)
        dataset_recheck(dataset=found, actor=acting_user(request))
        return Response(status=202)


class DatasetDeletionsView(APIView):
    """What was deleted of one's own and of organisations that one manages, and the proof."""

    @extend_schema(responses=s.DatasetDeletionSerializer(many=True), operation_id="dataset_deletions")
    def get(self, request: Request) -> Response:
        rows = deletions_readable_by(acting_user(request))[:DELETIONS]
        return Response(s.DatasetDeletionSerializer(rows, many=True).data)


class DatasetImportsView(DatasetView):
    """Uploads that have arrived become pictures of the dataset."""

    @extend_schema(
        request=s.DatasetImportSerializer, responses={202: s.DatasetJobSerializer}, operation_id="dataset_import"
    )
    def post(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.CONTRIBUTE)
        actor = acting_user(request)
        body = s.DatasetImportSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        files = body.validated_data["files"]
        uploads = [(access_upload(actor=actor, pk=one["upload"]), one["path"]) for one in files]
        job = import_queue(dataset=found, actor=actor, uploads=uploads)
        return Response(s.DatasetJobSerializer(job).data, status=202)


class DatasetJobsView(DatasetView):
    """Background work over the dataset, newest first."""

    @extend_schema(responses=s.DatasetJobSerializer(many=True), operation_id="dataset_jobs")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.READ)
        return Response(s.DatasetJobSerializer(found.jobs.defer("params")[:20], many=True).data)


class DatasetReportView(DatasetView):
    """What the set will do to a run."""

    @extend_schema(
        parameters=[
            OpenApiParameter("side", OpenApiTypes.INT, enum=list(SIDES), description="The resolution trained at."),
            OpenApiParameter("shown", OpenApiTypes.INT, description="Steps × batch of the run that is planned."),
        ],
        responses=OpenApiTypes.OBJECT,
        operation_id="dataset_report",
    )
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.READ)
        side = request.query_params.get("side", "")
        shown = request.query_params.get("shown", "")
        report = report_of(
            found,
            side=int(side) if side in map(str, SIDES) else None,
            shown=int(shown) if shown.isdecimal() and len(shown) < 10 else None,
        )
        return Response(report.to_json())


class DatasetConsentsView(DatasetView):
    """The consents that the dataset rests on."""

    @extend_schema(responses=s.LinkedConsentSerializer(many=True), operation_id="dataset_consents")
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Those linked, whether each holds now; and those that could be linked."""
        found = self.dataset(request, owner, name, P.MANAGE)
        linked = [
            {"consent": one.consent.public_id, "name": one.name, "linked": True, "holds": one.holds}
            for one in consents_linked(found)
        ]
        known = {str(one["consent"]) for one in linked}
        free = [
            {"consent": pk, "name": label, "linked": False, "holds": True}
            for pk, label in consents_to_choose(found)
            if pk not in known
        ]
        return Response(s.LinkedConsentSerializer([*linked, *free], many=True).data)

    @extend_schema(request=s.DatasetConsentSerializer, responses={204: None}, operation_id="dataset_consent_link")
    def post(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.MANAGE)
        body = s.DatasetConsentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        consent = consent_to_rest_on(found, str(body.validated_data["consent"]))
        consent_link(dataset=found, actor=acting_user(request), consent=consent)
        return Response(status=204)


class DatasetConsentView(DatasetView):
    """One of them."""

    @extend_schema(responses={204: None}, operation_id="dataset_consent_release")
    def delete(self, request: Request, owner: str, name: str, pk: uuid.UUID) -> Response:
        found = self.dataset(request, owner, name, P.MANAGE)
        link = found.consent_links.filter(consent__public_id=pk, released_at=None).select_related("consent").first()
        if link is None:
            raise NotFound("The dataset does not rest on such a consent.")
        consent_release(dataset=found, actor=acting_user(request), consent=link.consent)
        return Response(status=204)


class DatasetSnapshotsView(DatasetView):
    """The dataset as it stood."""

    @extend_schema(responses=s.SnapshotSerializer(many=True), operation_id="dataset_snapshots")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, P.READ)
        return Response(s.SnapshotSerializer(found.snapshots.defer("manifest")[:50], many=True).data)

    @extend_schema(request=None, responses={201: s.SnapshotSerializer}, operation_id="dataset_snapshot")
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Take one; the same content gives the same one again."""
        found = self.dataset(request, owner, name, P.TRAIN)
        made = snapshot_take(dataset=found, actor=acting_user(request))
        return Response(s.SnapshotSerializer(made).data, status=201)
