"""Before an upload: how each file has to come, which are there already, and which are not taken at all."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from registry.compat.hub.access import hub_view
from registry.compat.hub.bodies import WRITE, adapter_to_write, json_body, listed_of, text_of
from registry.compat.hub.cards import card_check
from registry.compat.hub.errors import BadRequest, NotOffered, RevisionNotFound, warn
from registry.compat.hub.kinds import HubCaller
from registry.compat.hub.raw import revision_and_path
from registry.models import Adapter
from registry.services.commit_changes import REGULAR_MOST
from registry.services.repositories import MAIN, branch_head, tree_of
from registry.services.repository_paths import is_text, is_weights, path_checked

MOST_FILES = 1_000


def branch_of(adapter: Adapter, named: str) -> str:
    """The branch that an address names; raises RevisionNotFound where there is none, or it is no branch."""
    name = named.removeprefix("refs/heads/")
    if name != MAIN and branch_head(adapter=adapter, branch=name) is None:
        raise RevisionNotFound(f"There is no branch {name[:80]!r} in {adapter}.", remedy="Create it first.")
    return name


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
    _, adapter = adapter_to_write(caller, kind, owner, name)
    revision, _ = revision_and_path(request, "api", kind, owner, name, "preupload")
    head = branch_head(adapter=adapter, branch=branch_of(adapter, revision))
    there = tree_of(head)
    answers, left_out = [], []
    for entry in listed_of(json_body(request), "files", MOST_FILES):
        path, size = path_checked(text_of(entry, "path")), _size(entry)
        taken = is_weights(path) or (is_text(path) and size <= REGULAR_MOST)
        blob = there.get(path)
        oid = (blob.sha256 if is_weights(path) else blob.git_sha1) if blob else None
        mode = "regular" if is_text(path) and not is_weights(path) else "lfs"
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": not taken, "oid": oid})
        left_out += [] if taken else [path]
    response = JsonResponse({"files": answers})
    if left_out:
        warn(response, "left-out", _left_out(left_out))
    return response


def _size(entry: dict[str, Any]) -> int:
    size = entry.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise BadRequest("`size` is not a number of bytes.")
    return size


def _left_out(paths: list[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (
        f"Not taken: {', '.join(paths[:3])}{more}. Repositories here hold weights and texts of up to "
        f"{REGULAR_MOST // 1024} KiB; attach pictures on the version's page, where they are screened."
    )


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
