"""Sending the matrix's requests: each leaves the database as it was."""

import re
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse

CSRF_TOKEN = re.compile(rb"\b[A-Za-z0-9]{64}\b")


def ask(
    client: Client,
    name: str,
    method: str,
    args: list[Any],
    *,
    data: dict[str, Any] | None = None,
    json: bool = False,
    **more: Any,
) -> HttpResponseBase:
    """The answer; whatever the request wrote is rolled back, and throttles start anew."""
    cache.clear()
    client.cookies.pop("messages", None)  # what an earlier page had to say
    content: Any = data or {}
    if json and method != "GET":
        more.setdefault("content_type", "application/json")
    with transaction.atomic():
        response: HttpResponseBase = getattr(client, method.lower())(reverse(name, args=args), content, **more)
        transaction.set_rollback(True)
    return response


def body_of(response: HttpResponseBase) -> bytes:
    """Read to its end, which closes it: `close` itself would take the house's connection with it."""
    return b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined,arg-type]


def without_names(response: HttpResponseBase, args: list[Any]) -> tuple[int, str, bytes]:
    """Status, type and body, with what was asked for and the CSRF token replaced."""
    content = CSRF_TOKEN.sub(b"token", body_of(response))
    for word in args:
        plain = re.escape(str(word).encode())
        content = re.sub(rb"(versions?[ /]|with id )" + plain if isinstance(word, int) else plain, b"name", content)
    return response.status_code, response.get("Content-Type", ""), content
