"""Resumable uploads by the tus protocol 1.0.0: core, creation, checksum, expiration, termination."""

import base64
import binascii
import uuid
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound, NotPermitted
from accounts.models import Namespace
from registry.api.transfers import PatientStream, transfer_slot
from registry.errors import TooManyTransfers, UnsupportedPiece, UnsupportedProtocol, UploadRefused
from registry.models import Upload
from registry.selectors.access import namespaces_for_upload
from registry.services.uploads import CHECKSUMS, access_upload, upload_append, upload_create, upload_delete
from registry.services.versions import namespace_of

TUS = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
OFFSET_OCTETS = "application/offset+octet-stream"


class RawParser(BaseParser):
    """Lets the body through unread: it is streamed to disk."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


class TusView(APIView):
    """What every tus answer carries."""

    parser_classes = [RawParser]
    required_scopes = ["write"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != TUS:
            raise UnsupportedProtocol
        if request.method != "OPTIONS" and not request.user.is_authenticated:
            self.permission_denied(request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = TUS
        if response.status_code == UnsupportedProtocol.status:
            response["Tus-Version"] = TUS
        if response.status_code == TooManyTransfers.status:
            response["Retry-After"] = "5"
        response["Cache-Control"] = "no-store"
        return response


@extend_schema(exclude=True)
class TusCreateView(TusView):
    """`POST /api/v1/uploads`: reserve room for a file; its address comes back in `Location`."""

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = HttpResponse(status=204)
        response["Tus-Version"] = TUS
        response["Tus-Extension"] = EXTENSIONS
        response["Tus-Max-Size"] = str(settings.UPLOAD_MAX_BYTES)
        response["Tus-Checksum-Algorithm"] = ",".join(CHECKSUMS)
        return response

    def post(self, request: Request) -> HttpResponse:
        metadata = parse_metadata(request.headers.get("Upload-Metadata", ""))
        upload = upload_create(
            actor=acting_user(request),
            namespace=_namespace(request, metadata.get("owner", "")),
            filename=metadata.get("filename", ""),
            length=_whole_number(request, "Upload-Length"),
        )
        response = _offset_response(upload, 201)
        response["Location"] = request.build_absolute_uri(reverse("api_upload", args=[upload.pk]))
        return response


@extend_schema(exclude=True)
class TusUploadView(TusView):
    """`HEAD`, `PATCH` and `DELETE /api/v1/uploads/{id}`."""

    def head(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        upload = access_upload(actor=acting_user(request), pk=pk)
        response = _offset_response(upload, 200)
        response["Upload-Length"] = str(upload.length)
        return response

    def patch(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        if request.content_type != OFFSET_OCTETS:
            raise UnsupportedPiece
        upload = access_upload(actor=acting_user(request), pk=pk)
        length = request.META.get("CONTENT_LENGTH") or None
        # The body as it arrives, never held in memory.
        stream = PatientStream(cast(BinaryIO, request._request), request.META.get("gunicorn.socket"))
        with transfer_slot(acting_user(request).pk, otherwise=stream.refuse):
            upload = upload_append(
                upload=upload,
                offset=_whole_number(request, "Upload-Offset"),
                stream=stream,
                length=int(length) if length else None,
                checksum=request.headers.get("Upload-Checksum", ""),
            )
        stream.check()
        return _offset_response(upload, 204)

    def delete(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        upload_delete(upload=access_upload(actor=acting_user(request), pk=pk))
        return HttpResponse(status=204)


def _offset_response(upload: Upload, status: int) -> HttpResponse:
    response = HttpResponse(status=status)
    response["Upload-Offset"] = str(upload.offset)
    response["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return response


def _namespace(request: Request, slug: str) -> Namespace:
    if not slug:
        return namespace_of(acting_user(request))
    slug = slug.replace("\0", "")  # nobody's name has it, and the database cannot be asked for it
    found = namespaces_for_upload(acting_user(request)).filter(slug=slug.lower()).first()
    if found is None:
        if Namespace.objects.filter(slug=slug.lower()).exists():
            raise NotPermitted(f"You may not upload under {slug}.")
        raise NotFound(f"There is no owner {slug!r}.")
    return found


def parse_metadata(header: str) -> dict[str, str]:
    """`Upload-Metadata`: comma-separated `key base64value` pairs."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UploadRefused(
                f"The value of {key!r} in Upload-Metadata is not base64 of UTF-8 text.", remedy="Encode it so."
            ) from error
    return found


def _whole_number(request: Request, header: str) -> int:
    value = request.headers.get(header, "")
    if not value.isdecimal() or len(value) > 18:
        raise UploadRefused(f"The header {header} must hold a whole number.", remedy=f"Send {header}: <bytes>.")
    return int(value)
