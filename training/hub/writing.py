"""Training sets that clients write to: pictures, captions and `config.json`, through the intake of the page."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from registry.compat.hub.errors import NotOffered, RevisionNotFound
from registry.compat.hub.kinds import Repository
from registry.compat.hub.visibility import wants_private
from registry.compat.hub.writing import Done, Expected, Writing, WritingKind
from registry.errors import NameTaken
from registry.services.arrivals import Note
from registry.services.commit_changes import REGULAR_MOST, Wanted
from registry.services.depots import Depot, DepotKind
from training.errors import DatasetNameTaken
from training.hub.repositories import MAIN, text_oid
from training.layouts.folders import CONFIG_MAX
from training.layouts.trees import Remark
from training.models import Dataset, DatasetState, DatasetTransfer, DatasetXetSession
from training.selectors.dataset_revisions import CAPTIONS, captions_text, pictures_shown
from training.services.commit_plans import INSTEAD, dataset_path, is_caption, is_picture
from training.services.dataset_commits import Committed, dataset_commit
from training.services.datasets import DatasetDraft, dataset_create
from training.services.retention import dataset_delete

PRIVATE = "Training sets are for their own people alone, and none is ever public here."
NAMED = 10  # remarks that an answer names


def _stored(dataset: Dataset, sha256: str, size: int | None) -> bool | None:
    """What was sent once is there, although another copy of its pixels is kept; so is that copy."""
    there = dataset.pictures.filter(sha256=sha256) | dataset.pictures.filter(stored_sha256=sha256)
    return True if there.exists() else None


DATASETS = DepotKind(
    "datasets", "dataset", DatasetTransfer, DatasetXetSession, {"state": DatasetState.OPEN.value}, _stored
)


class DatasetWriting(Writing):
    """One training set for somebody who may add to it."""

    instead = INSTEAD

    @property
    def depot(self) -> Depot:
        return Depot(DATASETS, self.repository.subject)

    def branch(self, named: str) -> str:
        if named.removeprefix("refs/heads/") != MAIN:
            raise RevisionNotFound(f"There is no branch {named[:80]!r} in {self.repository.id}: it has main alone.")
        return MAIN

    def expected(self, branch: str, files: Sequence[tuple[str, int]]) -> list[Expected]:
        dataset: Dataset = self.repository.subject
        oids = dict(dataset.pictures.values_list("path", "sha256"))
        captions = text_oid(captions_text(pictures_shown(dataset)).encode())
        return [_expected(path, size, oids | {CAPTIONS: captions}) for path, size in files]

    def commit(self, actor: User, wanted: Wanted) -> Done:
        dataset = self.repository.subject
        done = dataset_commit(actor=actor, dataset=dataset, depot=self.depot, wanted=wanted)
        return Done(done.sha, self._notes(done))

    def _notes(self, done: Committed) -> list[Note]:
        """What was left out, what is checked now, and what still has to be declared, each with its page."""
        page, notes = self.repository.page, []
        if done.remarks:
            more = f" And {len(done.remarks) - NAMED} more." if len(done.remarks) > NAMED else ""
            notes.append(Note(f"{' '.join(map(_said, done.remarks[:NAMED]))}{more} The set:", page))
        if done.added:
            noun = "pictures are" if done.added > 1 else "picture is"
            notes.append(
                Note(f"{done.added:,} new {noun} being checked; what is found stands on the set's page:", page)
            )
        if Dataset.objects.filter(pk=self.repository.subject.pk, rights_affirmed_at=None).exists():
            notes.append(undeclared(page))
        return notes

    def delete(self, actor: User) -> None:
        dataset_delete(dataset=self.repository.subject, actor=actor)

    def settings(self, actor: User, body: dict[str, Any]) -> dict[str, Any]:
        """A set is private and has no gate; whoever asks for that has it already."""
        if wants_private(body) is False:
            raise NotPermitted(PRIVATE, remedy="Add people to your organisation, and keep the set there.")
        if body.get("gated"):
            raise NotOffered(f"Training sets have no gate. {PRIVATE}")
        return {"visibility": "private", "private": True, "gated": False}


def undeclared(page: str) -> Note:
    """What a set lacks that a client made."""
    return Note(
        "No run can use it before somebody has declared where its pictures are from, under which licence, and whether "
        "they show real people, and has affirmed the rights statement:",
        f"{page}/rights",
    )


def _said(remark: Remark) -> str:
    return " ".join(part for part in (f"{remark.path}:", remark.what, remark.remedy) if part)


def _expected(named: str, size: int, oids: dict[str, str]) -> Expected:
    """Pictures are large objects, as they come again; texts are too where a commit has no room for them."""
    path = dataset_path(named)
    if is_picture(path):
        return Expected(named, True, 0 < size <= settings.DATASET_PICTURE_BYTES, oids.get(path))
    return Expected(named, size > REGULAR_MOST, is_caption(path) and size <= CONFIG_MAX, oids.get(path))


class DatasetWritingKind(WritingKind):
    """Sets that clients make are private, whatever is asked for, and their rights are declared on their page."""

    name = "datasets"

    def create(self, *, actor: User, owner: Namespace, name: str, body: dict[str, Any]) -> list[Note]:
        private = wants_private(body)
        try:
            dataset_create(actor=actor, owner=owner, draft=DatasetDraft(name=name), declared_later=True)
        except DatasetNameTaken as taken:
            raise NameTaken(taken.detail) from taken
        page = f"/datasets/{owner.slug}/{name}"
        return [*([Note(PRIVATE, page)] if private is False else []), undeclared(page)]

    def of(self, repository: Repository) -> DatasetWriting:
        return DatasetWriting(repository)
