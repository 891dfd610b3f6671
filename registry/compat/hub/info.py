"""`model_info`, `list_models`, refs and commits, for every kind of repository."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict

from registry.compat.hub.access import access_repository, hub_view
from registry.compat.hub.errors import BadRequest
from registry.compat.hub.kinds import HubCaller, HubFile, HubRevision, Repository, kind_named
from registry.compat.hub.listing import wants_files
from registry.compat.hub.pages import link_next
from registry.compat.hub.raw import revision_and_path
from registry.errors import RevisionMissing

HISTORY_PAGE, HISTORY_MOST = 50, 1000
# What a list says of each repository unless `full` or `expand` ask for more.
BRIEF = (
    "id modelId author private gated disabled downloads likes trendingScore tags pipeline_tag library_name createdAt "
    "lastModified"
).split()


def moment(value: datetime) -> str:
    """`2026-01-01T00:00:00.000Z`, the only form that every client reads."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@hub_view()
def repository_info(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`GET /api/{kind}/{repo}`"""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    return JsonResponse(_info(repository, request.GET, ""))


@hub_view()
def revision_info(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str) -> HttpResponse:
    """`GET /api/{kind}/{repo}/revision/{rev}`"""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    revision, _ = revision_and_path(request, "api", kind, owner, name, "revision")
    return JsonResponse(_info(repository, request.GET, revision))


def _info(repository: Repository, query: QueryDict, named: str) -> dict[str, Any]:
    """All of it, or what `expand` names; a repository with nothing that the caller may see has no revision."""
    revision = _revision(repository, named)
    files = repository.files(revision) if revision else []
    found = _facts(repository, revision) | {"cardData": repository.card_data(files) if revision else {}}
    blobs = query.get("blobs", "").lower() in {"true", "1"}
    found["siblings"] = [_sibling(file, blobs) for file in files]
    found["usedStorage"] = sum(file.size for file in files)
    if query.get("securityStatus", "").lower() in {"true", "1"}:
        found["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    return _expanded(found, query)


def _revision(repository: Repository, named: str) -> HubRevision | None:
    if named:
        return repository.revision(named)
    try:
        return repository.revision("main")
    except RevisionMissing:
        return None


def _facts(repository: Repository, revision: HubRevision | None) -> dict[str, Any]:
    facts = {"_id": _id(repository), **repository.facts(revision), "sha": revision.sha if revision else None}
    return {name: moment(value) if isinstance(value, datetime) else value for name, value in facts.items()}


def _id(repository: Repository) -> str:
    """Clients of some versions expect 24 hexadecimal digits."""
    return f"{repository.subject.pk:024x}"


def _expanded(found: dict[str, Any], query: QueryDict) -> dict[str, Any]:
    wanted = query.getlist("expand") + query.getlist("expand[]")
    if not wanted:
        return found
    kept = {"_id", "id", "modelId", *wanted}
    return {name: value for name, value in found.items() if name in kept}


def _sibling(file: HubFile, blobs: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        found |= {"size": file.size, "blobId": file.oid}
        if file.is_lfs:
            found["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return found


@hub_view()
def repository_list(request: HttpRequest, caller: HubCaller, kind: str) -> HttpResponse:
    """`GET /api/{kind}`"""
    page = kind_named(kind).listed(caller=caller, query=request.GET)
    response = JsonResponse([_listed(repository, request.GET) for repository in page.items], safe=False)
    if page.cursor:
        link_next(request, response, cursor=page.cursor)
    return response


def _listed(repository: Repository, query: QueryDict) -> dict[str, Any]:
    card = query.get("cardData", "").lower() in {"true", "1"} or "cardData" in query.getlist("expand")
    if not (wants_files(query) or card or query.getlist("expand")):
        facts = _facts(repository, None)
        return {"_id": facts["_id"]} | {name: facts[name] for name in BRIEF if name in facts}
    found = _info(repository, query, "")
    if not card:
        found.pop("cardData", None)
    return found


@hub_view()
def repository_refs(request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str) -> HttpResponse:
    """`GET /api/{kind}/{repo}/refs`"""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    refs = repository.refs()
    found: dict[str, Any] = {"converts": [], "branches": [], "tags": []}
    for plural, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/")):
        found[plural] = [{"name": ref, "ref": prefix + ref, "targetCommit": sha} for ref, sha in refs[plural].items()]
    if request.GET.get("include_prs", "").lower() in {"1", "true"}:
        found["pullRequests"] = []
    return JsonResponse(found)


@hub_view()
def repository_commits(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, rest: str
) -> HttpResponse:
    """`GET /api/{kind}/{repo}/commits/{rev}`"""
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    named, _ = revision_and_path(request, "api", kind, owner, name, "commits")
    revision = repository.revision(named)
    page, limit = _number(request.GET, "p", 0, 10**6), _number(request.GET, "limit", HISTORY_PAGE, HISTORY_MOST)
    history = list(repository.history(revision))
    shown = history[page * limit : (page + 1) * limit]
    response = JsonResponse([_commit(one, request.GET) for one in shown], safe=False)
    response["X-Total-Count"] = str(len(history))
    if len(history) > (page + 1) * limit:
        link_next(request, response, p=str(page + 1))
    return response


def _number(query: QueryDict, name: str, default: int, most: int) -> int:
    value = query.get(name) or str(default)
    if not value.isascii() or not value.isdecimal() or len(value) > 9:
        raise BadRequest(f"{name} is a whole number.")
    return max(min(int(value), most), 1 if name == "limit" else 0)


def _commit(revision: HubRevision, query: QueryDict) -> dict[str, Any]:
    title, _, message = revision.title.partition("\n")
    found: dict[str, Any] = {
        "id": revision.sha,
        "title": title,
        "message": message.strip(),
        "date": moment(revision.date),
        "authors": [{"user": revision.author, "avatar": f"{settings.PUBLIC_URL}/favicon.ico"}],
    }
    if "formatted" in query.getlist("expand") + query.getlist("expand[]"):
        found |= {"formatted": {"title": title, "message": message.strip()}}
    return found
