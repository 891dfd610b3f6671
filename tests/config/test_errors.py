"""Every error of the API is a problem document; every error of the pages is a page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.test import Client, RequestFactory, override_settings
from rest_framework import exceptions

from accounts.errors import NotFound, NotPermitted
from config.errors import problem_handler
from registry.errors import QuotaExceeded, StorageFull

PROBLEM = "application/problem+json"


def _handled(error: Exception) -> Any:
    return problem_handler(error, {"request": None, "view": None})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, NotFound.code),
        (PermissionDenied(), 403, NotPermitted.code),
        (QuotaExceeded("Nothing is left."), 413, "quota-exceeded"),
        (StorageFull("Nothing is left."), 507, "storage-full"),
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method-not-allowed"),
        (exceptions.ParseError(), 400, "parse-error"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported-media-type"),
    ],
)
def test_error_becomes_a_problem_document(error: Exception, status: int, code: str) -> None:
    response = _handled(error)
    assert response.status_code == status
    assert response.content_type == PROBLEM
    assert response.data["status"] == status
    assert response.data["code"] == code
    assert response.data["type"] == f"/problems/{code}"
    assert response.data["title"]
    assert response.data["remedy"]


def test_invalid_body_names_its_fields() -> None:
    body = _handled(exceptions.ValidationError({"name": ["It is missing."]})).data
    assert body["errors"] == {"name": ["It is missing."]}
    assert body["detail"] == "The request is not valid."


def test_throttled_answer_says_how_long_to_wait() -> None:
    response = _handled(exceptions.Throttled(wait=12))
    assert (response.status_code, response["Retry-After"]) == (429, "12")


def test_unforeseen_error_is_not_dressed_up() -> None:
    """It stays what it is, so that it is logged and answered as a 500."""
    assert _handled(ZeroDivisionError()) is None


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The site's answer where the database fails under a view."""

    def fail(request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("a detail that is nobody's business")

    def ask(path: str) -> Any:
        from config import urls

        monkeypatch.setattr(urls.urlpatterns[0], "callback", fail)
        with override_settings(DEBUG=False):
            return Client(raise_request_exception=False).get(path)

    return ask


def test_failing_page_is_a_page_that_gives_nothing_away(
    broken: Callable[[str], Any], caplog: pytest.LogCaptureFixture, db: None
) -> None:
    response = broken("/healthz")
    assert response.status_code == 500
    assert response["Content-Type"].startswith("text/html")
    assert "nobody's business" not in response.content.decode()
    assert "ZeroDivisionError" in caplog.text  # but the log has it


def test_failing_api_answers_a_problem_document() -> None:
    from config.views import server_error

    response = server_error(RequestFactory().get("/api/v1/adapters"))
    assert (response.status_code, response["Content-Type"]) == (500, PROBLEM)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/api/v1/nothing/of/the/kind", "*/*", PROBLEM),
        ("/api/v1/adapters/nobody/nothing", "*/*", PROBLEM),
        ("/nobody/nothing", "text/html", "text/html"),
        ("/nobody/nothing", "application/json", PROBLEM),
        ("/a/b/c/d/e/f", "text/html", "text/html"),
    ],
)
def test_absent_page_is_answered_in_the_form_that_was_asked_for(
    client: Client, path: str, accept: str, kind: str
) -> None:
    response = client.get(path, headers={"accept": accept})
    assert response.status_code == 404
    assert response["Content-Type"].startswith(kind)
    if kind == PROBLEM:
        assert response.json()["code"] == NotFound.code
