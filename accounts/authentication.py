"""How the API knows who asks: bearer tokens with scopes, beside the browser's session."""

from typing import Any

from rest_framework import authentication, exceptions
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.services import token_find


class ApiTokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer reg_…`; a token that is wrong, expired or revoked is an error, not a guest."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token_find(secret=secret.strip())
        if token is None:
            raise exceptions.AuthenticationFailed("Invalid credentials in Authorization header")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def acting_user(request: Request) -> User:
    """Who asks, where the call needs somebody; a guest gets the 401 of a missing token."""
    if not isinstance(request.user, User):
        raise exceptions.NotAuthenticated
    return request.user


class TokenScopePermission(BasePermission):
    """Whether the token's scopes cover the call; a browser session has them all.

    A view may name `required_scopes` for every call, or `writing_scopes` for those that change something; otherwise
    reading needs `read` and everything else `write`.
    Without a token, reading is for everybody and the rest for who is signed in.
    """

    message = "This token's scopes do not cover the call."

    def has_permission(self, request: Request, view: Any) -> bool:
        safe = request.method in SAFE_METHODS
        if not isinstance(request.auth, ApiToken):
            return safe or bool(request.user and request.user.is_authenticated)
        needed = getattr(view, "required_scopes", None)
        needed = needed or ([Scope.READ] if safe else getattr(view, "writing_scopes", [Scope.WRITE]))
        return set(map(str, needed)) <= set(request.auth.scopes)
