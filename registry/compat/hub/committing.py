"""The commit call: its body read as it arrives, then one commit of the registry."""

import tempfile
from pathlib import Path

from django.http import HttpRequest, JsonResponse

from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import WRITE, repository_to_write, root_of, streamed, writer
from registry.compat.hub.errors import BadRequest, warn
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.ndjson import BodyRefused, CommitBody, commit_body
from registry.compat.hub.preupload import no_pull_request
from registry.compat.hub.raw import revision_and_path
from registry.compat.hub.writing import Done, Writing
from registry.services.commit_changes import Wanted
from registry.services.transfers import parts_folder


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def commit(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`POST /api/{kind}/{owner}/{name}/commit/{revision}`"""
    no_pull_request(request)
    writing = repository_to_write(caller, kind, owner, name)
    revision, _ = revision_and_path(request, "api", kind, owner, name, "commit")
    branch = writing.branch(revision)
    with tempfile.TemporaryDirectory(dir=parts_folder()) as folder:
        body = _read(request, caller, Path(folder))
        message = f"{body.summary}\n\n{body.description}".strip()
        wanted = Wanted(branch=branch, message=message, changes=body.changes, parent=body.parent)
        done = writing.commit(acting_user(caller), wanted)
    return _answer(request, writing, done)


def _read(request: HttpRequest, caller: HubCaller, folder: Path) -> CommitBody:
    try:
        with streamed(request, writer(caller)) as stream:
            return commit_body(stream, folder)
    except BodyRefused as refusal:
        raise BadRequest(str(refusal)) from refusal


def _answer(request: HttpRequest, writing: Writing, done: Done) -> JsonResponse:
    root = root_of(request)
    notes = [{"message": note.text, "url": root + note.path} for note in done.notes]
    said = " ".join(f"{note['message']} {note['url']}" for note in notes)
    response = JsonResponse(
        {
            "success": True,
            "commitOid": done.sha,
            "commitUrl": f"{root}{writing.repository.page}/commit/{done.sha}",
            "pullRequestUrl": None,
            "hookOutput": said,
            "warnings": notes,
        }
    )
    if said:
        warn(response, f"commit {done.sha[:12]}", said)
    return response
