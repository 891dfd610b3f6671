"""Who the token belongs to, and the calls that clients make beside their work."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.models import ApiToken, User
from accounts.scopes import Scope
from registry.compat.hub.access import access_repository, acting_user, hub_view
from registry.compat.hub.errors import NotOffered, RepoNotFound
from registry.compat.hub.info import moment
from registry.compat.hub.kinds import HubCaller
from registry.permissions import AdapterPermission

HARNESSES = {"standardEnvVars": [], "harnesses": {}}  # type: ignore[var-annotated]


@hub_view(signed_in=True)
def whoami(request: HttpRequest, caller: HubCaller) -> HttpResponse:
    """`GET /api/whoami-v2`"""
    user = acting_user(caller)
    return JsonResponse(
        {
            "type": "user",
            "id": f"{user.pk:024x}",
            "name": user.username,
            "fullname": user.name,
            "email": user.email,
            "emailVerified": True,
            "canPay": False,
            "isPro": False,
            "orgs": _organisations(user),
            "auth": {"type": "access_token", "accessToken": _token(caller.token)},
        }
    )


def _organisations(user: User) -> list[dict[str, Any]]:
    memberships = user.memberships.select_related("organisation__namespace").order_by("organisation__namespace__slug")
    return [
        {
            "type": "org",
            "id": f"{row.organisation_id:024x}",
            "name": row.organisation.namespace.slug,
            "fullname": row.organisation.display_name,
            "roleInOrg": row.role,
        }
        for row in memberships
    ]


def _token(token: ApiToken | None) -> dict[str, Any]:
    if token is None:
        return {}
    role = "write" if Scope.WRITE.value in token.scopes else "read"
    return {"displayName": token.name, "role": role, "createdAt": moment(token.created_at)}


@hub_view()
def auth_check(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`GET /api/{kind}/{repo}/auth-check`: 200, or the gate's refusal."""
    access_repository(actor=caller, kind=kind, owner=owner, name=name).require_gate()
    return JsonResponse({})


@hub_view(scope=Scope.WRITE)
def auth_check_write(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`GET /api/{kind}/{repo}/auth-check/write`"""
    access_repository(actor=caller, kind=kind, owner=owner, name=name, permission=AdapterPermission.CONTRIBUTE)
    return JsonResponse({})


@hub_view()
def agent_harnesses(request: HttpRequest, caller: HubCaller) -> HttpResponse:
    """`GET /api/agent-harnesses`: which the client asks for now and then."""
    return JsonResponse(HARNESSES)


@hub_view()
def nameless(request: HttpRequest, caller: HubCaller, kind: str, owner: str) -> HttpResponse:
    """A repository without an owner, of which there are none here."""
    raise RepoNotFound(f"There is no repository {owner}: write owner/name.")


@hub_view(methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
def not_offered(request: HttpRequest, caller: HubCaller, rest: str, kind: str = "") -> HttpResponse:
    """Whatever else the protocol knows."""
    raise NotOffered(
        f"This registry does not offer {request.method} {request.path}.",
        remedy="See its documentation of the Hub protocol for what it does, or its own API at /api/docs.",
    )
