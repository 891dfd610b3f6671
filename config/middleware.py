"""Middleware of the whole site: the content security policy, and domain errors as pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.errors import DomainError, NotFound

Handler = Callable[[HttpRequest], HttpResponse]

# Everything a page needs is served by us; `data:` is for the tiny inline pictures in the style sheet.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob: https:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# The API's own documentation page is Swagger UI, which writes its style inline.
DOCS_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


class ContentSecurityPolicyMiddleware:
    """Adds the policy to every HTML answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = DOCS_POLICY if request.path.startswith("/api/docs") else POLICY
            response.setdefault("Content-Security-Policy", policy)
        return response


class DomainErrorMiddleware:
    """Turns a domain error that left a view into a page, or a problem document for who asks for JSON."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path:  # no name has it, and the database cannot even be asked for it
            return self._answer(request, NotFound())
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DomainError):
            return None
        return self._answer(request, error)

    def _answer(self, request: HttpRequest, error: DomainError) -> HttpResponse:
        types = ["text/html", "application/problem+json", "application/json"]
        if request.path.startswith("/api/") or request.get_preferred_type(types) != "text/html":
            return JsonResponse(error.to_json(), status=error.status, content_type="application/problem+json")
        return render(request, "errors/domain.html", {"error": error}, status=error.status)
