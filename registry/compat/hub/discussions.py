"""Discussions and pull requests, which this registry does not have."""

from django.http import HttpRequest, JsonResponse

from registry.compat.hub.access import access_repository, hub_view
from registry.compat.hub.errors import NotOffered
from registry.compat.hub.kinds import HubCaller


@hub_view(methods=["GET", "HEAD", "POST"])
def discussions(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str = ""
) -> JsonResponse:
    """`/api/{kind}/{owner}/{name}/discussions…`: said only of what the caller may see."""
    found = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    raise NotOffered(
        f"This registry has no discussions and no pull requests. What is wrong with {found.id} is reported on its "
        f"page, {found.page}; moderators answer there."
    )
