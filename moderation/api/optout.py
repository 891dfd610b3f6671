"""The opt-out register in the API: one's own entries, and for moderators lists in and out."""

import uuid
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound
from accounts.scopes import Scope
from moderation.addresses import AddressRefused
from moderation.errors import RegistrationRefused
from moderation.models import OptOutEntry, OptOutImport
from moderation.optout_things import HashRefused, NameRefused, Thing, address_thing_read, hash_read, name_read
from moderation.selectors.optout_pages import claims_of, holder_of_user
from moderation.selectors.review import require_moderator
from moderation.services.list_export import FORMATS, register_export
from moderation.services.lists import file_keep, import_create
from moderation.services.optout import PER_USER_AN_HOUR, THINGS_MAX, Submission, claims_withdraw, optout_register
from moderation.throttling import count_or_refuse


class NameSerializer(serializers.Serializer):
    """A name or alias."""

    name = serializers.CharField(max_length=200)
    mononym = serializers.BooleanField(default=False, help_text="The one word alone means its bearer.")


class OptOutSerializer(serializers.Serializer):
    """What is registered at once; pictures are uploaded on the page."""

    names = NameSerializer(many=True, required=False)
    addresses = serializers.ListField(child=serializers.CharField(max_length=2000), required=False)
    hashes = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, help_text="`algorithm:digits`, then a title."
    )
    on_behalf = serializers.BooleanField(default=False)
    statement_affirmed = serializers.BooleanField(help_text="The statement on the page /opt-out is affirmed.")

    def validate_statement_affirmed(self, value: bool) -> bool:
        if not value:
            raise serializers.ValidationError("Nothing is registered without the statement on the page /opt-out.")
        return value


class OptOutClaimSerializer(serializers.Serializer):
    """An entry of the caller's own."""

    id = serializers.UUIDField(source="entry.public_id")
    kind = serializers.CharField(source="entry.kind")
    text = serializers.CharField(source="entry.text")
    state = serializers.CharField()
    entry_state = serializers.CharField(source="entry.state")
    verified = serializers.BooleanField(source="entry.verified")
    registered_at = serializers.DateTimeField(source="created_at")


class OptOutPageSerializer(serializers.Serializer):
    """All entries of the caller's own."""

    items = OptOutClaimSerializer(many=True)


class ImportSerializer(serializers.Serializer):
    """The report of an import."""

    id = serializers.IntegerField(source="pk")
    list = serializers.CharField(source="source.name")
    state = serializers.CharField()
    detail = serializers.CharField()
    sha256 = serializers.CharField()
    lines = serializers.IntegerField()
    added = serializers.IntegerField()
    known = serializers.IntegerField()
    withdrawn = serializers.IntegerField()
    refused = serializers.IntegerField()
    problems = serializers.ListField(child=serializers.DictField())


class ImportRequestSerializer(serializers.Serializer):
    """A file of a list."""

    list = serializers.CharField(max_length=80)
    file = serializers.FileField()
    complete = serializers.BooleanField(default=False)


class OptOutsView(APIView):
    """The caller's own opt-outs."""

    @extend_schema(responses=OptOutPageSerializer, operation_id="opt_outs_list")
    def get(self, request: Request) -> Response:
        if not request.user.is_authenticated:
            self.permission_denied(request)
        return Response(_claims(request))

    @extend_schema(request=OptOutSerializer, responses={201: OptOutPageSerializer}, operation_id="opt_outs_register")
    def post(self, request: Request) -> Response:
        user = acting_user(request)
        count_or_refuse(what="opt-out", who=f"user {user.pk}", limit=PER_USER_AN_HOUR)
        body = OptOutSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        things = _things(body.validated_data)
        submission = Submission(things, name=user.name[:120], on_behalf=body.validated_data["on_behalf"])
        optout_register(submission=submission, user=user)
        return Response(_claims(request), status=201)


def _claims(request: Request) -> dict[str, Any]:
    holder = holder_of_user(acting_user(request))
    return dict(OptOutPageSerializer({"items": claims_of(holder=holder) if holder else []}).data)


def _things(data: dict[str, Any]) -> tuple[Thing, ...]:
    """Everything named, read; RegistrationRefused names each that cannot be taken."""
    told: list[tuple[str, int, Any]] = [
        (part, place, value)
        for part in ("names", "addresses", "hashes")
        for place, value in enumerate(data.get(part, ()))
    ]
    if len(told) > THINGS_MAX:
        raise RegistrationRefused(f"{len(told)} at once are too many.", remedy=f"Send at most {THINGS_MAX} at a time.")
    things, errors = [], {}
    for part, place, value in told:
        try:
            things.append(_thing(part, value))
        except (AddressRefused, HashRefused, NameRefused) as error:
            errors[f"{part}[{place}]"] = str(error)
    if errors:
        raise RegistrationRefused("Some of it cannot be taken, so nothing was registered.", errors=errors)
    return tuple(things)


def _thing(part: str, value: Any) -> Thing:
    if part == "names":
        return name_read(value["name"], mononym=value["mononym"])
    return address_thing_read(value) if part == "addresses" else hash_read(value)


class OptOutView(APIView):
    """One of the caller's own opt-outs."""

    @extend_schema(responses={204: None}, operation_id="opt_out_withdraw")
    def delete(self, request: Request, public_id: uuid.UUID) -> Response:
        user = acting_user(request)
        holder = holder_of_user(user)
        mine = OptOutEntry.objects.filter(public_id=public_id, claims__registration__holder=holder)
        entry = mine.first() if holder else None
        if holder is None or entry is None:
            raise NotFound("There is no such entry of yours.")
        claims_withdraw(holder=holder, entry=entry, actor=user)
        return Response(status=204)


class OptOutImportsView(APIView):
    """Importing lists, for moderators."""

    parser_classes = [MultiPartParser]
    required_scopes = [Scope.ADMIN]

    @extend_schema(
        request={"multipart/form-data": ImportRequestSerializer},
        responses={202: ImportSerializer},
        operation_id="opt_out_import",
    )
    def post(self, request: Request) -> Response:
        moderator = require_moderator(acting_user(request))
        body = ImportRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        path = file_keep(given["file"].file)
        made = import_create(
            name=given["list"],
            path=path,
            filename=given["file"].name or "",
            actor=moderator,
            complete=given["complete"],
        )
        return Response(ImportSerializer(made).data, status=202)


class OptOutImportView(APIView):
    """The report of one import, for moderators."""

    required_scopes = [Scope.ADMIN]

    @extend_schema(responses=ImportSerializer, operation_id="opt_out_import_report")
    def get(self, request: Request, pk: int) -> Response:
        require_moderator(acting_user(request))
        found = OptOutImport.objects.select_related("source").filter(pk=pk).first()
        if found is None:
            raise NotFound("There is no such import.")
        return Response(ImportSerializer(found).data)


class OptOutExportView(APIView):
    """The register as a list, for moderators: it names people."""

    required_scopes = [Scope.ADMIN]

    @extend_schema(
        parameters=[
            OpenApiParameter("as", OpenApiTypes.STR, enum=sorted(FORMATS)),
            OpenApiParameter("kind", OpenApiTypes.STR, enum=["work", "name", "url"]),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
        operation_id="opt_out_export",
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        moderator = require_moderator(acting_user(request))
        form = request.query_params.get("as", "csv")
        if form not in FORMATS:
            raise serializers.ValidationError({"as": f"One of {', '.join(sorted(FORMATS))}."})
        lines = register_export(format=form, kind=request.query_params.get("kind", ""), actor=moderator)
        return StreamingHttpResponse(lines, content_type=FORMATS[form])
