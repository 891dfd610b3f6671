"""What a body says about who sees a repository: `visibility`, or the older `private`."""

from typing import Any

from accounts.models import Namespace
from registry.compat.hub.bodies import text_of
from registry.compat.hub.errors import BadRequest
from registry.models.adapters import Visibility


def wanted_visibility(body: dict[str, Any], owner: Namespace) -> str | None:
    """What is asked for of an owner's repository; None where nothing is. Raises BadRequest."""
    closed = Visibility.PRIVATE if owner.user_id else Visibility.ORGANISATION
    private = wants_private(body)
    return None if private is None else str(closed if private else Visibility.PUBLIC)


def wants_private(body: dict[str, Any]) -> bool | None:
    """Whether only its own people are to see it; None where nothing is said. Raises BadRequest."""
    wanted = text_of(body, "visibility")
    if not wanted:
        return None if body.get("private") is None else body["private"] is True
    known = {"public": False, "private": True, "protected": True}
    if wanted not in known:
        raise BadRequest("`visibility` is public or private.")
    return known[wanted]
