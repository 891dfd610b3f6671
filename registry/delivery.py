"""How a file's bytes leave: streamed with Range support, by nginx, or by a presigned URL of the store."""

import re

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.http import content_disposition_header, parse_etags, quote_etag

from registry.models import Blob
from registry.storage import read_range

RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
OCTETS = "application/octet-stream"


def deliver(request: HttpRequest, *, blob: Blob, filename: str) -> HttpResponseBase:
    """Answer with the blob, in the way the settings choose."""
    if settings.DELIVERY == "s3":
        return _presigned(blob, filename)
    if settings.DELIVERY == "nginx":
        response = HttpResponse(content_type=OCTETS)
        response["X-Accel-Redirect"] = settings.DELIVERY_NGINX_LOCATION + blob.storage_key
        return _headers(response, blob, filename)
    return _headers(_streamed(request, blob), blob, filename)


def _headers(response: HttpResponseBase, blob: Blob, filename: str) -> HttpResponseBase:
    response["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    response["ETag"] = quote_etag(blob.sha256)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _presigned(blob: Blob, filename: str) -> HttpResponse:
    parameters = {"ResponseContentDisposition": content_disposition_header(True, filename)}
    lifetime = int(settings.DOWNLOAD_URL_LIFETIME.total_seconds())
    url = default_storage.url(blob.storage_key, parameters=parameters, expire=lifetime)  # type: ignore[call-arg]
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "no-store"
    return response


def _streamed(request: HttpRequest, blob: Blob) -> HttpResponseBase:
    wanted = wanted_range(request, size=blob.size, etag=blob.sha256)
    if wanted is None:
        return _stream(blob, 0, blob.size, 200)
    first, last = wanted
    if first >= blob.size or first > last:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{blob.size}"
        return response
    partial = _stream(blob, first, last - first + 1, 206)
    partial["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
    return partial


def wanted_range(request: HttpRequest, *, size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte of a single-range request; None for the whole file (RFC 9110, 14.2)."""
    match = RANGE.match(request.headers.get("Range", "").strip())
    if match is None or not any(match.groups()):
        return None
    condition = request.headers.get("If-Range")
    if condition and quote_etag(etag) not in parse_etags(condition):
        return None  # the client holds a part of another file: send the whole
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _stream(blob: Blob, first: int, length: int, status: int) -> StreamingHttpResponse:
    pieces = read_range(key=blob.storage_key, first=first, length=length)
    response = StreamingHttpResponse(pieces, status=status, content_type=OCTETS)
    response["Content-Length"] = str(length)
    return response
