"""What a program does that writes with an unmodified huggingface_hub; run as a subprocess, it prints JSON.

It runs in the client's own virtual environment, so that it imports nothing of ours:
`python upload_client.py STEP REPO FOLDER`, with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.utils import HfHubHTTPError

api = HfApi()


def _said(call: Callable[[], Any]) -> list[Any]:
    """Status and message of the refusal; the answer where there is none."""
    try:
        return [200, str(call())]
    except HfHubHTTPError as error:
        return [error.response.status_code, error.server_message or str(error)]


def upload(repo: str, folder: Path) -> Any:
    """A new file, a changed one, one that is there already; then one deleted."""
    api.create_repo(repo, exist_ok=True)
    first = api.upload_file(path_or_fileobj=folder / "one.safetensors", path_in_repo="a/x.safetensors", repo_id=repo)
    changed = api.upload_file(path_or_fileobj=folder / "two.safetensors", path_in_repo="a/x.safetensors", repo_id=repo)
    same = api.upload_file(path_or_fileobj=folder / "two.safetensors", path_in_repo="a/x.safetensors", repo_id=repo)
    files = [file.path for file in api.list_repo_tree(repo, recursive=True) if hasattr(file, "size")]
    api.delete_file("a/x.safetensors", repo)
    return {
        "moved": first.oid != changed.oid,
        "same": same.oid == changed.oid,
        "files": files,
        "after": [path for path in api.list_repo_files(repo) if path.endswith("safetensors")],
        "titles": [commit.title for commit in api.list_repo_commits(repo)],
    }


def folder(repo: str, folder: Path) -> Any:
    """A whole folder with what is not taken in it, in one commit on a known parent; a stale parent."""
    api.create_repo(repo, exist_ok=True)
    base = api.list_repo_commits(repo)[0].commit_id
    api.upload_folder(repo_id=repo, folder_path=folder, parent_commit=base)
    stale = _said(
        lambda: api.create_commit(repo, [CommitOperationAdd("n.txt", b"n")], commit_message="stale", parent_commit=base)
    )
    api.create_commit(repo, [CommitOperationDelete("docs/", is_folder=True)], commit_message="without docs")
    return {"stale": stale[0], "files": sorted(api.list_repo_files(repo))}


def card(repo: str, folder: Path) -> Any:
    """A card against the licences, and one that declares everything."""
    api.create_repo(repo, exist_ok=True)
    wrong = b"---\nlicense: mit\nbase_model: stabilityai/sdxl-turbo\n---\nWords.\n"

    def refused() -> Any:
        return api.upload_file(path_or_fileobj=wrong, path_in_repo="README.md", repo_id=repo)

    try:
        said = _said(refused)
    except ValueError as error:  # newer clients validate first, and raise this
        said = [400, str(error)]
    api.upload_file(path_or_fileobj=folder / "README.md", path_in_repo="README.md", repo_id=repo)
    api.upload_file(path_or_fileobj=folder / "one.safetensors", path_in_repo="w.safetensors", repo_id=repo)
    return {"refused": said}


def references(repo: str, folder: Path) -> Any:
    api.create_repo(repo, exist_ok=True)
    api.create_branch(repo, branch="try/this")
    taken = _said(lambda: api.create_branch(repo, branch="try/this"))
    api.create_branch(repo, branch="try/this", exist_ok=True)
    api.upload_file(path_or_fileobj=b"text", path_in_repo="n.txt", repo_id=repo, revision="try/this")
    api.create_tag(repo, tag="v1", revision="try/this")
    refs = api.list_repo_refs(repo)
    on_branch = api.list_repo_files(repo, revision="try/this")
    api.delete_branch(repo, branch="try/this")
    api.delete_tag(repo, tag="v1")
    return {
        "taken": taken[0],
        "branches": sorted(ref.name for ref in refs.branches),
        "tags": [ref.name for ref in refs.tags],
        "files": on_branch,
        "left": [ref.name for ref in api.list_repo_refs(repo).branches],
    }


def life(repo: str, folder: Path) -> Any:
    """Hidden, moved, found under its former name, deleted."""
    api.create_repo(repo)
    api.update_repo_settings(repo, private=True)
    private = api.model_info(repo).private
    api.move_repo(repo, f"{repo}-moved")
    former = api.model_info(repo).id
    api.delete_repo(f"{repo}-moved")
    return {"private": private, "former": former, "exists": [api.repo_exists(repo), api.repo_exists(f"{repo}-moved")]}


def refusals(repo: str, folder: Path) -> Any:
    """What is not offered, in words."""
    api.create_repo(repo, exist_ok=True)
    return {
        "pull": _said(
            lambda: api.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo, create_pr=True)
        ),
        "space": _said(lambda: api.create_repo(f"{repo}-space", repo_type="space", space_sdk="static")),
    }


STEPS = {step.__name__: step for step in (upload, folder, card, references, life, refusals)}

if __name__ == "__main__":
    step, repo, place = sys.argv[1:4]
    print(json.dumps(STEPS[step](repo, Path(place))))
