"""Handing over what was uploaded: complete uploads with their relative paths become a job for a worker."""

from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from registry.models import Upload
from training.errors import DatasetFull, UploadNotTaken
from training.layouts.errors import EntryRefused
from training.layouts.trees import clean_path
from training.models import Dataset, DatasetJob, DatasetWork
from training.services.dataset_work import work_queue
from training.services.datasets import SUBJECT, pictures_left

UPLOADS_MAX = 5000  # of one import


@audited()
def import_queue(*, dataset: Dataset, actor: User, uploads: Sequence[tuple[Upload, str]]) -> DatasetJob:
    """Hand complete uploads of `actor`, each with the relative path that it had, to a worker.

    Raises UploadNotTaken for one that is not complete or whose path leads out, DatasetFull.
    """
    if not uploads or len(uploads) > UPLOADS_MAX:
        raise UploadNotTaken(f"One import takes 1 to {UPLOADS_MAX:,} files.", remedy="Send a zip instead.")
    if pictures_left(dataset) <= 0:
        raise DatasetFull(f"A dataset has at most {settings.DATASET_PICTURES_MAX:,} pictures.")
    files = [{"upload": str(upload.pk), "path": _checked_path(upload, path)} for upload, path in uploads]
    Upload.objects.filter(pk__in=[upload.pk for upload, _ in uploads]).update(
        expires_at=timezone.now() + settings.UPLOAD_LIFETIME
    )
    params = {"files": files}
    job = work_queue(dataset=dataset, kind=DatasetWork.IMPORT, actor=actor, params=params, total=len(files))
    audit_append(
        actor=actor,
        action="dataset.upload-received",
        subject=(SUBJECT, str(dataset.pk)),
        data={"job": str(job.pk), "files": len(files)},
    )
    return job


def _checked_path(upload: Upload, path: str) -> str:
    if not upload.is_complete:
        raise UploadNotTaken(f"{upload.filename} has not arrived whole.", remedy="Go on with its upload.")
    try:
        return clean_path(path or upload.filename)
    except EntryRefused as refusal:
        raise UploadNotTaken(
            f"{upload.filename}: {refusal}", remedy="Send it under a plain relative path."
        ) from refusal
