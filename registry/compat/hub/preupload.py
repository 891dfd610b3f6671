"""Before an upload: how each file has to come, which are there already, and which are not taken at all."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, JsonResponse

from registry.compat.hub.access import hub_view
from registry.compat.hub.bodies import WRITE, json_body, listed_of, repository_to_write, text_of
from registry.compat.hub.cards import card_check
from registry.compat.hub.errors import BadRequest, NotOffered, warn
from registry.compat.hub.gitignore import GitIgnore, IgnoreRefused
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.raw import revision_and_path
from registry.compat.hub.writing import Writing

MOST_FILES = 1_000


def no_pull_request(request: HttpRequest) -> None:
    """Raises NotOffered where a pull request is wanted."""
    if request.GET.get("create_pr", "") not in {"", "0", "false", "False"}:
        raise NotOffered(
            "This registry has no pull requests.",
            remedy="Commit to a branch of your own, or ask its owner to make you a member of the organisation.",
        )


@hub_view(methods=["POST"], scope=WRITE, signed_in=True)
def preupload(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> JsonResponse:
    """`POST /api/{kind}/{owner}/{name}/preupload/{revision}`"""
    no_pull_request(request)
    writing = repository_to_write(caller, kind, owner, name)
    revision, _ = revision_and_path(request, "api", kind, owner, name, "preupload")
    branch, body = writing.branch(revision), json_body(request)
    files = [(text_of(entry, "path"), _size(entry)) for entry in listed_of(body, "files", MOST_FILES)]
    found = writing.expected(branch, files)
    ignores = _ignores(writing, branch, body)
    answers = [
        {
            "path": file.path,
            "uploadMode": "lfs" if file.is_large else "regular",
            "shouldIgnore": not file.is_taken or ignores(file.path),
            "oid": file.oid,
        }
        for file in found
    ]
    response = JsonResponse({"files": answers})
    if left_out := [file.path for file in found if not file.is_taken and not ignores(file.path)]:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        warn(response, "left-out", f"Not taken: {', '.join(left_out[:3])}{more}. {writing.instead}")
    return response


def _ignores(writing: Writing, branch: str, body: dict[str, Any]) -> Callable[[str], bool]:
    """What the `.gitignore` leaves out that the client sends, or else the one that lies in the repository."""
    text = text_of(body, "gitIgnore") if "gitIgnore" in body else writing.ignored(branch)
    try:
        return GitIgnore(text).leaves_out
    except IgnoreRefused as refusal:
        raise BadRequest(str(refusal)) from refusal


def _size(entry: dict[str, Any]) -> int:
    size = entry.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise BadRequest("`size` is not a number of bytes.")
    return size


@hub_view(methods=["POST"])
def validate_yaml(request: HttpRequest, caller: HubCaller) -> JsonResponse:
    """`POST /api/validate-yaml`: whether a README.md may be committed; 400 with the reasons where not."""
    body = json_body(request)
    if text_of(body, "repoType", "model") != "model":
        return JsonResponse({"errors": [], "warnings": []})
    report = card_check(text_of(body, "content"), actor=caller.user)
    answer = {
        "errors": [{"message": message} for message in report.errors],
        "warnings": [{"message": message} for message in report.warnings],
    }
    return JsonResponse(answer, status=400 if report.errors else 200)
