"""Who asks: a bearer token, a token in the query string, a browser's session, or nobody."""

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import ApiTokenAuthentication
from accounts.models import ApiToken, User
from accounts.scopes import Scope
from accounts.services import token_find
from registry.compat.civitai.errors import error_handler


class QueryTokenAuthentication(BaseAuthentication):
    """`?token=…`, which Civitai's clients put into download addresses."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        secret = request.query_params.get("token", "")
        if not secret:
            return None
        token = token_find(secret=secret.strip())
        if token is None:
            raise exceptions.AuthenticationFailed("The token is not known here, has run out, or was revoked.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ReadingPermission(BasePermission):
    """Everything here reads, the calls that POST a list of hashes too."""

    message = "This token's scopes do not cover the call."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiToken):
            return True
        needed = getattr(view, "required_scope", Scope.READ)
        return str(needed) in request.auth.scopes


class CivitaiView(APIView):
    """An endpoint of the Civitai API."""

    authentication_classes = [ApiTokenAuthentication, QueryTokenAuthentication, SessionAuthentication]
    permission_classes = [ReadingPermission]
    schema = None  # the protocol is another's, and described where it is at home

    def get_exception_handler(self) -> Any:
        return error_handler


def root_of(request: Request) -> str:
    """`https://host`, the beginning of every address in an answer."""
    return request.build_absolute_uri("/").rstrip("/")
