"""Errors in the Hub's words: a status, `X-Error-Code`, `X-Error-Message`, and `X-HF-Warning` where a page says more."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.errors import DomainError, NotFound, NotPermitted
from governance.errors import GovernanceRefused
from registry.errors import AcceptanceNeeded, AccessNotGranted, NotAvailable, RevisionMissing

LONGEST = 1500  # characters of a header's text
PLAIN = str.maketrans({"“": '"', "”": '"', "’": "'", "…": "...", "–": "-", "→": "->", "×": "x"})


class HubError(DomainError):
    """`hub_code` is what the Hub's clients decide by; without one they print the message."""

    hub_code = ""


class BadCredentials(HubError):
    code = "bad-credentials"
    status = 401
    title = "Invalid credentials in Authorization header"  # clients compare this very text


class SignInNeeded(HubError):
    code = "sign-in-needed"
    status = 401
    title = "Sign in: send a token of yours as `Authorization: Bearer`, for example by `hf auth login`."


class RepoNotFound(HubError):
    code = "repository-not-found"
    status = 404
    title = "Repository not found"
    hub_code = "RepoNotFound"


class RevisionNotFound(HubError):
    code = "revision-not-found"
    status = 404
    title = "There is no such revision."
    hub_code = "RevisionNotFound"


class EntryNotFound(HubError):
    code = "entry-not-found"
    status = 404
    title = "There is no such file in this revision."
    hub_code = "EntryNotFound"


class GatedRepo(HubError):
    code = "gated"
    status = 403
    title = "The terms have not been accepted."
    hub_code = "GatedRepo"


class BadRequest(HubError):
    code = "bad-request"
    status = 400
    title = "The request is not valid."


class MethodNotAllowed(HubError):
    code = "method-not-allowed"
    status = 405
    title = "This address does not know that method."


class TooManyCalls(HubError):
    code = "throttled"
    status = 429
    title = "Too many calls in a short time."
    remedy = "Wait as long as the Retry-After header says."


class NotOffered(HubError):
    """What the protocol knows and this registry does not do; the text says what to do instead."""

    code = "not-offered"
    status = 501
    title = "This registry does not offer that call."


def plain_text(text: str) -> str:
    """One line of ASCII, which every client can read out of a header."""
    return " ".join(text.translate(PLAIN).split()).encode("ascii", "replace").decode()[:LONGEST]


def as_hub_error(error: DomainError) -> HubError:
    """Any refusal of ours as one that the Hub's clients understand; what it says and its data stay."""
    if isinstance(error, HubError):
        return error
    kinds: list[tuple[type[DomainError], type[HubError]]] = [
        (RevisionMissing, RevisionNotFound),
        (AcceptanceNeeded, GatedRepo),
        (AccessNotGranted, GatedRepo),
        (GovernanceRefused, GatedRepo),
        (NotAvailable, EntryNotFound),
        (NotFound, RepoNotFound),
    ]
    kind = next((hub for ours, hub in kinds if isinstance(error, ours)), HubError)
    found = kind(_said(error), remedy="", **error.data)
    if kind is HubError:
        found.status, found.code = error.status, error.code  # type: ignore[misc]
    return found


def _said(error: DomainError) -> str:
    """What happened and what to do; a refusal of the rules with its reasons."""
    reasons = []
    if isinstance(error, GovernanceRefused):
        reasons = [reason.message for reason in error.decision.deciding]
    fields = error.data.get("errors")
    if isinstance(fields, dict):
        reasons += [f"{name}: {text}" for name, text in fields.items()]
    return " ".join(part for part in (error.detail, *reasons, error.remedy) if part)


def error_response(request: HttpRequest, error: DomainError, *, signed_in: bool) -> HttpResponse:
    """The answer; a guest is asked to sign in where somebody else would be told that there is nothing, or no way."""
    found = as_hub_error(error)
    status = found.status
    if not signed_in and (isinstance(error, NotPermitted) or found.hub_code in {"RepoNotFound", "GatedRepo"}):
        status = HTTPStatus.UNAUTHORIZED
    text = " ".join(part for part in (found.detail, found.remedy) if part)
    body: dict[str, Any] = {"error": text}
    if found.hub_code:
        body["code"] = found.hub_code
    body |= {name: found.data[name] for name in ("url", "decision", "errors") if name in found.data}
    response = JsonResponse(body, status=status)
    response["X-Error-Message"] = plain_text(text)
    if found.hub_code:
        response["X-Error-Code"] = found.hub_code
    for name, value in found.data.get("headers", {}).items():
        response[name] = value
    if page := found.data.get("url"):
        warn(response, "licence" if found.hub_code == "GatedRepo" else "page", str(page))
    return response


def warn(response: HttpResponse, topic: str, text: str) -> None:
    """Have the client print this: `X-HF-Warning: topic; text`."""
    response["X-HF-Warning"] = f"{plain_text(topic)}; {plain_text(text)}"
