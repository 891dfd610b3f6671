"""Branches and tags: made and deleted."""

from django.http import HttpRequest, JsonResponse

from accounts.errors import NotFound
from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import WRITE, adapter_to_write, json_body, text_of
from registry.compat.hub.errors import RevisionNotFound
from registry.compat.hub.kinds import HubCaller, Repository
from registry.compat.hub.raw import rest_after
from registry.models import Adapter, Revision
from registry.models.repositories import RefKind
from registry.permissions import AdapterPermission as P
from registry.services.references import reference_create, reference_delete
from registry.services.repositories import MAIN


def _row(repository: Repository, name: str) -> Revision:
    """The revision under this name, as the caller sees it; raises RevisionMissing or RevisionNotFound."""
    row = repository.revision(name or MAIN).row
    if not isinstance(row, Revision):
        raise RevisionNotFound
    return row


def _named(request: HttpRequest, kind: str, owner: str, name: str, word: str) -> str:
    return "/".join(rest_after(request, "api", kind, owner, name, word))


def _delete(caller: HubCaller, adapter: Adapter, kind: RefKind, name: str) -> JsonResponse:
    try:
        reference_delete(actor=acting_user(caller), adapter=adapter, kind=kind, name=name)
    except NotFound as missing:
        raise RevisionNotFound(missing.detail) from missing
    return JsonResponse({})


@hub_view(methods=["POST", "DELETE"], scope=WRITE, signed_in=True)
def branch(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`POST` and `DELETE /api/{kind}/{owner}/{name}/branch/{branch}`"""
    repository, adapter = adapter_to_write(caller, kind, owner, name)
    named = _named(request, kind, owner, name, "branch")
    if request.method == "DELETE":
        _, adapter = adapter_to_write(caller, kind, owner, name, P.EDIT)
        return _delete(caller, adapter, RefKind.BRANCH, named)
    revision = _row(repository, text_of(json_body(request), "startingPoint"))
    reference_create(actor=acting_user(caller), adapter=adapter, kind=RefKind.BRANCH, name=named, revision=revision)
    return JsonResponse({})


@hub_view(methods=["POST", "DELETE"], scope=WRITE, signed_in=True)
def tag(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`POST /api/{kind}/{owner}/{name}/tag/{revision}` and `DELETE …/tag/{tag}`"""
    repository, adapter = adapter_to_write(caller, kind, owner, name, P.EDIT)
    named = _named(request, kind, owner, name, "tag")
    if request.method == "DELETE":
        return _delete(caller, adapter, RefKind.TAG, named)
    revision = _row(repository, named)
    wanted = text_of(json_body(request), "tag")
    reference_create(actor=acting_user(caller), adapter=adapter, kind=RefKind.TAG, name=wanted, revision=revision)
    return JsonResponse({})
