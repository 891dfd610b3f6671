"""Receipts and their notices, for who holds them: with a session, or with a token that may read or download."""

import json
import uuid
from typing import Any

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.models import ApiToken, User
from accounts.scopes import Scope
from registry.compat.sidecars.archive import archive_name, sidecars_zip
from registry.selectors.mine import access_receipt


class ReadOrDownload(BasePermission):
    """A token that passes the gate may fetch what the gate gave, also without the scope `read`."""

    message = "This token's scopes do not cover the call."

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, ApiToken):
            return bool({Scope.READ.value, Scope.DOWNLOAD.value} & set(request.auth.scopes))
        return bool(request.user and request.user.is_authenticated)


class PlainTextRenderer(BaseRenderer):
    """Text as it stands; a problem document as JSON."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return data.encode() if isinstance(data, str) else json.dumps(data).encode()


class ReceiptView(APIView):
    """A signed receipt."""

    permission_classes = [ReadOrDownload]

    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="receipt_read")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        receipt = access_receipt(actor=acting_user(request), pk=pk)
        return _attached(receipt.body, f"receipt-{receipt.pk}.json")


class ReceiptNoticeView(APIView):
    """The notice that goes with the downloaded file."""

    permission_classes = [ReadOrDownload]
    renderer_classes = [PlainTextRenderer, JSONRenderer]

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR}, operation_id="receipt_notice")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        receipt = access_receipt(actor=acting_user(request), pk=pk)
        return _attached(receipt.notice, "NOTICE.txt")


class ZipRenderer(BaseRenderer):
    """An archive as it stands; a problem document as JSON."""

    media_type = "application/zip"
    format = "zip"
    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return data if isinstance(data, bytes) else json.dumps(data).encode()


class ReceiptSidecarsView(APIView):
    """What local tools keep beside the file: `.civitai.info`, `.metadata.json`, `.json`, a preview, and the papers."""

    permission_classes = [ReadOrDownload]
    renderer_classes = [ZipRenderer, JSONRenderer]

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY}, operation_id="receipt_sidecars")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        return sidecars_response(actor=acting_user(request), pk=pk)


def sidecars_response(*, actor: User, pk: uuid.UUID) -> HttpResponse:
    """The archive of a receipt of the actor's own, as a browser saves it."""
    receipt = access_receipt(actor=actor, pk=pk)
    response = HttpResponse(sidecars_zip(actor=actor, receipt=receipt), content_type="application/zip")
    response["Content-Disposition"] = content_disposition_header(True, archive_name(receipt)) or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response


def _attached(content: Any, filename: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "private, no-store"}
    return Response(content, headers=headers)
