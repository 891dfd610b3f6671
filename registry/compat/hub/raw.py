"""The path as it was sent: a revision may hold `%2F`, which the server has decoded by the time Django sees it."""

from urllib.parse import quote, unquote, urlsplit

from django.http import HttpRequest

from registry.compat.hub.errors import EntryNotFound


def raw_segments(request: HttpRequest) -> list[str]:
    """The path's parts between slashes, still percent-encoded.

    gunicorn keeps the request's own target. Where a server keeps nothing, the decoded path has to do: a revision with a
    slash in it is then not told apart.
    """
    target = request.META.get("RAW_URI") or quote(request.path)
    if not target.startswith("/"):  # absolute form, RFC 9112, 3.2.2
        target = urlsplit(target).path
    return str(target).partition("?")[0].lstrip("/").split("/")


def rest_after(request: HttpRequest, *literal: str) -> list[str]:
    """The decoded parts that follow the first `len(literal)` ones, which have to be these in the path as it was sent.

    Raises EntryNotFound where a slash of the address itself was sent encoded.
    """
    segments = raw_segments(request)
    head, rest = segments[: len(literal)], segments[len(literal) :]
    if [unquote(part) for part in head] != list(literal):
        raise EntryNotFound(f"There is nothing at {request.path}.")
    return [unquote(part) for part in rest]


def revision_and_path(request: HttpRequest, *literal: str) -> tuple[str, str]:
    """What follows `…/{literal}/`: the revision, one part, and the path inside the repository; either may be empty."""
    revision, *path = rest_after(request, *literal) or [""]
    if revision == "refs" and len(path) >= 2 and path[0] in {"heads", "tags", "pr", "convert"}:
        revision, path = "/".join([revision, *path[:2]]), path[2:]  # sent, or handed on, decoded
    return revision, "/".join(path).strip("/")
