"""Commits of the Hub protocol into a dataset: everything decoded first, then one transaction, all of it or nothing.

What a client sends goes through the intake of the page: the same reader of layouts, the same decoder and copy without
metadata, the same checks afterwards.
"""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import CommitRefused, CommitStale
from registry.services.commit_changes import Wanted
from registry.services.depots import Depot
from registry.services.uploads import upload_delete
from training.errors import DatasetFull, DatasetGone
from training.layouts.folders import Plan, Planned, plan_of
from training.layouts.trees import Remark
from training.models import Dataset, DatasetPicture, DatasetState, EditKind
from training.selectors.dataset_revisions import pictures_shown, revision_id
from training.services.captions import captions_write
from training.services.commit_plans import CommitPlan, Planner, Sent
from training.services.datasets import SUBJECT, dataset_unsettle
from training.services.import_running import dataset_describe, measure
from training.services.pictures import blobs_delete, picture_store, pictures_remove
from training.services.splits import dataset_resplit

MOST_NEW = 500  # pictures of one commit: its client waits while they are decoded
NAMED = 10  # files that a refusal names
ATTEMPTS = 3
SAID = ("config", "metadata", "sidecar")  # captions that a file of the commit gives
_decoding = threading.Lock()  # one picture at a time in this process: 40 million pixels are hundreds of megabytes


@dataclass(frozen=True)
class Committed:
    """What became of it: the id of the set as it is now, new pictures, and what was not done."""

    sha: str
    added: int = 0
    remarks: tuple[Remark, ...] = ()


class _Moved(Exception):
    """The set has changed between the plan and the transaction."""


def dataset_commit(*, actor: User, dataset: Dataset, depot: Depot, wanted: Wanted) -> Committed:
    """Commit; raises CommitStale, CommitRefused, PathRefused, DatasetFull, DatasetGone, and nothing is changed then."""
    for _ in range(ATTEMPTS):
        shown = pictures_shown(dataset)
        base = revision_id(dataset, shown)
        if wanted.parent and not base.startswith(wanted.parent):
            raise CommitStale(f"main is at {base}, not at {wanted.parent[:40]}.")
        planner = Planner(dataset, actor, depot, shown)
        for change in wanted.changes:
            planner.take(change)
        plan = planner.finished()
        read = plan_of(plan.files(), unwrapped=False)
        _check_room(dataset, plan)
        rows = _decoded(dataset, plan, read)
        try:
            done = _apply(dataset, actor, base, plan, read, rows)
        except _Moved:
            _forget(rows)
            continue
        except Exception:
            _forget(rows)
            raise
        for transfer in plan.used:
            upload_delete(upload=transfer.upload)
        return done
    raise CommitStale("The set is being changed at the same time.")


def _check_room(dataset: Dataset, plan: CommitPlan) -> None:
    new = len(plan.new)
    if new > MOST_NEW:
        raise CommitRefused(f"The commit brings {new:,} new pictures; {MOST_NEW:,} is the most.", remedy="Split it.")
    hidden = dataset.pictures.exclude(pk__in=[row.pk for row in pictures_shown(dataset)]).count()
    if new and len(plan.tree) + hidden > settings.DATASET_PICTURES_MAX:
        raise DatasetFull(f"A dataset has at most {settings.DATASET_PICTURES_MAX:,} pictures.")


def _decoded(dataset: Dataset, plan: CommitPlan, read: Plan) -> list[DatasetPicture]:
    """Every new picture decoded and stored; its rows are not saved yet. Raises CommitRefused, naming each bad one."""
    rows: list[DatasetPicture] = []
    bad: list[str] = []
    for planned in read.pictures:
        if (sent := plan.new.get(planned.path)) is None:
            continue
        try:
            rows.append(_stored(dataset, planned, sent))
        except ValueError as refusal:  # EntryRefused and PictureRefused are
            bad.append(f"{planned.path}: {refusal}")
    if bad:
        _forget(rows)
        more = f" And {len(bad) - NAMED} more." if len(bad) > NAMED else ""
        raise CommitRefused(
            f"Nothing was committed: {' '.join(bad[:NAMED])}{more}", remedy="Save them anew, or leave them out."
        )
    return rows


def _forget(rows: list[DatasetPicture]) -> None:
    """Delete the bytes of pictures that were not saved. Those that were stay, whatever went wrong after that."""
    names = [row.public_id for row in rows]
    saved = set(DatasetPicture.objects.filter(public_id__in=names).values_list("public_id", flat=True))
    blobs_delete(key for row in rows if row.public_id not in saved for key in (row.storage_key, row.thumb_key))


def _stored(dataset: Dataset, planned: Planned, sent: Sent) -> DatasetPicture:
    with _decoding:
        return picture_store(dataset=dataset, planned=planned, measured=measure(_read(sent.place)))


def _read(place: Path) -> bytes:
    with place.open("rb") as file:
        return file.read(settings.DATASET_PICTURE_BYTES + 1)  # one more shows that it is too large


@audited()
def _apply(
    dataset: Dataset, actor: User, base: str, plan: CommitPlan, read: Plan, rows: list[DatasetPicture]
) -> Committed:
    locked = Dataset.objects.select_for_update(no_key=True).select_related("owner").get(pk=dataset.pk)
    if locked.state != DatasetState.OPEN:
        raise DatasetGone(f"{locked} was deleted.")
    shown = pictures_shown(locked)
    if revision_id(locked, shown) != base:
        raise _Moved
    before = {row.path: row for row in locked.pictures.all()}
    kept = {one.pk: path for path, one in plan.tree.items() if isinstance(one, DatasetPicture)}
    seen = {row.pk for row in shown}  # others are hidden, and make room where a path is theirs
    gone = [row for path, row in before.items() if row.pk not in kept and (row.pk in seen or path in plan.tree)]
    moved = {row.pk: kept[row.pk] for row in shown if kept.get(row.pk, row.path) != row.path}
    described = dataset_describe(locked, read)
    pictures_remove(dataset=locked, actor=actor, pictures=[row.public_id for row in gone])
    _move(locked, moved)
    _add(rows, {row.path: row for row in shown})
    captions = _captions(locked, actor, read)
    if gone or moved or rows or described:
        dataset_resplit(dataset=locked)
        dataset_unsettle(dataset=locked)
    after = revision_id(locked, pictures_shown(locked))
    counts: dict[str, int] = {
        "added": len(rows),
        "removed": len(gone),
        "moved": len(moved),
        "captions": captions,
        "described": described,
    }
    if any(counts.values()):
        data = {"revision": after, "parent": base, **counts}
        audit_append(actor=actor, action="dataset.committed", subject=(SUBJECT, str(locked.pk)), data=data)
    return Committed(after, len(rows), tuple(plan.remarks + read.remarks + _loose(read)))


def _move(dataset: Dataset, moved: Mapping[int, str]) -> None:
    """Give pictures other paths. First out of each other's way: two of them may change places."""
    for pk in moved:
        dataset.pictures.filter(pk=pk).update(path=f"moving-{pk}")
    for pk, path in moved.items():
        dataset.pictures.filter(pk=pk).update(path=path)


def _add(rows: list[DatasetPicture], before: Mapping[str, DatasetPicture]) -> None:
    """Save new pictures. One in the place of another goes on with what was said of the place: caption and repeats."""
    for row in rows:
        old = before.get(row.path)
        if old is not None and row.caption_by not in SAID:
            row.caption, row.caption_by = old.caption, old.caption_by
            row.repeats, row.is_prior = old.repeats, old.is_prior
        row.save(force_insert=True)


def _captions(dataset: Dataset, actor: User, read: Plan) -> int:
    """Write the captions that the commit has for pictures that were there before; how many have changed."""
    now = {row.path: row for row in dataset.pictures.all()}
    after: dict[str, dict[str, str]] = defaultdict(dict)
    for planned in read.pictures:
        row = now.get(planned.path)
        if row is not None and planned.caption_by in SAID and row.caption != planned.caption:
            after[planned.caption_by][str(row.public_id)] = planned.caption
    for by, captions in after.items():
        captions_write(dataset=dataset, actor=actor, kind=EditKind.COMMIT, after=captions, by=by)
    return sum(map(len, after.values()))


def _loose(read: Plan) -> list[Remark]:
    return [Remark(f"{stem}.txt", "No picture has its name.") for stem in sorted(read.loose)]
