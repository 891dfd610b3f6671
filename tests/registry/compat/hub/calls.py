"""Calls of the Hub's clients, as they are on the wire."""

import base64
import hashlib
import json
from typing import Any

from django.test import Client

from accounts.models import User
from tests.factories.accounts import make_token
from tests.factories.registry import catalogue
from tests.safetensors_bytes import lora_bytes

CARD = """---
license: {licence}
base_model: {base}
instance_prompt: a zeb drawing
tags: [shapes]
registry:
  rights_statement: "{edition}"
  depicts_real_person: false
  training_sources: Drawn by the author.
  commercial_use: [image, sell]
---

# Shapes

Many shapes.
"""


def card(*, licence: str = "apache-2.0", base: str = "tinybase", edition: str | None = None) -> bytes:
    """A README.md that declares everything."""
    from registry.services.versions import latest_statement

    catalogue()
    return CARD.format(licence=licence, base=base, edition=edition or latest_statement().edition).encode()


class Hub:
    """One person's client with a token of theirs; None is a guest. `kind` is what it writes to: models, datasets."""

    def __init__(self, user: User | None, scopes: list[str] | None = None, kind: str = "models") -> None:
        self.kind = kind
        secret = make_token(user, scopes)[1] if user else ""
        self.headers = {"Authorization": f"Bearer {secret}"} if user else {}
        self.client = Client(raise_request_exception=True)

    def call(self, method: str, path: str, body: Any = None, raw: bytes | None = None, **headers: str) -> Any:
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        sent = {**self.headers, **headers}
        return self.client.generic(  # gunicorn keeps the path as it was sent
            method, path, content, content_type="application/json", headers=sent, RAW_URI=path
        )

    def create(self, name: str = "shapes", **more: Any) -> Any:
        return self.call(
            "POST", "/api/repos/create", {"name": name, "organization": None, "type": self.kind[:-1], **more}
        )

    def commit(self, repo: str, *changes: dict[str, Any], rev: str = "main", parent: str | None = None) -> Any:
        header = {"key": "header", "value": {"summary": "A change", "description": "", "parentCommit": parent}}
        lines = [json.dumps(line) for line in (header, *changes)]
        return self.call("POST", f"/api/{self.kind}/{repo}/commit/{rev}", raw="\n".join(lines).encode())

    def send(self, repo: str, content: bytes) -> str:
        """The content as an LFS object; its SHA-256."""
        oid = hashlib.sha256(content).hexdigest()
        answer = self.batch(repo, (oid, len(content)))
        assert answer.status_code == 200, answer.content
        found = answer.json()["objects"][0]
        if "actions" in found:
            sent = Client().generic("PUT", path_of(found["actions"]["upload"]["href"]), content)
            assert sent.status_code == 200, sent.content
        return oid

    def batch(self, repo: str, *objects: tuple[str, int], transfers: tuple[str, ...] = ("basic",)) -> Any:
        listed = [{"oid": oid, "size": size} for oid, size in objects]
        body = {"operation": "upload", "transfers": list(transfers), "objects": listed, "hash_algo": "sha256"}
        prefix = "" if self.kind == "models" else f"/{self.kind}"
        return self.call("POST", f"{prefix}/{repo}.git/info/lfs/objects/batch", body)

    def put_weights(
        self, repo: str, path: str = "shapes.safetensors", content: bytes | None = None, **more: Any
    ) -> Any:
        content = lora_bytes() if content is None else content
        return self.commit(repo, large(path, self.send(repo, content), len(content)), **more)


def path_of(address: str) -> str:
    """An absolute address of this server without its beginning."""
    return "/" + address.split("/", 3)[3]


def small(path: str, content: bytes) -> dict[str, Any]:
    text = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": text, "encoding": "base64"}}


def large(path: str, oid: str, size: int) -> dict[str, Any]:
    return {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": size}}


def removed(path: str) -> dict[str, Any]:
    return {"key": "deletedFile", "value": {"path": path}}


def removed_folder(path: str) -> dict[str, Any]:
    return {"key": "deletedFolder", "value": {"path": path}}


def copied(path: str, source: str, revision: str | None = None) -> dict[str, Any]:
    return {"key": "copyFile", "value": {"path": path, "srcPath": source, "srcRevision": revision}}
