"""Endpoints of adapters, versions, base models and the gate."""

from typing import Any

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound
from accounts.models import Namespace, Organisation
from governance.errors import GovernanceRefused
from governance.policy import Use
from governance.selectors import actor_facts_with
from registry.api import serializers as s
from registry.api.etags import conditional
from registry.models import BaseModel
from registry.permissions import AdapterPermission
from registry.selectors.access import access_adapter, access_version, access_version_at_gate
from registry.selectors.search import SORTS, AdapterQuery, adapter_facets, adapter_search
from registry.selectors.visibility import versions_readable_by
from registry.services.adapters import adapter_update
from registry.services.delivery import GateAnswer, gate_accept, gate_ask, link_token
from registry.services.intake import intake
from registry.services.publication import version_recheck
from registry.services.ratings import adapter_rate
from registry.services.uploads import access_upload
from registry.services.versions import latest_statement, version_withdraw

FILTERS = ["q", "family", "kind", "use", "tag", "level", "creator", "base_model", "cursor"]
PARAMETERS = [OpenApiParameter(name, OpenApiTypes.STR) for name in FILTERS] + [
    OpenApiParameter("sort", OpenApiTypes.STR, enum=list(SORTS)),
    OpenApiParameter("limit", OpenApiTypes.INT),
]


class BaseModelsView(APIView):
    """The catalogue of base models."""

    @extend_schema(responses=s.BaseModelSerializer(many=True), operation_id="base_models_list")
    def get(self, request: Request) -> Response:
        return conditional(request, s.BaseModelSerializer(BaseModel.objects.all(), many=True).data)


class RightsStatementView(APIView):
    """The statement that uploaders affirm, verbatim."""

    @extend_schema(responses=s.RightsStatementSerializer)
    def get(self, request: Request) -> Response:
        return conditional(request, s.RightsStatementSerializer(latest_statement()).data)


class AdaptersView(APIView):
    """Search over everything that the caller may see."""

    @extend_schema(
        parameters=PARAMETERS,
        operation_id="adapters_search",
        responses={
            200: {
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": {"$ref": "#/components/schemas/Adapter"}},
                    "next_cursor": {"type": "string", "nullable": False},
                },
                "required": ["items", "next_cursor"],
            }
        },
    )
    def get(self, request: Request) -> Response:
        page = adapter_search(actor=request.user, query=_query(request))
        items = s.AdapterSerializer(page.adapters, many=True).data
        return conditional(request, {"items": items, "next_cursor": page.next_cursor})


class FacetsView(APIView):
    """How many adapters each further choice would leave."""

    @extend_schema(parameters=PARAMETERS[:-3], responses=OpenApiTypes.OBJECT, operation_id="adapters_facets")
    def get(self, request: Request) -> Response:
        facets, capped = adapter_facets(actor=request.user, query=_query(request))
        plain = {name: [{"value": f.value, "count": f.count} for f in values] for name, values in facets.items()}
        return Response({"facets": plain, "capped": capped})


def _query(request: Request) -> AdapterQuery:
    given = {name: request.query_params.get(name, "")[:200] for name in FILTERS if name != "q"}
    text = request.query_params.get("q", "").strip()[:200].replace("\x00", "")
    limit = request.query_params.get("limit", "")
    return AdapterQuery(
        text=text,
        sort=request.query_params.get("sort") or ("relevance" if text else "newest"),
        limit=int(limit) if limit.isdecimal() and len(limit) < 6 else 24,
        **{name: value.replace("\x00", "") for name, value in given.items()},
    )


class AdapterView(APIView):
    """One adapter."""

    @extend_schema(responses=s.AdapterSerializer, operation_id="adapter_read")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
        return conditional(request, s.AdapterSerializer(found).data)

    @extend_schema(request=s.AdapterEditSerializer, responses=s.AdapterSerializer, operation_id="adapter_edit")
    def patch(self, request: Request, owner: str, name: str) -> Response:
        found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.EDIT)
        body = s.AdapterEditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        changed = adapter_update(actor=acting_user(request), adapter=found, **body.validated_data)
        return Response(s.AdapterSerializer(changed).data)


class RatingView(APIView):
    """Stars for an adapter that the caller has downloaded."""

    @extend_schema(request=s.RatingSerializer, responses=s.AdapterSerializer, operation_id="adapter_rate")
    def put(self, request: Request, owner: str, name: str) -> Response:
        found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
        body = s.RatingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        adapter_rate(actor=acting_user(request), adapter=found, stars=body.validated_data["stars"])
        found.refresh_from_db(fields=["rating", "rating_count"])
        return Response(s.AdapterSerializer(found).data)


class VersionsView(APIView):
    """Versions of an adapter; POST submits a finished upload as the next one."""

    @extend_schema(responses=s.VersionSerializer(many=True), operation_id="versions_list")
    def get(self, request: Request, owner: str, name: str) -> Response:
        found = access_adapter(actor=request.user, owner=owner, name=name, permission=AdapterPermission.READ)
        versions = versions_readable_by(request.user).filter(adapter=found).select_related("adapter__owner")
        return conditional(request, s.VersionSerializer(versions, many=True, context={"request": request}).data)

    @extend_schema(request=s.DeclarationSerializer, responses={201: s.VersionSerializer}, operation_id="version_submit")
    def post(self, request: Request, owner: str, name: str) -> Response:
        body = s.DeclarationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        namespace = Namespace.objects.filter(slug=owner.lower()).first()
        if namespace is None:
            raise NotFound(f"There is no owner {owner!r}.")
        version = intake(
            actor=acting_user(request),
            owner=namespace,
            name=name.lower(),
            upload=access_upload(actor=acting_user(request), pk=body.validated_data["upload"]),
            declaration=body.declaration(acting_user(request)),
            **body.about_adapter(),
        )
        return Response(s.VersionSerializer(version, context={"request": request}).data, status=201)


class VersionView(APIView):
    """One version."""

    @extend_schema(responses=s.VersionSerializer, operation_id="version_read")
    def get(self, request: Request, owner: str, name: str, number: int) -> Response:
        found = access_version(actor=request.user, owner=owner, name=name, number=number)
        return conditional(request, s.VersionSerializer(found, context={"request": request}).data)


class WithdrawView(APIView):
    """Take a version back."""

    @extend_schema(request=s.ReasonSerializer, responses=s.VersionSerializer, operation_id="version_withdraw")
    def post(self, request: Request, owner: str, name: str, number: int) -> Response:
        found = access_version(
            actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.PUBLISH
        )
        body = s.ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = version_withdraw(version=found, actor=acting_user(request), reason=body.validated_data["reason"])
        return Response(s.VersionSerializer(version, context={"request": request}).data)


class RecheckView(APIView):
    """Ask the policy engine again about a version whose `state_detail` has the code needs-facts."""

    @extend_schema(request=None, responses=s.VersionSerializer, operation_id="version_recheck")
    def post(self, request: Request, owner: str, name: str, number: int) -> Response:
        found = access_version(
            actor=request.user, owner=owner, name=name, number=number, permission=AdapterPermission.CONTRIBUTE
        )
        version = version_recheck(version=found, actor=acting_user(request))
        return Response(s.VersionSerializer(version, context={"request": request}).data)


class GateView(APIView):
    """The download gate: ask with a use, then repeat the call with the digest of the terms."""

    required_scopes = ["download"]

    @extend_schema(request=s.GateRequestSerializer, responses=s.GateAnswerSerializer, operation_id="version_download")
    def post(self, request: Request, owner: str, name: str, number: int) -> Response:
        if not request.user.is_authenticated:
            self.permission_denied(request)
        version = access_version_at_gate(actor=request.user, owner=owner, name=name, number=number)
        body = s.GateRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        actor, organisation = acting_user(request), _organisation(request, data.get("organisation", ""))
        asked: dict[str, Any] = {
            "actor": actor,
            "organisation": organisation,
            "version": version,
            "use": Use(data["use"]),
            "facts": actor_facts_with(actor=actor, organisation=organisation, stated=data.get("facts")),
        }
        if data.get("accepted_terms"):
            return self._accept(request, asked, data["accepted_terms"])
        answer = gate_ask(**asked)
        if not answer.decision.allowed:
            raise GovernanceRefused(decision=answer.decision, record=answer.record)
        return Response(_asked(answer))

    def _accept(self, request: Request, asked: dict[str, Any], digest: str) -> Response:
        receipt = gate_accept(**asked, accepted_terms=digest)
        url = request.build_absolute_uri(reverse("delivery", args=[link_token(receipt=receipt)]))
        sidecars = request.build_absolute_uri(reverse("api_receipt_sidecars", args=[receipt.pk]))
        record = receipt.acceptance.decision
        decision = {"outcome": record.outcome, "reasons": record.reasons, "obligations": record.obligations}
        given = s.receipt_answer(receipt, url, sidecars)
        return Response({"decision": decision, "record": record.public_id, "terms": None, **given})


def _asked(answer: GateAnswer) -> dict[str, Any]:
    return {
        "decision": answer.decision.to_json(),
        "record": answer.record.public_id,
        "terms": {"digest": answer.terms.digest, "text": answer.terms.text},
        "download_url": None,
        "receipt": None,
        "notice": None,
        "sidecars_url": None,
    }


def _organisation(request: Request, slug: str) -> Organisation | None:
    if not slug:
        return None
    found = Organisation.objects.filter(namespace__slug=slug.lower(), memberships__user=acting_user(request)).first()
    if found is None:
        raise NotFound(f"There is no organisation {slug!r} of yours.")
    return found
