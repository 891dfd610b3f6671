"""Governance in the API: the licence catalogue, "may I?", decisions on record, the audit log's head."""

import hashlib
import json
import uuid
from dataclasses import fields
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenScopePermission, acting_user
from accounts.errors import NotFound
from accounts.models import ApiToken, Organisation
from accounts.permissions import OrganisationPermission
from accounts.scopes import Scope
from accounts.selectors import access_organisation
from governance import serializers as s
from governance.models import DecisionRecord
from governance.policy import ActorFacts, decide
from governance.rulebook import current_ruleset
from governance.selectors import access_decision, actor_facts, audit_head, decision_facts, decisions_of
from governance.services import actor_profile_update

PAGE_SIZE, PAGE_MAX = 20, 100
FACT_NAMES = [field.name for field in fields(ActorFacts)]
ORGANISATION = OpenApiParameter("organisation", OpenApiTypes.STR, description="Its slug.")
PAGING = [OpenApiParameter("cursor", OpenApiTypes.UUID), OpenApiParameter("limit", OpenApiTypes.INT)]


def _conditional(request: Request, data: Any) -> HttpResponseBase:
    """`data` under its digest as ETag, or 304 when the caller holds it already."""
    body = json.dumps(data, cls=DjangoJSONEncoder, sort_keys=True)
    etag = quote_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    response = Response(data, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
    answer: HttpResponseBase | None = get_conditional_response(request, etag=etag, response=response)
    return answer or response


class AskPermission(TokenScopePermission):
    """Asking writes nothing, so it needs no more than reading does, although it is a POST."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return not isinstance(request.auth, ApiToken) or Scope.READ.value in request.auth.scopes


class LicencesView(APIView):
    """The licence catalogue."""

    @extend_schema(responses=s.CatalogueSerializer, operation_id="licences_list")
    def get(self, request: Request) -> HttpResponseBase:
        rules = current_ruleset()
        items = sorted(rules.licences.values(), key=lambda licence: licence.id)
        return _conditional(request, s.CatalogueSerializer({"items": items, "ruleset_digest": rules.digest}).data)


class LicenceView(APIView):
    """One licence with its claims, conditions, obligations and traps, each with its clause."""

    @extend_schema(responses=s.LicenceSerializer, operation_id="licence")
    def get(self, request: Request, licence_id: str) -> HttpResponseBase:
        found = current_ruleset().find(licence_id)
        if found is None:
            raise NotFound(f"The catalogue has no licence {licence_id!r}.", remedy="GET /api/v1/licences lists them.")
        return _conditional(request, s.LicenceSerializer(found).data)


class CheckView(APIView):
    """May I? The decision over some licences, a use and stated facts. Nothing is put on record."""

    permission_classes = [AskPermission]

    @extend_schema(request=s.CheckSerializer, responses=s.DecisionSerializer, operation_id="decision_check")
    def post(self, request: Request) -> Response:
        question = s.CheckSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        return Response(decide(question.use_request(), current_ruleset()).to_json())


class FactsView(APIView):
    """What the caller states about themselves, or with `?organisation=` about an organisation that they administer."""

    @extend_schema(parameters=[ORGANISATION], responses=s.ActorFactsSerializer, operation_id="facts_read")
    def get(self, request: Request) -> Response:
        return Response(self._stated(request, self._organisation(request)))

    @extend_schema(
        parameters=[ORGANISATION],
        request=s.ActorFactsSerializer,
        responses=s.ActorFactsSerializer,
        operation_id="facts_state",
    )
    def put(self, request: Request) -> Response:
        organisation = self._organisation(request)
        body = s.ActorFactsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        facts = {name: body.validated_data.get(name) for name in FACT_NAMES}
        facts["territory"] = facts["territory"] or ""
        actor_profile_update(actor=acting_user(request), organisation=organisation, facts=facts)
        return Response(self._stated(request, organisation))

    def _organisation(self, request: Request) -> Organisation | None:
        if not request.user.is_authenticated:
            self.permission_denied(request)
        slug = request.query_params.get("organisation", "")
        administer = OrganisationPermission.ADMINISTER
        return access_organisation(actor=acting_user(request), slug=slug, permission=administer) if slug else None

    def _stated(self, request: Request, organisation: Organisation | None) -> dict[str, Any]:
        facts = actor_facts(actor=acting_user(request), organisation=organisation)
        return {**dict.fromkeys(FACT_NAMES), **facts.to_json()}


class DecisionsView(APIView):
    """The decisions on record that the caller asked for, newest first."""

    @extend_schema(parameters=PAGING, responses=s.DecisionPageSerializer, operation_id="decisions_list")
    def get(self, request: Request) -> Response:
        if not request.user.is_authenticated:
            self.permission_denied(request)
        limit = _limit(request)
        found = list(decisions_of(actor=request.user, before=_cursor(request))[: limit + 1])
        following = str(found[limit - 1].public_id) if len(found) > limit else ""
        items = [decision_facts(record) for record in found[:limit]]
        return Response({"items": items, "next_cursor": following})


def _limit(request: Request) -> int:
    word = request.query_params.get("limit", str(PAGE_SIZE))
    if not word.isdecimal() or not 1 <= int(word) <= PAGE_MAX:
        raise ValidationError({"limit": f"A whole number from 1 to {PAGE_MAX}."})
    return int(word)


def _cursor(request: Request) -> DecisionRecord | None:
    word = request.query_params.get("cursor", "")
    if not word:
        return None
    try:
        record = DecisionRecord.objects.filter(actor=request.user.pk, public_id=uuid.UUID(word)).first()
    except ValueError:
        record = None
    if record is None:
        raise ValidationError({"cursor": "Use the next_cursor of the page before, or leave it out."})
    return record


class DecisionView(APIView):
    """One decision on record, for those who took part in it."""

    @extend_schema(responses=s.DecisionRecordSerializer, operation_id="decision")
    def get(self, request: Request, public_id: uuid.UUID) -> HttpResponseBase:
        return _conditional(request, decision_facts(access_decision(actor=request.user, public_id=public_id)))


class AuditHeadView(APIView):
    """The newest link of the audit chain: who keeps it can prove later that nothing before it was changed."""

    @extend_schema(responses=s.AuditHeadSerializer, operation_id="audit_head")
    def get(self, request: Request) -> Response:
        head = audit_head()
        if head is None:
            raise NotFound("The audit log is empty.", remedy="Ask again when something has happened here.")
        return Response(s.AuditHeadSerializer(head).data)
