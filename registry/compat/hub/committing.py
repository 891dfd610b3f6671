"""The commit call: its body read as it arrives, then one commit of the registry."""

import tempfile
from pathlib import Path

from django.http import HttpRequest, JsonResponse

from registry.compat.hub.access import acting_user, hub_view
from registry.compat.hub.bodies import WRITE, adapter_to_write, root_of, streamed, writer
from registry.compat.hub.errors import BadRequest, warn
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.ndjson import BodyRefused, CommitBody, commit_body
from registry.compat.hub.preupload import branch_of, no_pull_request
from registry.compat.hub.raw import revision_and_path
from registry.models import Adapter
from registry.services.commit_changes import Wanted
from registry.services.commits import Committed, commit_take
from registry.services.transfers import parts_folder


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def commit(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`POST /api/{kind}/{owner}/{name}/commit/{revision}`"""
    no_pull_request(request)
    _, adapter = adapter_to_write(caller, kind, owner, name)
    revision, _ = revision_and_path(request, "api", kind, owner, name, "commit")
    branch = branch_of(adapter, revision)
    with tempfile.TemporaryDirectory(dir=parts_folder()) as folder:
        body = _read(request, caller, Path(folder))
        message = f"{body.summary}\n\n{body.description}".strip()
        wanted = Wanted(branch=branch, message=message, changes=body.changes, parent=body.parent)
        done = commit_take(actor=acting_user(caller), adapter=adapter, wanted=wanted)
    return _answer(request, adapter, done)


def _read(request: HttpRequest, caller: HubCaller, folder: Path) -> CommitBody:
    try:
        with streamed(request, writer(caller)) as stream:
            return commit_body(stream, folder)
    except BodyRefused as refusal:
        raise BadRequest(str(refusal)) from refusal


def _answer(request: HttpRequest, adapter: Adapter, done: Committed) -> JsonResponse:
    root = root_of(request)
    notes = [{"message": note.text, "url": root + note.path} for note in done.notes]
    said = " ".join(f"{note['message']} {note['url']}" for note in notes)
    response = JsonResponse(
        {
            "success": True,
            "commitOid": done.revision.sha,
            "commitUrl": f"{root}/{adapter}/commit/{done.revision.sha}",
            "pullRequestUrl": None,
            "hookOutput": said,
            "warnings": notes,
        }
    )
    if said:
        warn(response, f"commit {done.revision.sha[:12]}", said)
    return response
