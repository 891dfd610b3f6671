"""Pictures that were trained on, remembered by what finds works in them: later opt-outs find them when they are gone.

Imported by workers only: it loads the matching of pictures. Faces are not kept, since nobody in a picture consented to
that, so a likeness that is protected later is found in pictures of the dataset alone.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.db.models import Exists, OuterRef
from PIL import Image

from governance.policy import Finding
from governance.services import audited
from moderation.matching.pictures import PictureUnusable, Query, examine
from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.traces import Trace
from moderation.screening.consented import excused_by
from moderation.selectors.blocks import blocked_copy
from moderation.selectors.consents import live
from moderation.selectors.optout import works_found
from registry.pictures import picture_open
from training.findings import finding_key
from training.models import DatasetPicture, DatasetSnapshot, DatasetState, TrainedPicture, TrainingRun
from training.selectors.optout_marks import optout_mark
from training.services.blocking import block_trained
from training.services.forgetting import runs_without_result
from training.services.snapshots import SnapshotItem
from training.states import ENDED

log = logging.getLogger(__name__)
SWEEP = 200  # pictures that one sweep compares
SHOWS = "A picture that it was trained on, and that has left the dataset since, shows a work of the opt-out register."
REMOVED = "A picture that it was trained on, and that has left the dataset since, is a copy of one that was removed."


def trained_keep(run: TrainingRun, items: Sequence[SnapshotItem]) -> int:
    """Remember what a run begins to train on; how many pictures were new. Repeating it changes nothing."""
    snapshot, entries = run.snapshot, run.snapshot.manifest["pictures"]
    known = {str(pk) for pk in snapshot.trained_pictures.values_list("picture", flat=True)}
    fresh = [(entry, item) for entry, item in zip(entries, items, strict=True) if entry["picture"] not in known]
    for entry, item in fresh:
        _keep(snapshot, entry, item)
    return len(fresh)


def _keep(snapshot: DatasetSnapshot, entry: dict[str, Any], item: SnapshotItem) -> None:
    named = {"dataset": snapshot.dataset, "picture": entry["picture"]}
    row = TrainedPicture.objects.filter(**named).first()
    if row is None:
        trace = _trace(item.path.read_bytes())
        parts = {"hashes": trace.hashes, "described": trace.described}
        keys = [finding_key(found) for found in entry["findings"]]
        row, _ = TrainedPicture.objects.get_or_create(
            **named, defaults={"sha256": entry["sha256"], "known": keys, **parts}
        )
    row.snapshots.add(snapshot)


def _trace(content: bytes) -> Trace:
    try:
        return Trace.of(examine(picture_open(content)))
    except PictureUnusable:
        return Trace()  # of one tone or a few pixels: nothing in it could be anybody's work


def trained_compare() -> int:
    """Compare pictures that have left their datasets with what the registers say now; how many blocks that gave.

    Those that are still there are looked at by their dataset's own checks. What fails is compared by the next sweep.
    """
    mark = optout_mark()  # read first: what is registered later is looked for the next time
    there = DatasetPicture.objects.filter(public_id=OuterRef("picture"))
    gone = TrainedPicture.objects.filter(~Exists(there)).exclude(compared_mark=mark).select_related("dataset__owner")
    blocked = 0
    for row in gone.order_by("compared_mark", "pk")[:SWEEP]:
        try:
            found = [one for one in _found(row) if finding_key(one.to_json()) not in row.known]
        except (ValueError, OSError):
            log.exception("Trained picture %s could not be compared", row.pk)
            continue
        blocked += _settle(row, found, mark)
    return blocked


@audited()
def _settle(row: TrainedPicture, found: Sequence[Finding], mark: str) -> int:
    added = sum(block_trained(row=row, finding=one) for one in found)
    TrainedPicture.objects.filter(pk=row.pk).update(compared_mark=mark)
    return added


def _found(row: TrainedPicture) -> Iterator[Finding]:
    query = _query(row)
    copy = blocked_copy(sha256=row.sha256, picture=b"" if query else None, sent=row.sha256, query=query)
    if copy is not None:
        yield Finding("blocked", "blocked-copy", REMOVED, {"block": copy.pk})
    if query is None:
        return
    consents = _consents(row)
    for hit in works_found(b"", sent=row.sha256, query=query):
        if not excused_by(hit, user_id=row.dataset.created_by_id, consents=consents):
            yield Finding("works", "optout-work", SHOWS, {"entry": hit.entry_id, "verified": hit.verified})


def _query(row: TrainedPicture) -> Query | None:
    """What was worked out of the picture; in place of its raster its thumbnail, which is all of it that is left."""
    trace = Trace(bytes(row.hashes), bytes(row.described))
    if not trace.described:
        return None
    query = trace.query(lambda: _raster(query))
    return query


def _raster(query: Query) -> Grey:
    small = Image.fromarray(np.ascontiguousarray(query.thumbs[0]))
    return np.asarray(small.resize(query.features.frame, Image.Resampling.BICUBIC))


def _consents(row: TrainedPicture) -> tuple[str, ...]:
    """Consents that the runs over it rest on and that are in force."""
    runs = TrainingRun.objects.filter(snapshot__trained_pictures=row)
    named = {one for rights in runs.values_list("rights", flat=True) for one in rights.get("consent_ids", ())}
    held = live().filter(public_id__in=named, scopes__contains=["training"])
    return tuple(str(pk) for pk in held.values_list("public_id", flat=True))


def traces_forget() -> int:
    """Forget pictures of deleted datasets of which nothing that was trained on them is left; how many rows went."""
    runs = TrainingRun.objects.filter(snapshot__trained_pictures=OuterRef("pk"))
    empty = runs_without_result().values("pk")
    needed = runs.exclude(state__in=ENDED) | runs.exclude(pk__in=empty)
    rows = TrainedPicture.objects.filter(~Exists(needed), dataset__state=DatasetState.DELETED)
    count, _ = rows.delete()
    return count
