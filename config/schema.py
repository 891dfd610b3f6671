"""What the OpenAPI schema says about things that drf-spectacular cannot see by itself."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Personal tokens as a bearer scheme."""

    target_class = "accounts.authentication.ApiTokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        scheme: dict[str, str] = build_bearer_security_scheme_object(header_name="Authorization", token_prefix="Bearer")  # noqa: S106
        return scheme


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457): what happened, why, and what to do.",
    "properties": {
        "type": {"type": "string", "description": "An address that explains the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: programs tell problems apart by it."},
        "detail": {"type": "string"},
        "remedy": {"type": "string"},
        "errors": {"description": "What is wrong with which field, where fields are wrong."},
    },
    "required": ["type", "title", "status", "code"],
}
METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})


def document_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Every operation may answer with a problem: said once for all, since one handler makes them all."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for method in METHODS & operations.keys():
            answer = {"description": "A problem, with what to do about it.", "content": content}
            operations[method]["responses"].setdefault("4XX", answer)
    return result
