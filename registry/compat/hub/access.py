"""Who asks, and the one decorator of all the Hub's addresses: token, scope, throttle, errors."""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from accounts.errors import DomainError, NotFound, NotPermitted
from accounts.models import User
from accounts.scopes import Scope
from accounts.services import token_find
from registry.compat.hub.errors import BadCredentials, MethodNotAllowed, SignInNeeded, TooManyCalls, error_response
from registry.compat.hub.kinds import HubCaller, Repository, kind_named
from registry.permissions import AdapterPermission
from registry.selectors.visibility import adapters_readable_by
from registry.services.moves import moved_to

GUEST = HubCaller(AnonymousUser())
HubView = Callable[..., HttpResponseBase]


def hub_actor(request: HttpRequest) -> HubCaller:
    """The owner of the bearer token, or a guest; a browser's session counts for nothing here.

    Raises BadCredentials, in the words that clients compare, for a token that is wrong, expired or revoked.
    """
    header = request.headers.get("Authorization", "")
    if not header:
        return GUEST
    scheme, _, secret = header.partition(" ")
    token = token_find(secret=secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise BadCredentials
    return HubCaller(token.user, token)


def require_scope(caller: HubCaller, scope: Scope) -> None:
    """Raises NotPermitted where the token was not given this scope."""
    if caller.token is not None and scope.value not in caller.token.scopes:
        raise NotPermitted(
            f"This token does not have the scope “{scope.value}”.",
            remedy="Make one that has it on your tokens page.",
        )


def acting_user(caller: HubCaller) -> User:
    """Who asks, where the call needs somebody; raises SignInNeeded."""
    if not isinstance(caller.user, User):
        raise SignInNeeded
    return caller.user


def access_repository(
    *, actor: HubCaller, kind: str, owner: str, name: str, permission: AdapterPermission = AdapterPermission.READ
) -> Repository:
    """The repository, if the caller may read it and do this to it; raises NotFound or NotPermitted."""
    return kind_named(kind).find(
        caller=actor, owner=owner.replace("\0", ""), name=name.replace("\0", ""), permission=permission
    )


def hub_view(
    *, methods: Sequence[str] = ("GET", "HEAD"), scope: Scope = Scope.READ, signed_in: bool = False
) -> Callable[[HubView], HubView]:
    """Makes `view(request, caller, …)` an address of the protocol: every refusal leaves in the Hub's words."""

    def decorate(view: HubView) -> HubView:
        @csrf_exempt  # nobody is recognised by a cookie here
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            caller = GUEST
            try:
                _require_method(request, methods)
                caller = hub_actor(request)
                _throttle(request, caller, view)
                require_scope(caller, scope)
                if signed_in:
                    acting_user(caller)
                response = view(request, caller, *args, **kwargs)
            except DomainError as error:
                moved = _moved(request, caller, kwargs) if isinstance(error, NotFound) else None
                response = moved or error_response(request, error, signed_in=caller.signed_in)
            return _finished(request, response)

        return answer

    return decorate


def _moved(request: HttpRequest, caller: HubCaller, named: Mapping[str, Any]) -> HttpResponseBase | None:
    """307 to where a repository is now, for who may read it there; None for everybody else, as if it never was."""
    owner, name = str(named.get("owner", "")), str(named.get("name", ""))
    if named.get("kind", "models") != "models" or (adapter := moved_to(owner=owner, name=name)) is None:
        return None
    if not adapters_readable_by(caller.user).filter(pk=adapter.pk).exists():
        return None
    target = str(request.META.get("RAW_URI") or request.get_full_path())
    place = target.replace(f"/{owner}/{name}", f"/{adapter.owner.slug}/{adapter.name}", 1)
    if not place.startswith("/") or place == target:
        return None
    response = HttpResponse(status=307)
    response["Location"] = place
    return response


def _require_method(request: HttpRequest, methods: Sequence[str]) -> None:
    if request.method not in methods:
        known = ", ".join(methods)
        raise MethodNotAllowed(f"This address knows {known}, not {request.method}.", headers={"Allow": known})


def _throttle(request: HttpRequest, caller: HubCaller, view: Any) -> None:
    """The same buckets as the API's own; raises TooManyCalls."""
    asked = cast(
        Request, SimpleNamespace(user=caller.user, META=request.META, headers=request.headers, _request=request)
    )
    kinds = cast(list[type[BaseThrottle]], api_settings.DEFAULT_THROTTLE_CLASSES)
    for throttle in (kind() for kind in kinds):
        if not throttle.allow_request(asked, view):
            wait = math.ceil(throttle.wait() or 1)
            raise TooManyCalls(headers={"Retry-After": str(wait)})


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    asked = request.headers.get("X-Request-Id") or request.headers.get("X-Amzn-Trace-Id") or ""
    kept = "".join(letter for letter in asked[:100] if letter.isalnum() or letter in "-_=;:.")
    response["X-Request-Id"] = kept or uuid.uuid4().hex
    response.setdefault("Cache-Control", "private, no-store")
    response.setdefault("X-Content-Type-Options", "nosniff")
    return response
