"""What a program does that keeps a training set with an unmodified huggingface_hub; as a subprocess it prints JSON.

It runs in the client's own virtual environment, so that it imports nothing of ours:
`python dataset_client.py STEP REPO FOLDER`, with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.utils import HfHubHTTPError

api = HfApi()
SET = {"repo_type": "dataset"}


def _said(call: Callable[[], Any]) -> list[Any]:
    """Status and message of the refusal; the answer where there is none."""
    try:
        return [200, str(call())]
    except HfHubHTTPError as error:
        return [error.response.status_code, error.server_message or str(error)]


def folder(repo: str, folder: Path) -> Any:
    """A folder with what is not taken in it; the same again; a stale parent; captions alone."""
    made = str(api.create_repo(repo, **SET))
    taken = _said(lambda: api.create_repo(repo, **SET))[0]
    api.create_repo(repo, exist_ok=True, **SET)
    first = api.upload_folder(repo_id=repo, folder_path=folder, **SET)
    again = api.upload_folder(repo_id=repo, folder_path=folder, allow_patterns=["*.png"], **SET)
    lines = b'{"file_name": "b.png", "text": "changed"}\n'

    def captioned() -> Any:
        changes = [CommitOperationAdd("metadata.jsonl", lines)]
        return api.create_commit(repo, changes, commit_message="captions", parent_commit=first.oid, **SET)

    captioned()
    stale = _said(captioned)
    return {
        "made": made.endswith(f"/datasets/{repo}"),
        "taken": taken,
        "same": first.oid == again.oid,
        "stale": stale[0],
        "files": sorted(api.list_repo_files(repo, **SET)),
        "private": api.dataset_info(repo).private,
    }


def change(repo: str, folder: Path) -> Any:
    """A picture replaced, one renamed, one deleted; then the whole set read back, and deleted."""
    api.create_repo(repo, **SET)
    api.upload_folder(repo_id=repo, folder_path=folder, ignore_patterns=["README.md", "other/*"], **SET)
    api.upload_file(path_or_fileobj=folder / "other" / "new.jpg", path_in_repo="a.png", repo_id=repo, **SET)
    rename = [CommitOperationCopy("b.png", "x/moved.png"), CommitOperationDelete("b.png")]
    api.create_commit(repo, rename, commit_message="renamed", **SET)
    api.delete_file("10_sks dog/c.png", repo, **SET)
    place = Path(api.snapshot_download(repo, **SET))
    captions = [json.loads(line) for line in (place / "metadata.jsonl").read_text().splitlines()]
    sizes = {path.relative_to(place).as_posix(): path.stat().st_size for path in place.rglob("*.png")}
    api.delete_repo(repo, **SET)
    return {
        "captions": {line["file_name"]: line["text"] for line in captions},
        "pictures": sorted(sizes),
        "whole": all(sizes.values()),
        "exists": api.repo_exists(repo, **SET),
    }


def refusals(repo: str, folder: Path) -> Any:
    """A damaged picture, a public set, another name."""
    api.create_repo(repo, **SET)
    damaged = (folder / "a.png").read_bytes()[:500]
    added = [CommitOperationAdd("damaged.png", damaged), CommitOperationAdd("a.png", folder / "a.png")]
    return {
        "damaged": _said(lambda: api.create_commit(repo, added, commit_message="damaged", **SET)),
        "public": _said(lambda: api.update_repo_settings(repo, private=False, **SET)),
        "moved": _said(lambda: api.move_repo(repo, f"{repo}-moved", **SET)),
        "left": api.list_repo_files(repo, **SET),
    }


STEPS = {step.__name__: step for step in (folder, change, refusals)}

if __name__ == "__main__":
    step, repo, place = sys.argv[1:4]
    print(json.dumps(STEPS[step](repo, Path(place))))
