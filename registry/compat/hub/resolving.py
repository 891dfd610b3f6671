"""`/{repo}/resolve/{rev}/{path}`: HEAD says what a file is, GET hands it out, and both stand behind the gate."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header, quote_etag

from registry.compat.hub.access import access_repository, hub_view
from registry.compat.hub.errors import EntryNotFound, RepoNotFound
from registry.compat.hub.kinds import HubCaller, HubFile, HubRevision, Repository
from registry.compat.hub.raw import revision_and_path

OCTETS = "application/octet-stream"


@hub_view()
def resolve_model(request: HttpRequest, caller: HubCaller, owner: str, name: str, rest: str) -> HttpResponseBase:
    """`/{owner}/{name}/resolve/…`"""
    return _resolve(request, caller, "models", owner, name, (owner, name, "resolve"))


@hub_view()
def resolve_dataset(request: HttpRequest, caller: HubCaller, owner: str, name: str, rest: str) -> HttpResponseBase:
    """`/datasets/{owner}/{name}/resolve/…`"""
    return _resolve(request, caller, "datasets", owner, name, ("datasets", owner, name, "resolve"))


@hub_view()
def resolve_nameless(request: HttpRequest, caller: HubCaller, name: str, rest: str) -> HttpResponseBase:
    """A repository without an owner, of which there are none here."""
    raise RepoNotFound(f"There is no repository {name}: write owner/name.")


def _resolve(
    request: HttpRequest, caller: HubCaller, kind: str, owner: str, name: str, literal: tuple[str, ...]
) -> HttpResponseBase:
    repository = access_repository(actor=caller, kind=kind, owner=owner, name=name)
    named, path = revision_and_path(request, *literal)
    revision = repository.revision(named)
    file = _found(repository, revision, path)
    fetching = request.method != "HEAD"
    repository.require_open(revision, file, fetching=fetching)
    response = repository.deliver(request, file) if fetching else _head(file)
    return _described(response, revision, file)


def _found(repository: Repository, revision: HubRevision, path: str) -> HubFile:
    file = next((file for file in repository.files(revision) if file.path == path), None)
    if file is None:
        text = f"There is no {path or 'path'} in revision {revision.sha}. {repository.missing(revision, path)}"
        raise EntryNotFound(text.strip(), headers={"X-Repo-Commit": revision.sha})
    return file


def _head(file: HubFile) -> HttpResponse:
    response = HttpResponse(content_type=OCTETS)
    response["Content-Length"] = str(file.size)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = content_disposition_header(True, file.path.rsplit("/", 1)[-1]) or "attachment"
    return response


def _described(response: HttpResponseBase, revision: HubRevision, file: HubFile) -> HttpResponseBase:
    """What a client has to know before it goes on, on the redirect to an object store too."""
    response["ETag"] = quote_etag(file.etag)
    response["X-Repo-Commit"] = revision.sha
    if file.is_lfs:
        response["X-Linked-Etag"] = quote_etag(file.sha256)
        response["X-Linked-Size"] = str(file.size)
    return response
