"""What a program does with an unmodified huggingface_hub; run as a subprocess, it prints what it saw as JSON.

It runs in the client's own virtual environment, so that it imports nothing of ours:
`python reading_client.py STEP REPO`, with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.utils import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

FILE = os.environ.get("WEIGHTS", "")
api = HfApi()


def whoami(repo: str) -> Any:
    found = api.whoami()
    return {"name": found["name"], "role": found["auth"]["accessToken"]["role"]}


def facts(repo: str) -> Any:
    info = api.model_info(repo, files_metadata=True)
    return {
        "id": info.id,
        "sha": info.sha,
        "gated": info.gated,
        "private": info.private,
        "tags": info.tags,
        "base_model": info.card_data.get("base_model") if info.card_data else None,
        "files": {file.rfilename: file.size for file in info.siblings or []},
        "lfs": {file.rfilename: file.lfs["sha256"] for file in info.siblings or [] if file.lfs},
        "modified": info.last_modified.isoformat() if info.last_modified else None,
    }


def reading(repo: str) -> Any:
    sha = api.model_info(repo).sha
    tree = list(api.list_repo_tree(repo, recursive=True, expand=True, revision=sha))
    paths = api.get_paths_info(repo, [FILE, "absent"], revision="main")
    return {
        "tree": [entry.path for entry in tree],
        "paths": [entry.path for entry in paths],
        "branches": [ref.name for ref in api.list_repo_refs(repo).branches],
        "commits": [commit.commit_id for commit in api.list_repo_commits(repo)],
        "exists": [api.repo_exists(repo), api.file_exists(repo, "README.md"), api.file_exists(repo, "absent")],
        "revision": [api.revision_exists(repo, "main"), api.revision_exists(repo, "absent")],
    }


def listing(repo: str) -> Any:
    owner = repo.split("/")[0]
    return {
        "author": sorted(model.id for model in api.list_models(author=owner)),
        "paged": len(list(api.list_models(limit=3))),
        "filtered": sorted(model.id for model in api.list_models(filter=["lora", "license:apache-2.0"])),
        "sorted": [model.id for model in api.list_models(sort="created_at", limit=2, full=True)],
    }


def gate(repo: str) -> Any:
    try:
        api.auth_check(repo)
        return {"open": True}
    except GatedRepoError as error:
        return {"open": False, "status": error.response.status_code, "said": str(error)}


def download(repo: str) -> Any:
    try:
        path = hf_hub_download(repo, FILE)
    except GatedRepoError as error:
        return {"refused": error.response.status_code, "warning": error.response.headers.get("X-HF-Warning")}
    return {"path": path, "size": os.path.getsize(path)}


def snapshot(repo: str) -> Any:
    folder = snapshot_download(repo)
    return {"files": sorted(os.listdir(folder)), "sha": os.path.basename(folder)}


def errors(repo: str) -> Any:
    owner = repo.split("/")[0]
    attempts: list[tuple[type[Exception], Callable[[], Any]]] = [
        (RepositoryNotFoundError, lambda: api.model_info(f"{owner}/absent")),
        (RevisionNotFoundError, lambda: api.model_info(repo, revision="absent")),
        (EntryNotFoundError, lambda: hf_hub_download(repo, "absent.json")),
    ]
    found = []
    for kind, call in attempts:
        try:
            call()
        except kind as error:
            found.append(type(error).__name__)
    return found


def by_hand(repo: str) -> Any:
    """Its owner lets people in one by one from now on."""
    api.update_repo_settings(repo, gated="manual")
    return api.model_info(repo).gated


def asked(repo: str) -> Any:
    """Everybody who asks is rejected, and then let in after all."""
    pending = list(api.list_pending_access_requests(repo))
    for request in pending:
        api.reject_access_request(repo, request.username, rejection_reason="Not yet.")
        assert [one.username for one in api.list_rejected_access_requests(repo)] == [request.username]
        api.accept_access_request(repo, request.username)
    return {
        "pending": [[request.username, request.fields] for request in pending],
        "accepted": [request.username for request in api.list_accepted_access_requests(repo)],
        "rejected": [request.username for request in api.list_rejected_access_requests(repo)],
    }


if __name__ == "__main__":
    step, name = sys.argv[1:]
    print(json.dumps(globals()[step](name)))
