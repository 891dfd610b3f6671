"""The API's errors: every one is a problem document (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.errors import DomainError, NotFound, NotPermitted

REMEDIES = {
    400: "Correct what `errors` names and send it again.",
    401: "Send `Authorization: Bearer <token>` with a live token from your account page.",
    403: "Use an account or a token scope that may do this.",
    404: "Check the address. If the thing is private, authenticate with an account that may see it.",
    405: "Use one of the methods named in the Allow header.",
    415: "Send the content type that the documentation names.",
    429: "Wait as long as the Retry-After header says.",
}


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: domain errors and DRF's own, both as problem documents."""
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = NotPermitted()
    if isinstance(error, DomainError):
        return _problem(error.to_json(), error.status)
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    body = _api_problem(error, response.status_code)
    return _problem(body, response.status_code, response.headers)


def _api_problem(error: exceptions.APIException, status: int) -> dict[str, Any]:
    code = str(getattr(error, "default_code", "error")).replace("_", "-")
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": str(error.detail) if isinstance(error.detail, str) else "The request is not valid.",
        "remedy": REMEDIES.get(status, ""),
    }
    if not isinstance(error.detail, str):
        body["errors"] = error.detail
    return body


def _problem(body: dict[str, Any], status: int, headers: Any = None) -> Response:
    kept = {name: headers[name] for name in ("WWW-Authenticate", "Retry-After", "Allow") if headers and name in headers}
    return Response(body, status=status, headers=kept, content_type="application/problem+json")
