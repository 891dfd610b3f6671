"""The files of a revision: `tree` and `paths-info`."""

import hashlib
import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError

from registry.compat.hub.access import access_repository, hub_view
from registry.compat.hub.errors import BadRequest, EntryNotFound
from registry.compat.hub.info import moment
from registry.compat.hub.kinds import HubCaller, HubFile, HubRevision, Repository
from registry.compat.hub.raw import revision_and_path

MOST_PATHS = 1000  # of one paths-info
MOST_REVISIONS = 100  # looked through for the last change of a file; an older change is told as the oldest of them
# Weights are safetensors, read whole by the inspection: there is no pickle in them. No virus scanner is asked.
SAFETENSORS_ONLY = {"status": "safe", "avScan": None, "pickleImportScan": None}


@hub_view()
def repository_tree(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str
) -> HttpResponse:
    """`GET /api/{kind}/{repo}/tree/{rev}[/{path}]`"""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    named, path = revision_and_path(request, "api", kind, owner, name, "tree")
    revision = repository.revision(named)
    files = [file for file in repository.files(revision) if not path or file.path.startswith(f"{path}/")]
    if path and not files:
        raise _absent(revision, path)
    recursive = _flag(request.GET.get("recursive"))
    shown = _entries(files, path, recursive)
    changes = _changes(repository, revision, shown) if _flag(request.GET.get("expand")) else {}
    response = JsonResponse([_entry(entry, changes) for entry in shown], safe=False)
    response["X-Repo-Commit"] = revision.sha
    return response


def _flag(value: str | None) -> bool:
    return (value or "").lower() in {"true", "1"}


def _absent(revision: HubRevision, path: str) -> EntryNotFound:
    return EntryNotFound(f"There is no {path} in revision {revision.sha}.", headers={"X-Repo-Commit": revision.sha})


Directory = tuple[str, list[HubFile]]


def _entries(files: list[HubFile], path: str, recursive: bool) -> list[HubFile | Directory]:
    """Files and folders below `path`, by path; only the next level unless `recursive`."""
    depth = len(path.split("/")) if path else 0
    folders: dict[str, list[HubFile]] = {}
    for file in files:
        parts = file.path.split("/")
        for level in range(depth + 1, len(parts)):
            folders.setdefault("/".join(parts[:level]), []).append(file)
    found: list[HubFile | Directory] = [*files, *folders.items()]
    if not recursive:
        found = [entry for entry in found if len(_path(entry).split("/")) == depth + 1]
    return sorted(found, key=_path)


def _path(entry: HubFile | Directory) -> str:
    return entry.path if isinstance(entry, HubFile) else entry[0]


def _inside(entry: HubFile | Directory) -> list[HubFile]:
    return [entry] if isinstance(entry, HubFile) else entry[1]


def _changes(
    repository: Repository, revision: HubRevision, entries: list[HubFile | Directory]
) -> dict[str, HubRevision]:
    """The revision of the last change of each file in the entries, among those that the caller may see."""
    same = {file.path: file.oid for entry in entries for file in _inside(entry)}
    changed = dict.fromkeys(same, revision)
    for older in islice(repository.history(revision), 1, MOST_REVISIONS):
        there = {file.path: file.oid for file in repository.files(older)}
        same = {path: oid for path, oid in same.items() if there.get(path) == oid}
        if not same:
            break
        changed.update(dict.fromkeys(same, older))
    return changed


def _entry(entry: HubFile | Directory, changes: Mapping[str, HubRevision]) -> dict[str, Any]:
    """An entry; with its last change, a folder's that of its newest file, where changes are given."""
    if isinstance(entry, HubFile):
        found: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": entry.path}
        if entry.is_lfs:
            found["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        if changes:
            found["securityFileStatus"] = SAFETENSORS_ONLY
    else:
        path, files = entry
        lines = "\n".join(f"{file.path}\0{file.oid}" for file in files)
        oid = hashlib.sha1(lines.encode(), usedforsecurity=False).hexdigest()
        found = {"type": "directory", "oid": oid, "size": 0, "path": path}
    if changes:
        last = max((changes[file.path] for file in _inside(entry)), key=lambda one: one.date)
        found["lastCommit"] = {"id": last.sha, "title": last.title, "date": moment(last.date)}
    return found


@hub_view(methods=("POST",))
def paths_info(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> HttpResponse:
    """`POST /api/{kind}/{repo}/paths-info/{rev}`: the same entries for these paths; what is missing is left out."""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    named, _ = revision_and_path(request, "api", kind, owner, name, "paths-info")
    revision = repository.revision(named)
    paths, expand = _asked(request)
    files = repository.files(revision)
    by_path = {_path(entry): entry for entry in _entries(files, "", recursive=True)}
    shown = [by_path[path] for path in paths if path in by_path]
    changes = _changes(repository, revision, shown) if expand else {}
    return JsonResponse([_entry(entry, changes) for entry in shown], safe=False)


def _asked(request: HttpRequest) -> tuple[list[str], bool]:
    """`paths` and `expand`, sent as a form or as JSON."""
    try:
        if request.content_type == "application/json":
            sent = json.loads(request.body)
            paths, expand = sent.get("paths"), bool(sent.get("expand"))
        else:
            paths, expand = request.POST.getlist("paths"), _flag(request.POST.get("expand"))
    except (ValueError, AttributeError, RecursionError, RequestDataTooBig, UnreadablePostError) as error:
        raise BadRequest("Send `paths`, as a form or as JSON.") from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise BadRequest("`paths` is a list of paths.")
    if len(paths) > MOST_PATHS:
        raise BadRequest(f"Ask for at most {MOST_PATHS} paths at once; these are {len(paths)}.")
    return list(dict.fromkeys(path.strip("/") for path in paths)), expand
