"""Errors in Civitai's words: `{"error": "…"}`, saying what happened, why, and what to do."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.errors import DomainError, NotFound, NotPermitted


class BadRequest(DomainError):
    """A parameter that cannot be understood; the text names what is accepted."""

    code = "bad-request"
    status = 400
    title = "The request is not valid"


def error_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler of these endpoints."""
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = NotPermitted()
    if isinstance(error, DomainError):
        return Response(_body(error), status=error.status)
    response = exception_handler(error, context)
    if response is not None and isinstance(error, exceptions.APIException):
        response.data = {"error": str(error.detail) if isinstance(error.detail, str) else "The request is not valid."}
    return response


def _body(error: DomainError) -> dict[str, Any]:
    plain = error.to_json()
    said = " ".join(part for part in (plain.get("detail") or plain["title"], plain.get("remedy")) if part)
    extra: dict[str, Any] = {name: plain[name] for name in ("decision", "errors", "state", "url") if name in plain}
    return {"error": said, "code": plain["code"], **extra}
