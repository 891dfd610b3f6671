"""Repositories themselves: made, moved, deleted, their settings."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import WRITE, json_body, repository_to_write, root_of, text_of
from registry.compat.hub.errors import BadRequest, HubError, warn
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.writing import writing_kind
from registry.errors import NameTaken
from registry.permissions import AdapterPermission as P
from registry.selectors.access import namespaces_for_upload

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}


class Taken(HubError):
    """The client takes a repository that is there already from `url`."""

    code = "name-taken"
    status = 409


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def create(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`POST /api/repos/create`"""
    body, actor = json_body(request), acting_user(caller)
    kind = writing_kind(_kind(body))
    owner = _owner(actor, text_of(body, "organization"))
    name = text_of(body, "name").rpartition("/")[2].lower()
    url = f"{root_of(request)}{'' if kind.name == 'models' else f'/{kind.name}'}/{owner.slug}/{name}"
    try:
        notes = kind.create(actor=actor, owner=owner, name=name, body=body)
    except NameTaken as taken:
        said = f"{taken.detail} You already created this {kind.name[:-1]} repo, or somebody else did."
        raise Taken(said, url=url) from taken
    response = JsonResponse({"url": url, "name": f"{owner.slug}/{name}", "id": f"{owner.slug}/{name}"})
    if notes:
        warn(response, "created", " ".join(f"{note.text} {root_of(request)}{note.path}" for note in notes))
    return response


def _kind(body: dict[str, Any]) -> str:
    """The kind that a body names, as addresses have it; raises BadRequest."""
    kind = text_of(body, "type", "model") or "model"
    if kind not in KINDS:
        raise BadRequest("`type` is one of model, dataset, space.")
    return KINDS[kind]


def _owner(actor: User, slug: str) -> Namespace:
    """The namespace that is named, the actor's own where none is; raises NotPermitted where it is not theirs."""
    if not slug:
        return Namespace.objects.get(user=actor)
    found = namespaces_for_upload(actor).filter(slug=slug.lower()).first()
    if found is None:
        raise NotPermitted(f"You may not upload under {slug[:80]}.")
    return found


@hub_view(methods=["DELETE"], scope=WRITE, signed_in=True)
def delete(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`DELETE /api/repos/delete`"""
    body, actor = json_body(request), acting_user(caller)
    owner = text_of(body, "organization") or Namespace.objects.get(user=actor).slug
    owner, _, name = _address(text_of(body, "name"), owner)
    repository_to_write(caller, _kind(body), owner, name, P.EDIT).delete(actor)
    return JsonResponse({})


def _address(text: str, owner: str = "") -> tuple[str, str, str]:
    if "/" not in text:
        text = f"{owner}/{text}"
    first, slash, name = text.partition("/")
    return first.lower(), slash, name.lower()


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def move(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`POST /api/repos/move`"""
    body, actor = json_body(request), acting_user(caller)
    owner, _, name = _address(text_of(body, "fromRepo"))
    writing = repository_to_write(caller, _kind(body), owner, name, P.EDIT)
    new_owner, _, new_name = _address(text_of(body, "toRepo"))
    moved = writing.move(actor, _owner(actor, new_owner), new_name)
    return JsonResponse({"url": f"{root_of(request)}/{moved}"})


@hub_view(methods=["PUT"], scope=WRITE, signed_in=True)
def settings(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> JsonResponse:
    """`PUT /api/{kind}/{owner}/{name}/settings`"""
    writing = repository_to_write(caller, kind, owner, name, P.EDIT)
    return JsonResponse(writing.settings(acting_user(caller), json_body(request)))
