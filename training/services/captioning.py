"""Captions proposed by a captioner: asked for on a page, written by a worker as one edit that can be undone."""

from django.conf import settings

from accounts.models import User
from governance.services import audit_append, audited
from training.errors import CaptionerMissing
from training.models import Dataset, DatasetJob, DatasetWork
from training.services.dataset_work import work_queue
from training.services.datasets import SUBJECT

MODES = {"missing": "Only where there is no caption", "all": "For every picture, over what is written"}


def captioners() -> list[str]:
    """The names that the settings offer."""
    return list(settings.CAPTIONERS)


@audited()
def captioning_queue(*, dataset: Dataset, actor: User, captioner: str, mode: str = "missing") -> DatasetJob:
    """Have captions proposed. Raises CaptionerMissing, and DatasetBusy while a captioner is at it."""
    if captioner not in settings.CAPTIONERS:
        raise CaptionerMissing(f"There is no captioner {captioner[:60]!r} here.", captioners=captioners())
    if mode not in MODES:
        raise CaptionerMissing(f"The mode is one of {', '.join(MODES)}.", remedy="Choose one of these.")
    rows = dataset.pictures.filter(left_out=False)
    total = (rows.filter(caption="") if mode == "missing" else rows).count()
    params = {"captioner": captioner, "mode": mode, "captions": {}}
    job = work_queue(dataset=dataset, kind=DatasetWork.CAPTION, actor=actor, params=params, total=total)
    audit_append(
        actor=actor,
        action="dataset.captions-asked",
        subject=(SUBJECT, str(dataset.pk)),
        data={"job": str(job.pk), "captioner": captioner, "mode": mode},
    )
    return job
