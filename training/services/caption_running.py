"""Asking a captioner about every picture, by a worker. What it said is kept in the job: a crash costs little."""

from django.conf import settings
from django.core.files.storage import default_storage

from governance.services import audited
from registry.pictures import picture_open
from training.captioning import Captioner, CaptionerUnusable, captioner
from training.errors import CaptionerMissing
from training.models import Dataset, DatasetJob, DatasetPicture, EditKind
from training.reporting.captions import CAPTION_MAX, has_word, prefixed
from training.services.captions import captions_write
from training.services.dataset_work import work_finish, work_held, work_lease, work_note, work_progress

SAVE_EVERY = 10  # pictures


def captioning_run(*, job_id: str) -> None:
    """Write captions, unless another worker does; what was proposed before a crash is not asked again."""
    job = work_lease(job_id=job_id)
    if job is None:
        return
    with work_held(job):
        made = _made(job.params["captioner"])
        if _propose(job, made):
            _write(job)


def _made(name: str) -> Captioner:
    setting = settings.CAPTIONERS.get(name)
    if setting is None:
        raise CaptionerMissing(f"There is no captioner {name!r} here any more.")
    try:
        return captioner(setting, device=settings.CAPTIONER_DEVICE)
    except CaptionerUnusable as error:
        raise CaptionerMissing(str(error), remedy=error.remedy) from error


def _propose(job: DatasetJob, made: Captioner) -> bool:
    """Ask about every picture; False when the lease is another's by now."""
    proposed: dict[str, str] = job.params["captions"]
    wanted = [row for row in _wanted(job) if str(row.public_id) not in proposed]
    total = len(wanted) + len(proposed)
    for number, row in enumerate(wanted, 1):
        proposed[str(row.public_id)] = _with_trigger(_ask(made, row), row, job.dataset)
        if number % SAVE_EVERY == 0 or number == len(wanted):
            work_note(job)
        if not work_progress(job, done=len(proposed), total=total):
            return False
    return True


def _wanted(job: DatasetJob) -> list[DatasetPicture]:
    rows = job.dataset.pictures.filter(left_out=False).order_by("path")
    return list(rows.filter(caption="") if job.params["mode"] == "missing" else rows)


def _ask(made: Captioner, row: DatasetPicture) -> str:
    with default_storage.open(row.storage_key, "rb") as file:
        content = file.read()
    try:
        text = made.caption(picture_open(content))
    except CaptionerUnusable as error:
        raise CaptionerMissing(str(error), remedy=error.remedy) from error
    return " ".join(text.split())[:CAPTION_MAX]


def _with_trigger(text: str, row: DatasetPicture, dataset: Dataset) -> str:
    """A captioner does not know the trigger word, and a caption without it teaches the wrong thing."""
    if not text or not dataset.trigger or row.is_prior or has_word(text, dataset.trigger):
        return text
    return prefixed(text, dataset.trigger)


@audited()
def _write(job: DatasetJob) -> None:
    """All captions at once, as one edit: where somebody wrote one meanwhile, theirs stays."""
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=job.dataset_id)
    proposed = {key: text for key, text in job.params["captions"].items() if text}
    if job.params["mode"] == "missing":
        free = dataset.pictures.filter(public_id__in=list(proposed), caption="").values_list("public_id", flat=True)
        proposed = {str(key): proposed[str(key)] for key in free}
    silent = len(job.params["captions"]) - len(proposed)
    remarks = [{"path": "", "what": f"{silent} pictures got no caption.", "remedy": "Write theirs by hand."}]
    if not work_finish(job=job, remarks=remarks if silent else []):
        return
    if proposed:
        by = f"captioner {job.params['captioner']}"
        captions_write(dataset=dataset, actor=job.asked_by, kind=EditKind.CAPTIONER, after=proposed, by=by)
