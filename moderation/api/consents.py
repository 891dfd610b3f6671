"""Consents and recalls in the API: for who asks for consents and holds them, and for who holds receipts."""

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.models import Organisation
from governance.policy.territories import is_known
from governance.strict import StrictSerializer
from moderation.consent_terms import ConsentScope, Terms
from moderation.models.consent import Consent, SubjectKind
from moderation.models.recall import RecallNotice
from moderation.selectors.consent_pages import access_held, consents_held_by, organisations_asking
from moderation.selectors.recall import access_notice, notices_of, receipts_concerned
from moderation.services.consents import ConsentAsk, consent_ask, consent_details, consent_link, consent_withdraw
from moderation.services.recall import notice_acknowledge
from registry.permissions import AdapterPermission
from registry.selectors.access import access_version
from registry.selectors.paging import page_by_key

PAGING = [OpenApiParameter("before", OpenApiTypes.STR, description="The `next` of the page before.")]


class ConsentTermsSerializer(StrictSerializer):
    """For what, for which adapters (none: every one of the grantee), where (none: everywhere), until when."""

    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[scope.value for scope in ConsentScope]), min_length=1
    )
    adapters = serializers.ListField(child=serializers.CharField(max_length=101), max_length=100, default=list)
    territories = serializers.ListField(child=serializers.CharField(max_length=2), max_length=300, default=list)
    until = serializers.DateTimeField(allow_null=True, default=None)

    def validate_territories(self, codes: list[str]) -> list[str]:
        if unknown := [code for code in codes if not is_known(code)]:
            raise serializers.ValidationError(f"Not a country code: {', '.join(unknown)}.")
        return codes


class AskSerializer(StrictSerializer):
    """A request for consent."""

    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=SubjectKind.choices, default=SubjectKind.PERSON)
    work = serializers.CharField(max_length=300, allow_blank=True, default="", help_text="Of an artist: which work.")
    message = serializers.CharField(max_length=2000, allow_blank=True, default="")
    organisation = serializers.CharField(max_length=39, allow_blank=True, default="", help_text="Its slug.")
    terms = ConsentTermsSerializer()


class VersionNameSerializer(StrictSerializer):
    """A version by its adapter and number."""

    adapter = serializers.RegexField(r"^[^/]+/[^/]+\Z", max_length=101, help_text="owner/name")
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class ConsentSerializer(serializers.Serializer[Consent]):
    """One consent. The address of its subject is in no answer."""

    id = serializers.UUIDField(source="public_id")
    state = serializers.CharField()
    name = serializers.SerializerMethodField(help_text="As it was written in the request.")
    kind = serializers.CharField()
    organisation = serializers.CharField(
        source="grantee_organisation.namespace.slug", allow_null=True, default=None, help_text="None: the caller's own."
    )
    terms = serializers.SerializerMethodField()
    asked = ConsentTermsSerializer()
    asked_at = serializers.DateTimeField()
    answer_by = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    verification = serializers.CharField()

    def get_name(self, consent: Consent) -> str:
        return consent_details(consent).name

    @extend_schema(responses=ConsentTermsSerializer)
    def get_terms(self, consent: Consent) -> dict[str, Any]:
        return consent.terms.to_json()


class NoticeSerializer(serializers.Serializer[RecallNotice]):
    """What a holder of receipts is told."""

    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    recall = serializers.UUIDField(source="recall.public_id")
    in_force = serializers.SerializerMethodField()
    reason = serializers.CharField(source="recall.reason_code")
    what_happened = serializers.CharField(source="recall.public_text")
    what_to_do = serializers.CharField(source="recall.what_to_do")
    lifted_because = serializers.CharField(source="recall.lifted_reasoning")
    organisation = serializers.CharField(source="organisation.namespace.slug", allow_null=True, default=None)
    versions = serializers.SerializerMethodField()
    receipts = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)

    def get_in_force(self, notice: RecallNotice) -> bool:
        return notice.recall.state == "issued"

    def get_versions(self, notice: RecallNotice) -> list[str]:
        entries = notice.recall.versions.select_related("version__adapter__owner")
        return [str(entry.version) for entry in entries]

    def get_receipts(self, notice: RecallNotice) -> list[str]:
        return [str(receipt.pk) for receipt in receipts_concerned(notice)]


class ConsentPageSerializer(serializers.Serializer[Any]):
    items = ConsentSerializer(many=True)
    next = serializers.CharField(allow_blank=True)


class NoticePageSerializer(serializers.Serializer[Any]):
    items = NoticeSerializer(many=True)
    next = serializers.CharField(allow_blank=True)


def _page(request: Request, rows: QuerySet[Any], by: str, serializer: type[serializers.Serializer[Any]]) -> Response:
    page = page_by_key(rows, by=by, before=request.query_params.get("before", "")[:40].replace("\0", ""))
    return Response({"items": serializer(page.rows, many=True).data, "next": page.before})


class _SignedIn(APIView):
    """A view for people, not for guests."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        acting_user(request)


class ConsentsView(_SignedIn):
    """The consents that the caller and their organisations hold or asked for; POST asks for one."""

    @extend_schema(parameters=PAGING, responses=ConsentPageSerializer, operation_id="consents_list")
    def get(self, request: Request) -> Response:
        return _page(request, consents_held_by(actor=acting_user(request)), "asked_at", ConsentSerializer)

    @extend_schema(request=AskSerializer, responses={201: ConsentSerializer}, operation_id="consent_ask")
    def post(self, request: Request) -> Response:
        body = AskSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = dict(body.validated_data)
        organisation = self._organisation(request, data.pop("organisation"))
        given = data.pop("terms")
        terms = Terms(
            scopes=frozenset(ConsentScope(scope) for scope in given["scopes"]),
            adapters=frozenset(name.lower() for name in given["adapters"]),
            territories=frozenset(given["territories"]),
            until=given["until"],
        )
        ask = ConsentAsk(**data, terms=terms)
        made = consent_ask(actor=acting_user(request), organisation=organisation, ask=ask)
        return Response(ConsentSerializer(made).data, status=201)

    def _organisation(self, request: Request, slug: str) -> Organisation | None:
        if not slug:
            return None
        found = organisations_asking(actor=acting_user(request)).filter(namespace__slug=slug.lower()).first()
        if found is None:
            raise ValidationError({"organisation": ["There is none of this name for which you may ask."]})
        return found


class _ConsentView(_SignedIn):
    def consent(self, request: Request, public_id: uuid.UUID) -> Consent:
        return access_held(actor=acting_user(request), public_id=public_id)


class ConsentView(_ConsentView):
    """One consent."""

    @extend_schema(responses=ConsentSerializer, operation_id="consent_read")
    def get(self, request: Request, public_id: uuid.UUID) -> Response:
        return Response(ConsentSerializer(self.consent(request, public_id)).data)


class ConsentWithdrawView(_ConsentView):
    """Take an unanswered request back."""

    @extend_schema(request=None, responses=ConsentSerializer, operation_id="consent_withdraw")
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        consent_withdraw(consent=self.consent(request, public_id), actor=acting_user(request))
        return Response(ConsentSerializer(self.consent(request, public_id)).data)


class ConsentLinkView(_ConsentView):
    """Rest a version on a consent."""

    @extend_schema(request=VersionNameSerializer, responses=ConsentSerializer, operation_id="consent_link")
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        consent = self.consent(request, public_id)
        body = VersionNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        owner, name = body.validated_data["adapter"].split("/")
        version = access_version(
            actor=request.user,
            owner=owner,
            name=name,
            number=body.validated_data["version"],
            permission=AdapterPermission.CONTRIBUTE,
        )
        consent_link(version=version, consent=consent, actor=acting_user(request))
        return Response(ConsentSerializer(consent).data)


class RecallsView(_SignedIn):
    """The recalls of what the caller and their organisations downloaded, newest first."""

    @extend_schema(parameters=PAGING, responses=NoticePageSerializer, operation_id="recalls_list")
    def get(self, request: Request) -> Response:
        return _page(request, notices_of(actor=acting_user(request)), "created_at", NoticeSerializer)


class RecallView(_SignedIn):
    """One recall; POST confirms, on record, that what it asks was done."""

    @extend_schema(responses=NoticeSerializer, operation_id="recall_read")
    def get(self, request: Request, public_id: uuid.UUID) -> Response:
        return Response(NoticeSerializer(access_notice(actor=acting_user(request), public_id=public_id)).data)

    @extend_schema(request=None, responses=NoticeSerializer, operation_id="recall_acknowledge")
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        notice_acknowledge(
            notice=access_notice(actor=acting_user(request), public_id=public_id), actor=acting_user(request)
        )
        return self.get(request, public_id)
