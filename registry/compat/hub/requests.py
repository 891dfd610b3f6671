"""Access requests, as their owner handles them by the client; asking is a page."""

import json
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError

from accounts.models import User
from accounts.scopes import Scope
from registry.compat.hub.access import access_repository, acting_user, hub_view
from registry.compat.hub.errors import BadRequest, NotOffered
from registry.compat.hub.info import moment
from registry.compat.hub.kinds import HubCaller
from registry.models import Access, AccessRequest, Adapter, RequestState
from registry.permissions import AdapterPermission
from registry.services.access_requests import access_decide, access_grant, requests_of


def _adapter(caller: HubCaller, kind: str, owner: str, name: str) -> Adapter:
    """The adapter whose requests the caller may handle, if it has any; raises BadRequest where it is not gated so."""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name, permission=AdapterPermission.EDIT)
    if not isinstance(repository.subject, Adapter):
        raise NotOffered("Datasets are for their own people; nobody asks for access to one.")
    if repository.subject.access != Access.GRANTED:
        raise BadRequest(f"{repository.id} is open to everybody who accepts its terms: nobody asks for access to it.")
    return repository.subject


@hub_view(signed_in=True)
def access_list(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, state: str) -> HttpResponse:
    """`GET …/user-access-request/{pending|accepted|rejected}`"""
    if state not in RequestState.values:
        raise BadRequest(f"A request is one of {', '.join(RequestState.values)}.")
    adapter = _adapter(caller, kind, owner, name)
    found = requests_of(actor=acting_user(caller), adapter=adapter, state=RequestState(state))
    return JsonResponse([_shown(row) for row in found], safe=False)


def _shown(row: AccessRequest) -> dict[str, Any]:
    """Without the person's address: they told the owner their name and their reason, and nothing else."""
    return {
        "requestId": str(row.pk),
        "user": {"_id": f"{row.user_id:024x}", "user": row.user.username, "fullname": row.user.name, "email": None},
        "status": row.state,
        "timestamp": moment(row.asked_at),
        "fields": {"Reason": row.reason} if row.reason else {},
        "grantedBy": None,
    }


@hub_view(methods=("POST",), scope=Scope.WRITE, signed_in=True)
def access_handle(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`POST …/user-access-request/handle`"""
    adapter, sent = _adapter(caller, kind, owner, name), _sent(request)
    state = sent.get("status")
    if state not in RequestState.values:
        raise BadRequest(f"`status` is one of {', '.join(RequestState.values)}.")
    row = _named(adapter, sent)
    if row is None:
        raise BadRequest("There is no request of that person.")
    answer = sent.get("rejectionReason") or ""
    if not isinstance(answer, str):
        raise BadRequest("`rejectionReason` is a text.")
    access_decide(
        actor=acting_user(caller), adapter=adapter, request_id=row.pk, state=RequestState(state), answer=answer
    )
    return JsonResponse({})


def _named(adapter: Adapter, sent: dict[str, Any]) -> AccessRequest | None:
    rows = AccessRequest.objects.filter(adapter=adapter)
    number = sent.get("requestId")
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 19:
        return rows.filter(pk=int(number)).first()
    name = sent.get("user")
    return rows.filter(user__username=name.replace("\0", "").lower()).first() if isinstance(name, str) else None


@hub_view(methods=("POST",), scope=Scope.WRITE, signed_in=True)
def access_let_in(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`POST …/user-access-request/grant`"""
    adapter, sent = _adapter(caller, kind, owner, name), _sent(request)
    person = sent.get("user")
    if not isinstance(person, str):
        raise BadRequest("`user` is the name of the person to let in.")
    user = User.objects.filter(username=person.replace("\0", "").lower(), is_active=True).first()
    access_grant(actor=acting_user(caller), adapter=adapter, user=user)
    return JsonResponse({})


def _sent(request: HttpRequest) -> dict[str, Any]:
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError, RequestDataTooBig, UnreadablePostError) as error:
        raise BadRequest("Send a JSON object.") from error
    if not isinstance(sent, dict):
        raise BadRequest("Send a JSON object.")
    return sent
