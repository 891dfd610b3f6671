"""Pages of the site itself: health, the API's documentation, and the error pages."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from accounts.errors import NotFound


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answers once the database does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return redirect(static("img/favicon.svg"), permanent=True)


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """The browsable reference, drawn from the schema by a script of our own."""
    return render(request, "api/docs.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse(NotFound().to_json(), status=404, content_type="application/problem+json")
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        body = {"type": "/problems/internal", "title": "Internal error", "status": 500, "code": "internal"}
        return JsonResponse(body, status=500, content_type="application/problem+json")
    return render(request, "errors/500.html", status=500)
