"""Repositories themselves: made, moved, deleted, their settings."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.services import audited
from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import WRITE, adapter_to_write, json_body, root_of, text_of
from registry.compat.hub.errors import BadRequest, HubError, NotOffered
from registry.compat.hub.kinds import HubCaller
from registry.errors import NameTaken
from registry.models import Access
from registry.models.adapters import Visibility
from registry.permissions import AdapterPermission as P
from registry.selectors.access import namespaces_for_upload
from registry.services.access_requests import access_rule_set
from registry.services.adapters import adapter_update
from registry.services.moves import repository_create, repository_delete, repository_move

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}


class Taken(HubError):
    """The client takes a repository that is there already from `url`."""

    code = "name-taken"
    status = 409


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def create(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`POST /api/repos/create`"""
    body, actor = json_body(request), acting_user(caller)
    _models_only(body, "made on the datasets page: /datasets")
    owner = _owner(actor, text_of(body, "organization"))
    name = text_of(body, "name").rpartition("/")[2].lower()
    try:
        visibility = _visibility(body, owner) or Visibility.PUBLIC
        adapter = repository_create(actor=actor, owner=owner, name=name, visibility=visibility)
    except NameTaken as taken:
        url = f"{root_of(request)}/{owner.slug}/{name}"
        raise Taken(f"{taken.detail} You already created this model repo, or somebody else did.", url=url) from taken
    return JsonResponse({"url": f"{root_of(request)}/{adapter}", "name": str(adapter), "id": str(adapter)})


def _models_only(body: dict[str, Any], otherwise: str) -> None:
    kind = text_of(body, "type", "model") or "model"
    if kind not in KINDS:
        raise BadRequest("`type` is one of model, dataset, space.")
    if kind != "model":
        raise NotOffered(f"By this protocol only models are written here; {kind}s are {otherwise}.")


def _owner(actor: User, slug: str) -> Namespace:
    """The namespace that is named, the actor's own where none is; raises NotPermitted where it is not theirs."""
    if not slug:
        return Namespace.objects.get(user=actor)
    found = namespaces_for_upload(actor).filter(slug=slug.lower()).first()
    if found is None:
        raise NotPermitted(f"You may not upload under {slug[:80]}.")
    return found


def _visibility(body: dict[str, Any], owner: Namespace) -> str | None:
    """What `visibility`, or the older `private`, asks for; None where it asks for nothing."""
    closed = Visibility.PRIVATE if owner.user_id else Visibility.ORGANISATION
    wanted = text_of(body, "visibility")
    if wanted:
        known = {"public": Visibility.PUBLIC, "private": closed, "protected": closed}
        if wanted not in known:
            raise BadRequest("`visibility` is public or private.")
        return str(known[wanted])
    private = body.get("private")
    if private is None:
        return None
    return str(closed if private is True else Visibility.PUBLIC)


@hub_view(methods=["DELETE"], scope=WRITE, signed_in=True)
def delete(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`DELETE /api/repos/delete`"""
    body, actor = json_body(request), acting_user(caller)
    _models_only(body, "deleted on their page")
    owner = text_of(body, "organization") or Namespace.objects.get(user=actor).slug
    owner, _, name = _address(text_of(body, "name"), owner)
    _, adapter = adapter_to_write(caller, "models", owner, name, P.EDIT)
    repository_delete(actor=actor, adapter=adapter)
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
    _models_only(body, "not moved")
    owner, _, name = _address(text_of(body, "fromRepo"))
    _, adapter = adapter_to_write(caller, "models", owner, name, P.EDIT)
    new_owner, _, new_name = _address(text_of(body, "toRepo"))
    target = _owner(actor, new_owner)
    moved = repository_move(actor=actor, adapter=adapter, owner=target, name=new_name)
    return JsonResponse({"url": f"{root_of(request)}/{moved}"})


@hub_view(methods=["PUT"], scope=WRITE, signed_in=True)
def settings(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> JsonResponse:
    """`PUT /api/{kind}/{owner}/{name}/settings`: who sees it, and whether its owner grants access by hand."""
    _, adapter = adapter_to_write(caller, kind, owner, name, P.EDIT)
    body, actor = json_body(request), acting_user(caller)
    visibility, rule = _visibility(body, adapter.owner), _rule(body)
    with audited():
        if visibility is not None:
            adapter = adapter_update(actor=actor, adapter=adapter, visibility=visibility)
        if rule is not None:
            adapter = access_rule_set(actor=actor, adapter=adapter, rule=rule)
    closed = adapter.visibility != Visibility.PUBLIC
    return JsonResponse({"visibility": "private" if closed else "public", "private": closed})


def _rule(body: dict[str, Any]) -> Access | None:
    """What `gated` asks for: the terms of the gate stay in every case, and `manual` adds the owner's own word."""
    if "gated" not in body or body["gated"] is None:
        return None
    known: dict[Any, Access] = {False: Access.TERMS, "auto": Access.TERMS, "manual": Access.GRANTED}
    if isinstance(body["gated"], list | dict) or body["gated"] not in known:
        raise BadRequest("`gated` is false, auto or manual.")
    return known[body["gated"]]
