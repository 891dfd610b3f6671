"""LFS: the batch call, the signed addresses for whole objects and parts, completion and verification."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from accounts.errors import DomainError
from accounts.models import User
from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import (
    WRITE,
    json_body,
    length_of,
    listed_of,
    repository_to_write,
    root_of,
    signed,
    signed_facts,
    signed_view,
    streamed,
    text_of,
)
from registry.compat.hub.errors import BadRequest, EntryNotFound, NotOffered
from registry.compat.hub.kinds import HubCaller
from registry.models.transfers import ObjectTransfer
from registry.services.depots import Depot, depot_kind
from registry.services.transfers import (
    object_present,
    part_sizes,
    transfer_complete,
    transfer_open,
    transfer_open_by,
    transfer_receive,
    transfer_receive_part,
)

MEDIA = "application/vnd.git-lfs+json"
MOST_OBJECTS = 1_000
MOST_SIZE = 2**62


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def batch(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> JsonResponse:
    """`POST [/datasets]/{owner}/{name}.git/info/lfs/objects/batch`: what is there already needs no action."""
    depot = repository_to_write(caller, kind, owner, name).depot
    body = json_body(request)
    if text_of(body, "operation", "upload") != "upload":
        raise NotOffered("Downloads go through `resolve`, which knows the gate.")
    transfers = body.get("transfers") or ["basic"]
    in_parts = isinstance(transfers, list) and "multipart" in transfers
    wanted = [_wanted(entry) for entry in listed_of(body, "objects", MOST_OBJECTS)]
    objects = [_object(request, acting_user(caller), depot, *pair, in_parts) for pair in wanted]
    chosen = "multipart" if any("chunk_size" in _header(found) for found in objects) else "basic"
    return JsonResponse({"transfer": chosen, "objects": objects, "hash_algo": "sha256"}, content_type=MEDIA)


def _header(found: dict[str, Any]) -> dict[str, str]:
    header: dict[str, str] = found.get("actions", {}).get("upload", {}).get("header", {})
    return header


def _wanted(entry: dict[str, Any]) -> tuple[str, int]:
    oid, size = text_of(entry, "oid").lower(), entry.get("size")
    if len(oid) != 64 or set(oid) - set("0123456789abcdef"):
        raise BadRequest("An object is named by a SHA-256 of 64 hexadecimal digits.")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < MOST_SIZE:
        raise BadRequest("`size` is not a number of bytes.")
    return oid, size


def _object(request: HttpRequest, actor: User, depot: Depot, oid: str, size: int, in_parts: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"oid": oid, "size": size}
    if object_present(actor=actor, depot=depot, sha256=oid, size=size):
        return found
    try:
        transfer = transfer_open(actor=actor, depot=depot, sha256=oid, size=size, in_parts=in_parts)
    except DomainError as refusal:
        return found | {"error": {"code": refusal.status, "message": f"{refusal.detail} {refusal.remedy}".strip()}}
    verify = root_of(request) + request.path.rpartition("/")[0] + "/verify"
    return found | {"actions": {"upload": _upload(request, depot, transfer), "verify": {"href": verify, "header": {}}}}


def _upload(request: HttpRequest, depot: Depot, transfer: ObjectTransfer) -> dict[str, Any]:
    kind = depot.kind.name
    root, whole = root_of(request), signed("lfs", kind=kind, transfer=transfer.pk)
    if not transfer.part_size:
        return {"href": root + reverse("hub_lfs_object", args=[whole]), "header": {}}
    header = {"chunk_size": str(transfer.part_size)}
    for number in range(1, len(part_sizes(transfer)) + 1):
        word = signed("lfs", kind=kind, transfer=transfer.pk, part=number)
        header[f"{number:05d}"] = root + reverse("hub_lfs_object", args=[word])
    return {"href": root + reverse("hub_lfs_complete", args=[whole]), "header": header}


def _transfer(facts: dict[str, Any]) -> Any:
    return transfer_open_by(kind=depot_kind(facts["kind"]), pk=facts["transfer"])


@signed_view(methods=["PUT"])
def lfs_object(request: HttpRequest, token: str) -> HttpResponse:
    """A signed address takes an object, or one part of it."""
    facts = signed_facts("lfs", token)
    transfer, length = _transfer(facts), length_of(request)
    with streamed(request, transfer.upload.created_by_id) as stream:
        if "part" in facts:
            etag = transfer_receive_part(transfer=transfer, number=facts["part"], stream=stream, length=length)
        else:
            etag = transfer_receive(transfer=transfer, stream=stream, length=length).sha256
    response = HttpResponse(status=200)
    response["ETag"] = f'"{etag}"'
    return response


@signed_view(methods=["POST"])
def lfs_complete(request: HttpRequest, token: str) -> JsonResponse:
    """All parts were sent: the whole is checked."""
    transfer = _transfer(signed_facts("lfs", token))
    parts = [_part(entry) for entry in listed_of(json_body(request), "parts", 10_000)]
    transfer_complete(transfer=transfer, parts=parts)
    return JsonResponse({"oid": transfer.sha256, "size": transfer.upload.length}, content_type=MEDIA)


def _part(entry: dict[str, Any]) -> tuple[int, str]:
    number = entry.get("partNumber")
    if isinstance(number, bool) or not isinstance(number, int):
        raise BadRequest("`partNumber` is not a number.")
    return number, text_of(entry, "etag")


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def verify(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> JsonResponse:
    """`POST [/datasets]/{owner}/{name}.git/info/lfs/objects/verify`: whether the object has arrived."""
    depot = repository_to_write(caller, kind, owner, name).depot
    oid, size = _wanted(json_body(request))
    if not object_present(actor=acting_user(caller), depot=depot, sha256=oid, size=size):
        raise EntryNotFound(f"The object {oid} with {size:,} bytes did not arrive.")
    return JsonResponse({"oid": oid, "size": size}, content_type=MEDIA)
