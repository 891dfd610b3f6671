"""The calls of the Xet protocol that an upload makes. Nothing is ever handed out by it, and nothing is shared.

Each token belongs to one person and one repository, each address of the store to one session: what another session
sent is unknown here, and clients that ask are told so, so that they send everything.
"""

import time
import uuid
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import (
    WRITE,
    length_of,
    repository_to_write,
    root_of,
    signed,
    signed_facts,
    signed_view,
    streamed,
)
from registry.compat.hub.errors import BadCredentials, BadRequest, EntryNotFound, NotOffered
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.preupload import no_pull_request
from registry.compat.hub.xet.assembly import FileRefused, file_pieces
from registry.compat.hub.xet.shard import ShardFile, ShardRefused, shard_files
from registry.errors import ObjectRefused
from registry.models.transfers import ObjectSession
from registry.services.depots import Depot, depot_kind
from registry.services.transfers import parts_folder, transfer_assemble
from registry.services.xet_sessions import file_receive, session_of, session_open, xorb_path, xorb_store

TOKEN_SECONDS = 15 * 60  # then the client asks for another
SHARD_MOST = 64 * 1024 * 1024  # bytes


@hub_view(scope=WRITE, signed_in=True)
def write_token(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`GET /api/{kind}/{owner}/{name}/xet-write-token/{revision}`: a session under a nonce of its own."""
    no_pull_request(request)
    depot, actor = repository_to_write(caller, kind, owner, name).depot, acting_user(caller)
    session = session_open(actor=actor, depot=depot)
    token = signed("xet", user=actor.pk, kind=depot.kind.name, repository=depot.repository.pk)
    store = root_of(request) + reverse("hub_xet_store", args=[session.pk])
    answer = {"casUrl": store, "accessToken": token, "exp": int(time.time()) + TOKEN_SECONDS}
    response = JsonResponse(answer)
    response["X-Xet-Cas-Url"], response["X-Xet-Access-Token"] = store, token
    response["X-Xet-Token-Expiration"] = str(answer["exp"])
    return response


@hub_view()
def read_token(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """Downloads never go by Xet: they pass the gate."""
    raise NotOffered("Files are not handed out by Xet here: `resolve` hands them out, and knows the gate.")


def _session(request: HttpRequest, nonce: uuid.UUID) -> tuple[Depot, ObjectSession]:
    scheme, _, word = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise BadCredentials
    facts: dict[str, Any] = signed_facts("xet", word.strip(), seconds=TOKEN_SECONDS)
    kind = depot_kind(facts["kind"])
    session = session_of(kind=kind, pk=nonce, user_id=facts["user"], repository_id=facts["repository"])
    return kind.of(session), session


@signed_view(methods=["POST", "PUT"])
def xorb(request: HttpRequest, nonce: uuid.UUID, prefix: str, digest: str) -> JsonResponse:
    """`POST {store}/v1/xorbs/default/{hash}`"""
    (depot, session), length = _session(request, nonce), length_of(request)
    if length is None:
        raise BadRequest("The length of the xorb is not announced.")
    with streamed(request, session.user.pk) as stream:
        fresh = xorb_store(depot=depot, session=session, name=digest, stream=stream, length=length)
    return JsonResponse({"was_inserted": fresh})


@signed_view(methods=["POST", "PUT"])
def shards(request: HttpRequest, nonce: uuid.UUID) -> JsonResponse:
    """`POST {store}/v1/shards`: each file in it is put together, checked, and waits for the commit."""
    (depot, session), length = _session(request, nonce), length_of(request)
    if length is None or length > SHARD_MOST:
        raise BadRequest(f"A shard announces its length, which is {SHARD_MOST:,} bytes at most.")
    target = parts_folder() / f"shard-{uuid.uuid4().hex}"
    try:
        with streamed(request, session.user.pk) as stream:
            file_receive(target=target, stream=stream, length=length)
            with target.open("rb") as shard:
                for file in shard_files(shard):
                    _assemble(depot, session, file)
    except (ShardRefused, FileRefused) as refusal:
        raise ObjectRefused(f"The shard cannot be used. {refusal}") from refusal
    finally:
        target.unlink(missing_ok=True)
    return JsonResponse({"result": 1})


def _assemble(depot: Depot, session: ObjectSession, file: ShardFile) -> None:
    if file.sha256 is None:
        raise FileRefused("A file in it has no SHA-256, by which the commit would name it.")
    transfer_assemble(
        actor=session.user,
        depot=depot,
        sha256=file.sha256,
        size=file.size,
        pieces=file_pieces(file, lambda name: xorb_path(session, name)),
    )


@signed_view(methods=["GET", "HEAD", "POST", "PUT"])
def store(request: HttpRequest, nonce: uuid.UUID, rest: str = "") -> JsonResponse:
    """Everything else under the store's address: whether others have a chunk is nobody's to know."""
    raise EntryNotFound("There is nothing here to be found: send everything.")


@signed_view(methods=["POST", "GET", "HEAD"])
def telemetry(request: HttpRequest) -> JsonResponse:
    """What clients report about themselves is not looked at."""
    return JsonResponse({})
