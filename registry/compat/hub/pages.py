"""Pages of lists: opaque cursors, and the `Link` header that names the next page."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from registry.compat.hub.errors import BadRequest


def cursor_of(order: str, *place: Any) -> str:
    """Where a page ended, as opaque text."""
    plain = [order, *(part.isoformat() if isinstance(part, datetime) else part for part in place)]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def read_cursor(value: str, order: str) -> tuple[Any, Any] | None:
    """The two parts that `cursor_of` wrote for this order, None without a cursor; raises BadRequest for any other."""
    if not value:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise BadRequest("The cursor cannot be read. Start again without it.") from error
    if not isinstance(found, list) or len(found) != 3 or found[0] != order:
        raise BadRequest("The cursor belongs to another list. Start again without it.")
    return found[1], found[2]


def link_next(request: HttpRequest, response: HttpResponse, **changes: str) -> None:
    """`Link: <absolute url>; rel="next"`: this very address with these parameters changed."""
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    address = request.build_absolute_uri(request.path) + "?" + query.urlencode()
    response["Link"] = f'<{address}>; rel="next"'
