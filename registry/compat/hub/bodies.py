"""What calls that write have in common: JSON bodies of bounded size, streamed bodies, signed addresses."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, BinaryIO, cast

from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from accounts.errors import DomainError, NotPermitted
from accounts.scopes import Scope
from registry.api.transfers import PatientStream, transfer_slot
from registry.compat.hub.access import access_repository, acting_user
from registry.compat.hub.errors import BadRequest, MethodNotAllowed, NotOffered, error_response
from registry.compat.hub.kinds import HubCaller, Repository
from registry.compat.hub.writing import Writing, writing_of
from registry.errors import TooManyTransfers
from registry.models import Adapter
from registry.permissions import AdapterPermission

JSON_MOST = 2 * 1024 * 1024  # bytes of a body that is read whole
SIGNED_FOR = 6 * 60 * 60  # seconds that a signed address holds
WRITE = Scope.WRITE


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object; raises BadRequest."""
    raw = cast(BinaryIO, request).read(JSON_MOST + 1)
    if len(raw) > JSON_MOST:
        raise BadRequest(f"The body has more than {JSON_MOST:,} bytes.")
    try:
        parsed = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(parsed, dict):
        raise BadRequest("The body is no JSON object.")
    return parsed


def text_of(body: dict[str, Any], name: str, default: str = "") -> str:
    """A text in a JSON body; raises BadRequest for what is none, or what no database takes."""
    found = body.get(name)
    if found is None:
        return default
    if not isinstance(found, str) or "\0" in found or not _encodable(found):
        raise BadRequest(f"`{name}` is not a text.")
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def listed_of(body: dict[str, Any], name: str, most: int) -> list[dict[str, Any]]:
    """A list of objects in a JSON body; raises BadRequest."""
    found = body.get(name, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadRequest(f"`{name}` is not a list of objects.")
    if len(found) > most:
        raise BadRequest(f"`{name}` has {len(found):,} entries; {most:,} is the most.")
    return found


def adapter_to_write(
    caller: HubCaller, kind: str, owner: str, name: str, permission: AdapterPermission = AdapterPermission.CONTRIBUTE
) -> tuple[Repository, Adapter]:
    """The repository and its adapter, if the caller may do this; other kinds have no branches and tags of their own."""
    found = access_repository(actor=caller, kind=kind, owner=owner, name=name, permission=AdapterPermission.READ)
    if not isinstance(found.subject, Adapter):
        raise NotOffered(f"{found.id} has one branch, main, and its tags are the snapshots that runs trained on.")
    if not found.may(permission):
        raise NotPermitted(f"Your role towards {found.id} does not include {permission.value}.")
    return found, found.subject


def repository_to_write(
    caller: HubCaller, kind: str, owner: str, name: str, permission: AdapterPermission = AdapterPermission.CONTRIBUTE
) -> Writing:
    """The writing half of a repository, if the caller may do this to it; raises NotFound, NotPermitted, NotOffered."""
    found = access_repository(actor=caller, kind=kind, owner=owner, name=name, permission=AdapterPermission.READ)
    return writing_of(caller, found, permission)


@contextmanager
def streamed(request: HttpRequest, user_id: int) -> Iterator[PatientStream]:
    """The body as it arrives, never held in memory, while there is room for one more transfer of this person."""
    stream = PatientStream(cast(BinaryIO, request), request.META.get("gunicorn.socket"))
    with transfer_slot(user_id, otherwise=stream.refuse):
        yield stream
    stream.check()


def length_of(request: HttpRequest) -> int | None:
    """The announced length of the body; None where it comes in pieces."""
    announced = str(request.META.get("CONTENT_LENGTH") or "")
    return int(announced) if announced.isdecimal() and len(announced) < 19 else None


def signed(what: str, **facts: Any) -> str:
    """A word that names these facts and cannot be made by anybody else."""
    return signing.dumps(facts, salt=f"hub.{what}", compress=True)


def signed_facts(what: str, word: str, *, seconds: int = SIGNED_FOR) -> dict[str, Any]:
    """What a signed word names; raises NotPermitted where it was changed or has run out."""
    try:
        facts: dict[str, Any] = signing.loads(word, salt=f"hub.{what}", max_age=seconds)
    except signing.BadSignature as error:
        raise NotPermitted(
            "This address is not signed by this registry, or has run out.", remedy="Start the upload again."
        ) from error
    return facts


View = Callable[..., HttpResponseBase]


def signed_view(*, methods: Sequence[str]) -> Callable[[View], View]:
    """Makes a view whose address or token is itself the permission; refusals leave in the Hub's words."""

    def decorate(view: View) -> View:
        @csrf_exempt  # nobody is recognised by a cookie here
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    raise MethodNotAllowed(headers={"Allow": ", ".join(methods)})
                response = view(request, *args, **kwargs)
            except DomainError as error:
                response = error_response(request, error, signed_in=True)
                if error.status == TooManyTransfers.status:
                    response["Retry-After"] = "5"
            response["Cache-Control"] = "no-store"
            return response

        return answer

    return decorate


def writer(caller: HubCaller) -> int:
    """The id of who writes, for the count of transfers."""
    return acting_user(caller).pk


def root_of(request: HttpRequest) -> str:
    """`https://host`, the beginning of every address in an answer."""
    return request.build_absolute_uri("/").rstrip("/")
