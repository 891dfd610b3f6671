"""Addresses of the Hub protocol that write: who gets which status, asked with a token of theirs.

A browser's session counts for nothing there, so the site's own walk would find guests only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.matrix.house import Case

REPO = "/api/models/{owner}/{name}"
LFS = "/{owner}/{name}.git/info/lfs/objects"
OID = {"oid": "ab" * 32, "size": 5}
ABSENT = "00000000-0000-4000-8000-000000000000"


def nothing(owner: str, name: str) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class HubAddress:
    """`done` is what somebody gets who may, `needs` what it takes; `body` is made of the repository's address."""

    name: str
    method: str
    path: str
    needs: str
    done: int
    body: Callable[[str, str], dict[str, Any]] = field(default=nothing)

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def _moving(owner: str, name: str) -> dict[str, Any]:
    return {"fromRepo": f"{owner}/{name}", "toRepo": f"{owner}/elsewhere", "type": "model"}


HUB_WRITING = [
    HubAddress("hub_preupload", "POST", f"{REPO}/preupload/main", "contribute", 200),
    HubAddress("hub_commit", "POST", f"{REPO}/commit/main", "contribute", 400),  # the body is no commit
    HubAddress("hub_xet_write_token", "GET", f"{REPO}/xet-write-token/main", "contribute", 200),
    HubAddress("hub_branch", "POST", f"{REPO}/branch/a", "contribute", 404, lambda *_: {"startingPoint": "nowhere"}),
    HubAddress("hub_branch", "DELETE", f"{REPO}/branch/nowhere", "edit", 404),
    HubAddress("hub_tag", "POST", f"{REPO}/tag/nowhere", "edit", 404, lambda *_: {"tag": "a"}),
    HubAddress("hub_tag", "DELETE", f"{REPO}/tag/nowhere", "edit", 404),
    HubAddress("hub_settings", "PUT", f"{REPO}/settings", "edit", 200, lambda *_: {"private": True}),
    HubAddress("hub_lfs_batch", "POST", f"{LFS}/batch", "contribute", 200, lambda *_: {"objects": [OID]}),
    HubAddress("hub_lfs_verify", "POST", f"{LFS}/verify", "contribute", 404, lambda *_: OID),
    HubAddress("hub_delete", "DELETE", "/api/repos/delete", "edit", 200, lambda o, n: {"organization": o, "name": n}),
    HubAddress("hub_move", "POST", "/api/repos/move", "edit", 200, _moving),
    # Those that write are what a pull request, or a comment that is not there, is told.
    HubAddress("hub_discussions", "GET", f"{REPO}/discussions", "read", 200),
    HubAddress("hub_discussions", "POST", f"{REPO}/discussions", "say", 501, lambda *_: {"pullRequest": True}),
    HubAddress("hub_discussion", "GET", f"{REPO}/discussions/1", "read", 200),
    HubAddress("hub_discussion_change", "POST", f"{REPO}/discussions/1/merge", "say", 501),
    HubAddress("hub_discussion_comment", "POST", f"{REPO}/discussions/1/comment/{ABSENT}/edit", "say", 404),
]


DATASET = "/api/datasets/{owner}/{name}"
DATASET_LFS = "/datasets/{owner}/{name}.git/info/lfs/objects"


def _dataset(owner: str, name: str) -> dict[str, Any]:
    return {"organization": owner, "name": name, "type": "dataset"}


# Datasets are written to by the organisation's people; for everybody else they are absent.
HUB_DATASETS_WRITING = [
    HubAddress("hub_preupload", "POST", f"{DATASET}/preupload/main", "contribute", 200),
    HubAddress("hub_commit", "POST", f"{DATASET}/commit/main", "contribute", 400),  # the body is no commit
    HubAddress("hub_xet_write_token", "GET", f"{DATASET}/xet-write-token/main", "contribute", 200),
    HubAddress(
        "hub_lfs_batch_dataset", "POST", f"{DATASET_LFS}/batch", "contribute", 200, lambda *_: {"objects": [OID]}
    ),
    HubAddress("hub_lfs_verify_dataset", "POST", f"{DATASET_LFS}/verify", "contribute", 404, lambda *_: OID),
    HubAddress("hub_branch", "POST", f"{DATASET}/branch/a", "contribute", 501),
    HubAddress("hub_tag", "POST", f"{DATASET}/tag/main", "contribute", 501, lambda *_: {"tag": "a"}),
    HubAddress("hub_settings", "PUT", f"{DATASET}/settings", "edit", 200, lambda *_: {"private": True}),
    HubAddress("hub_delete", "DELETE", "/api/repos/delete", "edit", 200, _dataset),
    HubAddress("hub_move", "POST", "/api/repos/move", "edit", 501, lambda o, n: {**_moving(o, n), "type": "dataset"}),
]


@dataclass(frozen=True)
class PlainAddress:
    """One that is no repository's: a guest and everybody else, whoever they are."""

    name: str
    method: str
    path: str
    guest: int
    others: int

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


STORE = f"/api/xet/{ABSENT}"
HUB_PLAIN = [
    PlainAddress("hub_create", "POST", "/api/repos/create", 401, 422),  # the name is missing
    PlainAddress("hub_validate_yaml", "POST", "/api/validate-yaml", 200, 200),
    PlainAddress("hub_xet_read_token", "GET", "/api/models/a/b/xet-read-token/main", 501, 501),
    PlainAddress("hub_lfs_object", "PUT", "/api/lfs/forged", 403, 403),
    PlainAddress("hub_lfs_complete", "POST", "/api/lfs/forged/complete", 403, 403),
    # These take a word that only the write token's answer gives: an API token is none.
    PlainAddress("hub_xet_xorb", "POST", f"{STORE}/v1/xorbs/default/{'ab' * 32}", 401, 403),
    PlainAddress("hub_xet_xorb", "PUT", f"{STORE}/v1/xorbs/default/{'ab' * 32}", 401, 403),
    PlainAddress("hub_xet_shards", "POST", f"{STORE}/v1/shards", 401, 403),
    PlainAddress("hub_xet_shards", "PUT", f"{STORE}/v1/shards", 401, 403),
    PlainAddress("hub_xet_store", "GET", STORE, 404, 404),
    PlainAddress("hub_xet_store", "POST", STORE, 404, 404),
    PlainAddress("hub_xet_store", "PUT", STORE, 404, 404),
    PlainAddress("hub_xet_other", "GET", f"{STORE}/v1/chunks/default/a", 404, 404),
    PlainAddress("hub_xet_other", "POST", f"{STORE}/v2/shards", 404, 404),
    PlainAddress("hub_xet_other", "PUT", f"{STORE}/v2/shards", 404, 404),
    PlainAddress("hub_telemetry", "GET", "/v1/telemetry", 200, 200),
    PlainAddress("hub_telemetry", "POST", "/v1/telemetry", 200, 200),
]


def repository_of(case: Case) -> tuple[str, str]:
    return case.space, case.version.adapter.name
