"""What a commit of the Hub protocol means for a dataset: worked out before anything is changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from accounts.models import User
from registry.errors import CommitRefused, PathRefused
from registry.services.commit_changes import Change, CopyFile, DeleteFile, DeleteFolder, PutFile, PutLarge
from registry.services.depots import Depot
from registry.services.transfers import transfer_sent
from registry.services.uploads import upload_path
from training.layouts.errors import EntryRefused
from training.layouts.folders import CAPTIONS as SIDECARS
from training.layouts.folders import PICTURES
from training.layouts.trees import Files, Remark, clean_path, is_junk
from training.models import Dataset, DatasetPicture, PictureState
from training.selectors.dataset_revisions import CAPTIONS, CARD

CONFIG = "config.json"
INSTEAD = (
    "A training set takes JPEG, PNG and WebP pictures, their captions (metadata.jsonl, or a .txt beside a picture) and "
    "config.json."
)


@dataclass(frozen=True)
class Sent:
    """Bytes on this disk: a small file of the commit, or a finished transfer."""

    sha256: str
    place: Path
    transfer: Any | None = None


@dataclass
class CommitPlan:
    """The dataset as the commit wants it: pictures by path, each one that is there or one that was sent; texts."""

    tree: dict[str, DatasetPicture | Sent]
    texts: dict[str, Sent] = field(default_factory=dict)
    used: list[Any] = field(default_factory=list)  # transfers that the commit names
    remarks: list[Remark] = field(default_factory=list)

    @property
    def new(self) -> dict[str, Sent]:
        """What was sent, by path."""
        return {path: one for path, one in self.tree.items() if isinstance(one, Sent)}

    def files(self) -> Files:
        """Pictures that are there and whatever was sent, for the reader of layouts; only what was sent is opened."""
        places = {path: one.place if isinstance(one, Sent) else Path() for path, one in self.tree.items()}
        return Files(places | {path: text.place for path, text in self.texts.items()})


def is_picture(path: str) -> bool:
    """Whether a file is taken as a picture."""
    return PurePosixPath(path).suffix.lower() in PICTURES and not is_junk(path)


def is_caption(path: str) -> bool:
    """Whether a file is taken for the captions, or the settings, that are in it."""
    name = PurePosixPath(path)
    return not is_junk(path) and (name.suffix.lower() in SIDECARS or name.name == CAPTIONS or path == CONFIG)


def dataset_path(path: str) -> str:
    """The path as the dataset keeps it; raises PathRefused."""
    try:
        return clean_path(path)
    except EntryRefused as refusal:
        raise PathRefused(f"{path[:80]!r}: {refusal}") from refusal


class Planner:
    """Goes through the changes of a commit in order."""

    def __init__(self, dataset: Dataset, actor: User, depot: Depot, shown: list[DatasetPicture]) -> None:
        self._actor, self._depot = actor, depot
        rows = list(dataset.pictures.defer("colours"))
        self._by_sha: Mapping[str, DatasetPicture] = {row.stored_sha256: row for row in rows} | {
            row.sha256: row for row in rows
        }
        self._before = {row.path: row for row in shown}
        self._shown = {row.pk for row in shown}
        self.plan = CommitPlan(dict(self._before))

    def take(self, change: Change) -> None:
        """One more change; raises CommitRefused, PathRefused."""
        path = dataset_path(change.path)
        if isinstance(change, DeleteFile):
            self._delete(path)
        elif isinstance(change, DeleteFolder):
            self._delete_folder(path)
        elif isinstance(change, CopyFile):
            self._copy(path, change)
        elif is_picture(path):
            self._put(path, self._content(change))
        elif is_caption(path):
            self.plan.texts[path] = self._text(path, change)
        else:
            raise CommitRefused(f"{path} is of a kind that is not taken. {INSTEAD}", remedy="Leave it out.")

    def _content(self, change: PutFile | PutLarge) -> DatasetPicture | Sent:
        sha = change.sha256 if isinstance(change, PutLarge) else _digest(change.place)
        if (row := self._by_sha.get(sha)) is not None:
            return row
        return Sent(sha, change.place) if isinstance(change, PutFile) else self._arrived(change)

    def _text(self, path: str, change: PutFile | PutLarge) -> Sent:
        return Sent(_digest(change.place), change.place) if isinstance(change, PutFile) else self._arrived(change)

    def _arrived(self, change: PutLarge) -> Sent:
        transfer = transfer_sent(actor=self._actor, depot=self._depot, sha256=change.sha256)
        if transfer is None:
            raise CommitRefused(
                f"The bytes of {change.path} did not arrive: nothing with the SHA-256 {change.sha256} was sent here.",
                remedy="Upload the file again; what is in other repositories has to be sent too.",
            )
        self.plan.used.append(transfer)
        return Sent(change.sha256, upload_path(transfer.upload_id), transfer)

    def _put(self, path: str, content: DatasetPicture | Sent) -> None:
        if isinstance(content, DatasetPicture) and content.pk not in self._shown:
            refused = content.state == PictureState.REFUSED
            what = "It was refused before." if refused else "It is there already, and left out."
            self.plan.remarks.append(Remark(path, what, "Look at it on the set's page."))
        else:
            self.plan.tree[path] = content

    def _copy(self, path: str, change: CopyFile) -> None:
        if change.revision not in {"", "main", "refs/heads/main"}:
            raise CommitRefused("Files of a training set are copied from its present state only.")
        row = self._before.get(dataset_path(change.source))
        if row is None or not is_picture(path):
            raise CommitRefused(f"There is no picture {change.source} to copy.", remedy="Read the newest revision.")
        self._put(path, row)

    def _delete(self, path: str) -> None:
        if path == CAPTIONS and path not in self.plan.texts:
            remark = Remark(path, "It is made from the captions, which stay.", "Change them by another one.")
            self.plan.remarks.append(remark)
        elif path == CARD:
            self.plan.remarks.append(Remark(path, "It is made from what is declared of the set, and stays."))
        elif self.plan.tree.pop(path, None) is None and self.plan.texts.pop(path, None) is None:
            raise CommitRefused(f"There is no {path} to delete.", remedy="Read the newest revision.")

    def _delete_folder(self, path: str) -> None:
        inside = [found for found in (*self.plan.tree, *self.plan.texts) if found.startswith(f"{path}/")]
        if not inside:
            raise CommitRefused(f"There is no folder {path} to delete.", remedy="Read the newest revision.")
        for found in inside:
            self.plan.tree.pop(found, None)
            self.plan.texts.pop(found, None)

    def finished(self) -> CommitPlan:
        """The whole; raises CommitRefused where a file would be a folder too. Each file stands at one path only."""
        tree = self.plan.tree
        for path in tree:
            above = [str(folder) for folder in PurePosixPath(path).parents]
            if inside := next((folder for folder in above if folder in tree), None):
                raise CommitRefused(
                    f"{inside} cannot be a file and the folder of {path}.", remedy="Rename one of them."
                )
        self._once()
        return self.plan

    def _once(self) -> None:
        """A set holds each file once: a picture stays where it was, or else where it is named first."""
        places: dict[str, str] = {}
        for path in sorted(self.plan.tree, key=lambda path: (self._before.get(path) is not self.plan.tree[path], path)):
            if (first := places.setdefault(self.plan.tree[path].sha256, path)) != path:
                del self.plan.tree[path]
                self.plan.remarks.append(Remark(path, f"It is the same file as {first}, which is held once."))


def _digest(place: Path) -> str:
    return hashlib.sha256(place.read_bytes()).hexdigest()
