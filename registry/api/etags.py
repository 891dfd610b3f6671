"""ETags of JSON answers: the digest of what would be sent, so that a repeated question costs no bytes."""

import hashlib
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.http import parse_etags, quote_etag
from rest_framework.request import Request
from rest_framework.response import Response


def conditional(request: Request, data: Any) -> Response:
    """`data` under its ETag, or 304 when the caller holds it already."""
    body = json.dumps(data, cls=DjangoJSONEncoder, sort_keys=True)
    etag = quote_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    # A proxy that compresses weakens the tag; for this comparison weak is good enough (RFC 9110, 13.1.2).
    held = [tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))]
    response = Response(status=304) if etag in held or "*" in held else Response(data)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response
