"""Taking in what was uploaded, by a worker: every picture decoded, measured and kept without its metadata."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from moderation.matching.reservations import from_picture
from registry.models import Upload
from registry.pictures import picture_open
from registry.services.policy import licence_known
from registry.services.uploads import upload_delete, upload_path
from training.errors import UploadNotTaken
from training.layouts.archive import Limits, ZipTree
from training.layouts.errors import ArchiveRefused
from training.layouts.folders import Plan, Planned, plan_of
from training.layouts.trees import Files, Joined, Remark, Tree
from training.models import Dataset, DatasetJob, DatasetPicture, Origin, Purpose
from training.reporting.captions import CAPTION_MAX
from training.reporting.pixels import PictureUnreadable, prepare
from training.services.dataset_work import work_finish, work_held, work_lease, work_progress
from training.services.datasets import UNSCREENED, dataset_unsettle, pictures_left
from training.services.pictures import Measured, picture_add
from training.services.splits import dataset_resplit

FILES_FOR_A_PICTURE = 3  # caption, cache and the picture itself
FILES_BESIDES = 200


def import_run(*, job_id: str) -> None:
    """Take the pictures in, unless another worker does; what was taken in before a crash is not taken twice."""
    job = work_lease(job_id=job_id)
    if job is None:
        return
    with work_held(job):
        remarks = _take_in(job)
        if work_finish(job=job, remarks=[remark.to_json() for remark in remarks]):
            _forget(job)


def _take_in(job: DatasetJob) -> list[Remark]:
    with _tree_of(job) as tree:
        plan = plan_of(tree)
        remarks = list(plan.remarks)
        dataset_describe(job.dataset, plan)
        for number, one in enumerate(plan.pictures, 1):
            remark = _take_one(job.dataset, tree, one, full=pictures_left(job.dataset) <= 0)
            remarks += [remark] if remark else []
            if not work_progress(job, done=number, total=len(plan.pictures)):
                return remarks  # another worker goes on
        remarks += _loose_captions(job.dataset, plan)
    if not plan.pictures and not plan.loose:
        remarks.append(Remark("", "No picture was found in what was sent.", "Send JPEG, PNG or WebP pictures."))
    _settle(job.dataset)
    return remarks


def _take_one(dataset: Dataset, tree: Tree, planned: Planned, *, full: bool) -> Remark | None:
    """One picture into the dataset; otherwise what its sender is told."""
    if full:
        what = f"The dataset has its {settings.DATASET_PICTURES_MAX:,} pictures, so this one was not taken."
        return Remark(planned.path, what, "Make a second dataset.")
    try:
        content = tree.read(planned.at, settings.DATASET_PICTURE_BYTES)
        measured = measure(content)
    except ValueError as refusal:  # EntryRefused and PictureRefused are
        return Remark(planned.path, str(refusal), "Save it anew and add it then.")
    if picture_add(dataset=dataset, planned=planned, measured=measured) is None:
        twin = DatasetPicture.objects.filter(dataset=dataset, sha256=measured.sha256).first()
        if twin is not None and twin.path != planned.path:
            return Remark(planned.path, f"It is the same file as {twin.path}.", "Nothing is to be done.")
        return Remark(planned.path, "It is there already.", "Nothing is to be done.")
    return None


def measure(content: bytes) -> Measured:
    """Decode a file, read the marks in its metadata, and make the copy that is kept.

    Raises ValueError with a sentence for the sender: PictureRefused, or that it cannot be decoded.
    """
    picture = picture_open(content, most=settings.DATASET_PICTURE_BYTES)
    try:
        made = prepare(picture, side=settings.DATASET_SIDE_MAX)
    except PictureUnreadable as error:
        raise ValueError(str(error)) from error
    marks = [
        {"signal": mark.signal, "outcome": mark.outcome, "detail": mark.detail, "where": mark.where}
        for mark in from_picture(content)
    ]
    return Measured(
        sha256=hashlib.sha256(content).hexdigest(),
        stored_sha256=hashlib.sha256(made.content).hexdigest(),
        content=made.content,
        ending=made.ending,
        thumb=made.thumb,
        width=made.width,
        height=made.height,
        sharpness=made.sharpness,
        phash=made.phash,
        colours=made.colours,
        marks=marks,
    )


@contextmanager
def _tree_of(job: DatasetJob) -> Iterator[Tree]:
    """The uploaded files as one tree; zips are opened where they stand alone or beside others."""
    files: dict[str, Path] = {}
    trees: list[Tree] = []
    lost: list[Remark] = []
    limits = Limits(
        files=FILES_FOR_A_PICTURE * settings.DATASET_PICTURES_MAX + FILES_BESIDES, size=settings.DATASET_ARCHIVE_BYTES
    )
    with ExitStack() as stack:
        for entry in job.params["files"]:
            place = upload_path(uuid.UUID(entry["upload"]))
            if entry["path"].lower().endswith(".zip"):
                trees.append(_opened(stack, entry["path"], place, limits))
            elif place.exists():
                files[entry["path"]] = place
            else:
                lost.append(Remark(entry["path"], "Its upload is not there any more.", "Send it again."))
        yield Joined((Files(files, tuple(lost)), *trees))


def _opened(stack: ExitStack, path: str, place: Path, limits: Limits) -> Tree:
    try:
        return stack.enter_context(ZipTree(place, limits))
    except ArchiveRefused as refusal:
        raise UploadNotTaken(f"{path}: {refusal}", remedy=refusal.remedy) from refusal


def dataset_describe(dataset: Dataset, plan: Plan) -> bool:
    """Take over what `config.json` or kohya's folders say of the set, where its owner has said nothing yet.

    Whether that changed anything.
    """
    changes: dict[str, Any] = {}
    if plan.trigger and not dataset.trigger:
        changes["trigger"] = plan.trigger
    if plan.class_word and not dataset.class_word:
        changes["class_word"] = plan.class_word
    if plan.purpose in Purpose.values and not dataset.pictures.exists():
        changes["purpose"] = plan.purpose
    if plan.source and not dataset.source:
        changes["source"] = plan.source
    if dataset.origin != Origin.OWN and not dataset.licence_id and licence_known(plan.licence_id):
        changes["licence_id"] = plan.licence_id
    if changes:
        Dataset.objects.filter(pk=dataset.pk).update(**changes)
        dataset.refresh_from_db()
    return bool(changes)


def _loose_captions(dataset: Dataset, plan: Plan) -> list[Remark]:
    """Captions that came without a picture: for those of the dataset with their name."""
    if not plan.loose:
        return []
    remarks = []
    by_stem: dict[str, list[DatasetPicture]] = {}
    for row in dataset.pictures.all():
        by_stem.setdefault(row.name.rpartition(".")[0], []).append(row)
    for stem, text in plan.loose.items():
        rows = by_stem.get(stem, [])
        if len(rows) != 1:
            what = "No picture has its name." if not rows else f"{len(rows)} pictures have its name."
            remarks.append(Remark(f"{stem}.txt", what, "Give the caption its picture's name."))
            continue
        caption = " ".join(text.split())[:CAPTION_MAX]
        if rows[0].caption != caption:
            DatasetPicture.objects.filter(pk=rows[0].pk).update(caption=caption, caption_by="sidecar", **UNSCREENED)
    return remarks


@transaction.atomic
def _settle(dataset: Dataset) -> None:
    locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    dataset_resplit(dataset=locked)
    dataset_unsettle(dataset=locked)


def _forget(job: DatasetJob) -> None:
    """The uploads are taken in: their files are of no more use."""
    pks = [entry["upload"] for entry in job.params["files"]]
    for upload in Upload.objects.filter(pk__in=pks):
        upload_delete(upload=upload)
