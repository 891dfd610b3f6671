"""Adapters as repositories of the kind `models`: every answer is what this caller may see of one."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict

from accounts.errors import NotFound
from accounts.scopes import Scope
from registry.compat.hub import listing
from registry.compat.hub.access import acting_user, require_scope
from registry.compat.hub.cards import card_data_of, card_facts, card_generate, pipeline_of, tags_of
from registry.compat.hub.errors import EntryNotFound, GatedRepo
from registry.compat.hub.kinds import (
    HubCaller,
    HubFile,
    HubPage,
    HubRevision,
    Repository,
    RepositoryKind,
    pointer_oid,
)
from registry.delivery import deliver, wanted_range
from registry.errors import RevisionMissing
from registry.models import Access, Adapter, Blob, Revision, RevisionEntry, Version
from registry.models.adapters import Visibility
from registry.permissions import AdapterPermission
from registry.selectors.access import access_adapter, adapter_permissions
from registry.selectors.revisions import (
    entries_readable,
    named_revisions,
    revision_history,
    revision_of,
    version_of_blob,
    withheld_note,
)
from registry.selectors.visibility import versions_readable_by
from registry.services.delivery import receipt_deliver
from registry.services.repository_paths import CARD, is_weights
from registry.services.standing_pass import REFUSALS, gate_path, page_of_refusal, receipt_for, require_passable
from registry.storage import read_range

REGULAR_MOST = 1024 * 1024  # bytes; what is larger is kept as LFS, as the Hub does
CARD_MOST = 256 * 1024  # bytes of a README.md whose YAML is looked at


class AdapterRepository(Repository):
    """One adapter, as `caller` sees it."""

    kind = "models"

    def __init__(self, adapter: Adapter, caller: HubCaller) -> None:
        self.subject, self.caller = adapter, caller
        self.owner, self.name = adapter.owner.slug, adapter.name

    def may(self, permission: AdapterPermission) -> bool:
        return permission in adapter_permissions(self.caller.user, self.subject)

    def revision(self, name: str) -> HubRevision:
        try:
            return _revision(revision_of(repository=self.subject, actor=self.caller.user, name=name))
        except RevisionMissing as missing:
            note = withheld_note(repository=self.subject, actor=self.caller.user)
            raise RevisionMissing(f"{missing.detail} {note}".strip()) from missing

    def files(self, revision: HubRevision) -> list[HubFile]:
        entries = entries_readable(repository=self.subject, actor=self.caller.user, revision=revision.row)
        files = [_file(entry) for entry in entries]
        if not any(file.path == CARD for file in files) and (card := self._generated(files)) is not None:
            files.append(card)
        return sorted(files, key=lambda file: file.path)

    def _generated(self, files: list[HubFile]) -> HubFile | None:
        """The card of what is in the revision, where somebody wrote none."""
        blobs = [file.row.pk for file in files if isinstance(file.row, Blob)]
        versions = versions_readable_by(self.caller.user).filter(adapter=self.subject, files__blob__in=blobs)
        version = versions.select_related("adapter__owner", "base_model").order_by("-number").first()
        if version is None:
            return None
        content = card_generate(adapter=self.subject, version=version).encode()
        git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return HubFile(CARD, len(content), git, hashlib.sha256(content).hexdigest(), row=content)

    def facts(self, revision: HubRevision | None) -> dict[str, Any]:
        adapter, version = self.subject, self._version()
        moved = version.published_at if version and version.published_at else adapter.created_at
        facts: dict[str, Any] = {
            "id": self.id,
            "modelId": self.id,
            "author": self.owner,
            "private": adapter.visibility != Visibility.PUBLIC,
            "gated": "manual" if adapter.access == Access.GRANTED else "auto",
            "disabled": adapter.latest_id is None and adapter.published_at is not None,
            "downloads": adapter.download_count,
            "likes": adapter.rating_count,
            "trendingScore": adapter.download_count,
            "library_name": "diffusers",
            "tags": tags_of(adapter, version) if version else list(adapter.tag_names),
            "createdAt": adapter.created_at,
            "lastModified": max(moved, revision.date) if revision else moved,
        }
        if version is not None:
            facts |= {"pipeline_tag": pipeline_of(version.base_model)}
        return facts

    def card_data(self, files: list[HubFile]) -> dict[str, Any]:
        """The YAML of the revision's own card; of a generated one, the facts it was generated from."""
        card = next((file for file in files if file.path == CARD), None)
        version = self._version()
        if card is None:
            return {}
        if isinstance(card.row, Blob):
            pieces = read_range(key=card.row.storage_key, first=0, length=min(card.size, CARD_MOST))
            return card_data_of(b"".join(pieces).decode(errors="replace"))
        return card_facts(self.subject, version) if version else {}

    def _version(self) -> Version | None:
        """What the repository offers now, else the newest that the caller may read."""
        if self.subject.latest is not None:
            return Version.objects.select_related("base_model", "adapter__owner").get(pk=self.subject.latest_id)
        versions = versions_readable_by(self.caller.user).filter(adapter=self.subject)
        return versions.select_related("base_model", "adapter__owner").order_by("-number").first()

    def refs(self) -> dict[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {"branch": {}, "tag": {}}
        for named in named_revisions(repository=self.subject, actor=self.caller.user):
            found[named.kind][named.name] = named.revision.sha
        return {"branches": found["branch"], "tags": found["tag"]}

    def history(self, revision: HubRevision) -> Iterator[HubRevision]:
        rows = revision_history(repository=self.subject, actor=self.caller.user, revision=revision.row)
        return (_revision(row) for row in rows)

    def require_open(self, revision: HubRevision, file: HubFile, *, fetching: bool = True) -> None:
        if not isinstance(file.row, Blob) or not _is_gated(file):
            return
        version = version_of_blob(repository=self.subject, revision=revision.row, blob=file.row)
        if version is None:
            raise EntryNotFound(f"{file.path} has not been inspected yet, so that nobody can download it.")
        self._pass_gate(version, fetching)

    def require_gate(self) -> None:
        version = self._version()
        if version is not None:
            self._pass_gate(version, fetching=False)

    def _pass_gate(self, version: Version, fetching: bool) -> None:
        """What is fetched leaves a receipt; a look ahead leaves none. A refusal names the page that asks."""
        page = settings.PUBLIC_URL + gate_path(version)
        if not self.caller.signed_in:
            raise GatedRepo(f"Its terms have to be accepted. Sign in, and read them at {page}", url=page)
        require_scope(self.caller, Scope.DOWNLOAD)
        actor, token = acting_user(self.caller), self.caller.token
        try:
            if not fetching:
                require_passable(actor=actor, version=version, token=token)
                return
            receipt_deliver(receipt=receipt_for(actor=actor, version=version, token=token))
        except REFUSALS as refusal:
            refusal.data["url"] = settings.PUBLIC_URL + page_of_refusal(refusal, version)
            refusal.remedy = f"{refusal.remedy} {refusal.data['url']}"
            raise

    def deliver(self, request: HttpRequest, file: HubFile) -> HttpResponseBase:
        name = file.path.rsplit("/", 1)[-1]
        if isinstance(file.row, Blob):
            return deliver(request, blob=file.row, filename=name)
        return _text_response(request, file)

    def missing(self, revision: HubRevision, path: str) -> str:
        """Why there is no such file: what became of it, where people may know."""
        return withheld_note(repository=self.subject, actor=self.caller.user, path=path, revision=revision.row)


def _revision(row: Revision) -> HubRevision:
    return HubRevision(row.sha, row.message, row.created_at, row.author.username, row)


def _is_gated(file: HubFile) -> bool:
    """Whatever is no small text passes the gate, so that nothing leaves past it under another name."""
    return is_weights(file.path) or file.is_lfs


def _file(entry: RevisionEntry) -> HubFile:
    blob = entry.blob
    large = is_weights(entry.path) or blob.size > REGULAR_MOST
    oid = pointer_oid(blob.sha256, blob.size) if large else blob.git_sha1
    return HubFile(entry.path, blob.size, oid, blob.sha256, is_lfs=large, row=blob)


def _text_response(request: HttpRequest, file: HubFile) -> HttpResponse:
    """A generated card, or the part of it that is asked for."""
    content: bytes = file.row
    wanted = wanted_range(request, size=len(content), etag=file.etag)
    first, last = wanted or (0, len(content) - 1)
    if first >= len(content) or first > last:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
    response = HttpResponse(content[first : last + 1], content_type="text/markdown; charset=utf-8")
    response["Accept-Ranges"] = "bytes"
    if wanted is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return response


class AdapterKind(RepositoryKind):
    """Adapters by their address, and the list of those that one may find."""

    name = "models"

    def find(self, *, caller: HubCaller, owner: str, name: str, permission: AdapterPermission) -> AdapterRepository:
        adapter = access_adapter(actor=caller.user, owner=owner, name=name, permission=permission)
        if adapter.deleted_at is not None:  # what was public keeps its notice on the page
            raise NotFound(f"There is no adapter {owner}/{name} that you may see.")
        return AdapterRepository(adapter, caller)

    def listed(self, *, caller: HubCaller, query: QueryDict) -> HubPage:
        page = listing.adapters_page(actor=caller.user, query=query)
        return HubPage([AdapterRepository(adapter, caller) for adapter in page.adapters], page.cursor)
