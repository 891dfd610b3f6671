"""The Xet shim: what a client sends is put together, and nothing of another session or person helps."""

import hashlib
import itertools
import random
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from registry.models import Transfer, XetSession
from registry.services.uploads import upload_path
from registry.services.xet_sessions import session_folder, sessions_expire
from tests.factories.accounts import make_user
from tests.factories.registry import catalogue
from tests.registry.compat.hub.calls import Hub, large, path_of
from tests.registry.compat.hub.xet.making import shard_bytes, xorb_bytes
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


class Store:
    """A session of the store, as `hf_xet` uses it."""

    def __init__(self, hub: Hub, repo: str = "ada/shapes") -> None:
        answer = hub.call("GET", f"/api/models/{repo}/xet-write-token/main").json()
        self.place, self.headers = path_of(answer["casUrl"]), {"Authorization": f"Bearer {answer['accessToken']}"}

    def post(self, path: str, raw: bytes, headers: dict[str, str] | None = None) -> Any:
        return Client().generic(
            "POST", f"{self.place}{path}", raw, headers=self.headers if headers is None else headers
        )

    def xorb(self, chunks: list[tuple[bytes, int]]) -> str:
        raw = xorb_bytes(chunks)
        name = hashlib.sha256(raw).hexdigest()
        assert self.post(f"/v1/xorbs/default/{name}", raw).json() == {"was_inserted": True}
        return name

    def send(self, content: bytes = CONTENT) -> Any:
        pieces = [content[place : place + 700] for place in range(0, len(content), 700)]
        half = len(pieces) // 2
        one = self.xorb([(piece, number % 3) for number, piece in enumerate(pieces[:half])])
        two = self.xorb([(piece, 2) for piece in pieces[half:]])
        terms = [
            (one, sum(map(len, pieces[:half])), 0, half),
            (two, sum(map(len, pieces[half:])), 0, len(pieces) - half),
        ]
        return self.post("/v1/shards", shard_bytes([(hashlib.sha256(content).hexdigest(), terms)]))


def test_file_is_put_together_and_committed(hub: Hub) -> None:
    assert Store(hub).send().json() == {"result": 1}
    transfer = Transfer.objects.get()
    assert upload_path(transfer.upload_id).read_bytes() == CONTENT
    assert hub.commit("ada/shapes", large("a.safetensors", OID, len(CONTENT))).status_code == 200
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("seed", range(8))
def test_any_split_into_xorbs_and_terms_is_put_together(hub: Hub, seed: int) -> None:
    dice = random.Random(seed)
    content = dice.randbytes(dice.randrange(1, 20_000)) + bytes(dice.randrange(0, 5000))
    cuts = sorted({0, len(content), *(dice.randrange(len(content)) for _ in range(dice.randrange(12)))})
    pieces = [content[a:b] for a, b in itertools.pairwise(cuts)]
    order = list(range(len(pieces)))
    dice.shuffle(order)  # the xorb holds them in another order than the file
    store = Store(hub)
    name = store.xorb([(pieces[number], dice.randrange(3)) for number in order])
    terms = [(name, len(pieces[number]), order.index(number), order.index(number) + 1) for number in range(len(pieces))]
    answer = store.post("/v1/shards", shard_bytes([(hashlib.sha256(content).hexdigest(), terms)]))
    assert answer.status_code == 200, answer.content
    assert upload_path(Transfer.objects.get().upload_id).read_bytes() == content


def test_xorb_of_another_session_is_unknown(hub: Hub) -> None:
    name = Store(hub).xorb([(CONTENT, 0)])
    shard = shard_bytes([(OID, [(name, len(CONTENT), 0, 1)])])
    answer = Store(hub).post("/v1/shards", shard)
    assert answer.status_code == 400
    assert "not sent in this session" in answer.json()["error"]
    assert not Transfer.objects.exists()


def test_other_content_than_named_is_refused_and_leaves_nothing(hub: Hub) -> None:
    store = Store(hub)
    name = store.xorb([(CONTENT[:-1] + b"x", 1)])
    answer = store.post("/v1/shards", shard_bytes([(OID, [(name, len(CONTENT), 0, 1)])]))
    assert answer.status_code == 460
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("change", ["size", "end", "unnamed", "noise", "cut"])
def test_shard_that_contradicts_itself_is_refused(hub: Hub, change: str) -> None:
    store = Store(hub)
    name = store.xorb([(CONTENT, 1)])
    size, end = len(CONTENT) + (change == "size"), 2 if change == "end" else 1
    shard = shard_bytes([(None if change == "unnamed" else OID, [(name, size, 0, end)])])
    shard = b"noise" * 50 if change == "noise" else shard[:120] if change == "cut" else shard
    assert store.post("/v1/shards", shard).status_code in {400, 460}
    assert not Transfer.objects.exists()


def test_session_is_its_owners_and_its_repositorys(hub: Hub) -> None:
    store, bea = Store(hub), Hub(make_user("bea"))
    bea.create()
    foreign = Store(bea, "bea/shapes")
    for headers, status in ((foreign.headers, 404), ({}, 401), (hub.headers, 403)):
        assert store.post(f"/v1/xorbs/default/{'ab' * 32}", b"x", headers).status_code == status
        assert store.post("/v1/shards", b"x", headers).status_code == status
    assert bea.call("GET", "/api/models/ada/shapes/xet-write-token/main").status_code == 404


def test_nobody_learns_whether_a_chunk_is_known(hub: Hub) -> None:
    store = Store(hub)
    store.send()
    assert Client().get(f"{store.place}/v1/chunks/default/{'ab' * 32}", headers=store.headers).status_code == 404
    assert store.post("/v2/shards", b"").status_code == 404
    assert hub.call("GET", "/api/models/ada/shapes/xet-read-token/main").status_code == 501


@pytest.mark.parametrize("name", ["ab" * 31, "AB" * 32, "..%2f..%2fetc", "zz" * 32])
def test_name_of_a_xorb_is_a_hash(hub: Hub, name: str) -> None:
    assert Store(hub).post(f"/v1/xorbs/default/{name}", b"x").status_code in {400, 404}


def test_session_goes_with_its_xorbs_when_its_time_is_over(hub: Hub) -> None:
    store = Store(hub)
    store.xorb([(b"abc", 0)])
    session = XetSession.objects.get()
    assert list(session_folder(session).iterdir())
    assert sessions_expire() == 0
    XetSession.objects.update(expires_at=timezone.now())
    assert sessions_expire() == 1
    assert not session_folder(session).exists()
    assert store.post(f"/v1/xorbs/default/{'ab' * 32}", b"x").status_code == 404


def test_more_than_the_quota_is_not_let_in(hub: Hub, settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 1000
    answer = Store(hub).post(f"/v1/xorbs/default/{'ab' * 32}", bytes(1001))
    assert answer.status_code == 413
