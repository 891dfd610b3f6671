"""LFS as clients speak it: batch, whole objects and parts by signed addresses, completion, verification."""

import hashlib

import pytest
from django.test import Client

from accounts.models import User
from registry.models import Adapter, Blob, Transfer
from registry.services import transfers
from registry.services.uploads import upload_path
from tests.factories.accounts import make_user
from tests.factories.registry import catalogue
from tests.registry.compat.hub.calls import Hub, large, path_of
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
CONTENT = lora_bytes()
OID = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def ada(db: None) -> User:
    catalogue()
    return make_user("ada")


@pytest.fixture
def hub(ada: User) -> Hub:
    client = Hub(ada)
    client.create()
    return client


def _put(address: str, content: bytes):  # type: ignore[no-untyped-def]
    return Client().generic("PUT", path_of(address), content)


def _upload(hub: Hub, content: bytes = CONTENT, **more):  # type: ignore[no-untyped-def]
    oid = hashlib.sha256(content).hexdigest()
    return hub.batch("ada/shapes", (oid, len(content)), **more).json()["objects"][0]


def test_object_is_asked_for_once_and_then_present(hub: Hub) -> None:
    actions = _upload(hub)["actions"]
    verify = {"oid": OID, "size": len(CONTENT)}
    assert hub.call("POST", path_of(actions["verify"]["href"]), verify).status_code == 404
    assert _put(actions["upload"]["href"], CONTENT).status_code == 200
    assert hub.call("POST", path_of(actions["verify"]["href"]), verify).status_code == 200
    assert "actions" not in _upload(hub)
    hub.commit("ada/shapes", large("a.safetensors", OID, len(CONTENT)))
    assert Blob.objects.get().sha256 == OID
    assert "actions" not in _upload(hub)


def test_other_bytes_than_announced_are_refused_and_forgotten(hub: Hub) -> None:
    address = _upload(hub)["actions"]["upload"]["href"]
    assert _put(address, CONTENT[:-1] + b"x").status_code == 460
    assert _put(address, CONTENT[:-1]).status_code == 400
    transfer = Transfer.objects.get()
    assert transfer.verified_at is None
    assert upload_path(transfer.upload_id).stat().st_size == 0
    assert _put(address, CONTENT).status_code == 200


def test_what_somebody_else_has_is_not_present_for_others(hub: Hub) -> None:
    _put(_upload(hub)["actions"]["upload"]["href"], CONTENT)
    hub.commit("ada/shapes", large("a.safetensors", OID, len(CONTENT)))
    bea = Hub(make_user("bea"))
    bea.create()
    assert "actions" in bea.batch("bea/shapes", (OID, len(CONTENT))).json()["objects"][0]
    assert hub.create("second").status_code == 200
    assert "actions" in hub.batch("ada/second", (OID, len(CONTENT))).json()["objects"][0]
    assert bea.batch("ada/shapes", (OID, len(CONTENT))).status_code == 404


def test_forged_and_foreign_words_are_no_addresses(hub: Hub) -> None:
    address = _upload(hub)["actions"]["upload"]["href"]
    assert _put(address[:-1] + ("a" if address[-1] != "a" else "b"), CONTENT).status_code == 403
    assert Transfer.objects.get().verified_at is None


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PART", 1000)


def test_parts_in_any_order_are_put_together(hub: Hub, small_parts: None) -> None:
    upload = _upload(hub, transfers=("basic", "multipart"))["actions"]["upload"]
    header = upload["header"]
    assert header.pop("chunk_size") == "1000"
    assert len(header) == -(-len(CONTENT) // 1000)
    etags = {}
    for number in reversed(sorted(header)):
        first = (int(number) - 1) * 1000
        answer = _put(header[number], CONTENT[first : first + 1000])
        assert answer.status_code == 200, answer.content
        etags[int(number)] = answer["ETag"]
    parts = [{"partNumber": number, "etag": etags[number]} for number in sorted(etags)]
    wrong = hub.call("POST", path_of(upload["href"]), {"oid": OID, "parts": parts[:-1]})
    assert wrong.status_code == 400
    done = Client().post(path_of(upload["href"]), {"oid": OID, "parts": parts}, content_type="application/json")
    assert done.status_code == 200, done.content
    assert _put(header["00001"], CONTENT[:1000]).status_code == 409
    assert hub.commit("ada/shapes", large("a.safetensors", OID, len(CONTENT))).status_code == 200


def test_parts_that_together_are_another_object_are_forgotten(hub: Hub, small_parts: None) -> None:
    upload = _upload(hub, transfers=("basic", "multipart"))["actions"]["upload"]
    header = upload["header"]
    del header["chunk_size"]
    parts = []
    for number in sorted(header):
        first = (int(number) - 1) * 1000
        size = len(CONTENT[first : first + 1000])
        parts.append({"partNumber": int(number), "etag": _put(header[number], bytes(size))["ETag"]})
        assert _put(header[number], bytes(size + 1)).status_code == 400
    assert hub.call("POST", path_of(upload["href"]), {"oid": OID, "parts": parts}).status_code == 460
    assert not Transfer.objects.get().parts.exists()


def test_interrupted_upload_goes_on_with_the_same_room(hub: Hub) -> None:
    _upload(hub)
    _upload(hub)
    assert Transfer.objects.count() == 1


def test_object_that_is_too_large_is_refused_in_its_own_place(hub: Hub) -> None:
    answer = hub.batch("ada/shapes", ("ab" * 32, 2**50), (OID, len(CONTENT))).json()["objects"]
    assert answer[0]["error"]["code"] == 400
    assert "actions" in answer[1]


def test_downloads_do_not_go_round_the_gate(hub: Hub) -> None:
    body = {"operation": "download", "objects": [{"oid": OID, "size": 1}]}
    assert hub.call("POST", "/ada/shapes.git/info/lfs/objects/batch", body).status_code == 501


def test_deleted_repository_takes_nothing_any_more(hub: Hub) -> None:
    address = _upload(hub)["actions"]["upload"]["href"]
    assert hub.call("DELETE", "/api/repos/delete", {"name": "shapes", "type": "model"}).status_code == 200
    assert _put(address, CONTENT).status_code == 404
    assert Adapter.objects.get().deleted_at is not None
