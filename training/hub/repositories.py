"""Training sets as repositories of the kind `datasets`: private, for their own people.

`main` is the set as it stands, under an id of its content; each snapshot that a run trained on is a tag. Beside the
pictures lie `metadata.jsonl` with their captions, as image folders have it, and a README.md made from the facts.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse

from registry.compat.hub.cards import licence_facts
from registry.compat.hub.errors import BadRequest
from registry.compat.hub.kinds import HubCaller, HubFile, HubPage, HubRevision, Repository, RepositoryKind, pointer_oid
from registry.compat.hub.pages import cursor_of, read_cursor
from registry.delivery import wanted_range
from registry.errors import RevisionMissing
from registry.permissions import AdapterPermission as P
from registry.storage import read_range
from training.models import Dataset, DatasetPicture, DatasetSnapshot, PictureState
from training.permissions import DatasetPermission as D
from training.selectors.dataset_revisions import CAPTIONS, CARD, captions_text, pictures_shown, revision_id
from training.selectors.datasets import access_dataset, dataset_permissions, datasets_readable_by

MAIN = "main"
PAGE = 100
# What each permission of the registry is towards a dataset.
NEEDED: Mapping[P, D] = {
    P.READ: D.READ,
    P.READ_UNPUBLISHED: D.READ,
    P.CONTRIBUTE: D.CONTRIBUTE,
    P.EDIT: D.MANAGE,
    P.PUBLISH: D.MANAGE,
    P.REVIEW: D.REVIEW,
}


class DatasetRepository(Repository):
    """One dataset, as `caller` sees it."""

    kind = "datasets"

    def __init__(self, dataset: Dataset, caller: HubCaller) -> None:
        self.subject, self.caller = dataset, caller
        self.owner, self.name = dataset.owner.slug, dataset.name

    @property
    def page(self) -> str:
        return f"/datasets/{self.id}"

    def may(self, permission: P) -> bool:
        return NEEDED[permission] in dataset_permissions(self.caller.user, self.subject)

    def revision(self, name: str) -> HubRevision:
        current = self._current()
        if name in {MAIN, f"refs/heads/{MAIN}", current.sha}:
            return current
        for snapshot in self._snapshots():
            if name.removeprefix("refs/tags/") == _tag(snapshot) or name == snapshot.digest[:40]:
                return _of_snapshot(snapshot)
        raise RevisionMissing(
            f"{self.id} has no revision “{name[:200]}”. Only its present state and snapshots are kept."
        )

    def _current(self) -> HubRevision:
        pictures = pictures_shown(self.subject)
        sha = revision_id(self.subject, pictures)
        return HubRevision(
            sha, "The set as it stands", self.subject.updated_at, self.subject.created_by.username, pictures
        )

    def _snapshots(self) -> list[DatasetSnapshot]:
        return list(self.subject.snapshots.select_related("created_by").exclude(manifest={}))

    def files(self, revision: HubRevision) -> list[HubFile]:
        pictures = revision.row if isinstance(revision.row, list) else _still_there(self.subject, revision.row)
        files = [_picture(one) for one in pictures]
        texts = {CARD: self._card(), CAPTIONS: captions_text(pictures)}
        taken = {file.path for file in files}
        files += [_text(path, content) for path, content in texts.items() if path not in taken]
        return sorted(files, key=lambda file: file.path)

    def _card(self) -> str:
        dataset = self.subject
        front = yaml.safe_dump(self.card_data([]), sort_keys=False, allow_unicode=True)
        title = " ".join(dataset.title.split())
        return f"---\n{front}---\n\n# {title}\n\n{dataset.description.strip()}\n\nPrivate: for {dataset.owner} alone.\n"

    def card_data(self, files: list[HubFile]) -> dict[str, Any]:
        licence = licence_facts(self.subject.licence_id) if self.subject.licence_id else {}
        return {**licence, "pretty_name": " ".join(self.subject.title.split()), "task_categories": ["text-to-image"]}

    def facts(self, revision: HubRevision | None) -> dict[str, Any]:
        dataset = self.subject
        return {
            "id": self.id,
            "author": self.owner,
            "private": True,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": ["task_categories:text-to-image"],
            "description": dataset.description,
            "createdAt": dataset.created_at,
            "lastModified": dataset.updated_at,
        }

    def refs(self) -> dict[str, Mapping[str, str]]:
        tags = {_tag(snapshot): snapshot.digest[:40] for snapshot in self._snapshots()}
        return {"branches": {MAIN: self._current().sha}, "tags": tags}

    def history(self, revision: HubRevision) -> Iterator[HubRevision]:
        return iter([revision])

    def require_open(self, revision: HubRevision, file: HubFile, *, fetching: bool = True) -> None:
        """Who may read a dataset may read its pictures; there is no gate before it."""

    def require_gate(self) -> None:
        """As above."""

    def deliver(self, request: HttpRequest, file: HubFile) -> HttpResponseBase:
        wanted = wanted_range(request, size=file.size, etag=file.etag)
        first, last = wanted or (0, file.size - 1)
        if first >= file.size or first > last:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
        response = _part(file, first, last - first + 1)
        response["Accept-Ranges"] = "bytes"
        response["Content-Length"] = str(last - first + 1)
        response["X-Robots-Tag"] = "noindex, noimageindex, noai"
        if wanted is not None:
            response.status_code = 206
            response["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        return response


def _part(file: HubFile, first: int, length: int) -> HttpResponseBase:
    if isinstance(file.row, bytes):
        return HttpResponse(file.row[first : first + length], content_type="text/plain; charset=utf-8")
    pieces = read_range(key=file.row.storage_key, first=first, length=length)
    return StreamingHttpResponse(pieces, content_type="application/octet-stream")


def _tag(snapshot: DatasetSnapshot) -> str:
    return f"snapshot-{snapshot.digest[:12]}"


def _of_snapshot(snapshot: DatasetSnapshot) -> HubRevision:
    author = snapshot.created_by.username if snapshot.created_by else ""
    return HubRevision(snapshot.digest[:40], str(snapshot), snapshot.created_at, author, snapshot)


def _still_there(dataset: Dataset, snapshot: DatasetSnapshot) -> list[DatasetPicture]:
    """The snapshot's pictures that nobody has deleted since, with the captions that it kept."""
    kept = {entry["picture"]: entry for entry in snapshot.manifest.get("pictures", [])}
    found = list(dataset.pictures.filter(public_id__in=list(kept)).exclude(state=PictureState.REFUSED).order_by("path"))
    for picture in found:
        picture.path, picture.caption = kept[str(picture.public_id)]["path"], kept[str(picture.public_id)]["caption"]
    return found


def _picture(row: DatasetPicture) -> HubFile:
    size = row.content_size
    if size is None:  # taken in before that was written down
        size = default_storage.size(row.storage_key)
        DatasetPicture.objects.filter(pk=row.pk).update(content_size=size)
    oid = pointer_oid(row.stored_sha256, size)
    return HubFile(row.path, size, oid, row.stored_sha256, is_lfs=True, row=row)


def _text(path: str, content: str) -> HubFile:
    raw = content.encode()
    return HubFile(path, len(raw), text_oid(raw), hashlib.sha256(raw).hexdigest(), row=raw)


def text_oid(raw: bytes) -> str:
    """The id that git gives these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


class DatasetKind(RepositoryKind):
    """Datasets by their address, and the list of one's own."""

    name = "datasets"

    def find(self, *, caller: HubCaller, owner: str, name: str, permission: P) -> DatasetRepository:
        found = access_dataset(actor=caller.user, owner=owner, name=name, permission=NEEDED[permission])
        return DatasetRepository(found, caller)

    def listed(self, *, caller: HubCaller, query: QueryDict) -> HubPage:
        rows = datasets_readable_by(caller.user).select_related("owner", "created_by")
        if author := query.get("author"):
            rows = rows.filter(owner__slug=author.replace("\0", "").lower())
        if text := query.get("search"):
            rows = rows.filter(name__contains=text.replace("\0", "").lower().rpartition("/")[2])
        if (place := read_cursor(query.get("cursor", ""), "created")) is not None:
            if not all(type(part) is int and 0 <= part < 2**63 for part in place):
                raise BadRequest("The cursor cannot be read. Start again without it.")
            rows = rows.filter(pk__lt=place[0])
        found = list(rows.order_by("-id")[: PAGE + 1])
        shown = found[:PAGE]
        cursor = cursor_of("created", shown[-1].pk, shown[-1].pk) if len(found) > PAGE else ""
        return HubPage([DatasetRepository(dataset, caller) for dataset in shown], cursor)
