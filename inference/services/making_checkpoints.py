"""Handing a merged base model to its maker, while all that it is made of may still be used so."""

from django.conf import settings
from django.core import signing

from accounts.models import User
from governance.services import audit_append, audited
from inference.errors import JobConflict
from inference.models import Making, MakingJob
from inference.services.making_forms import Delivered
from inference.services.making_jobs import rights_ended
from registry.errors import LinkExpired

SALT = "inference.checkpoints"


def checkpoint_token(*, job: MakingJob) -> str:
    """The signed, short-lived token of a link to the file."""
    return signing.dumps(str(job.pk), salt=SALT, compress=False)


@audited()
def checkpoint_redeem(*, token: str) -> Delivered:
    """The file behind a token. Raises LinkExpired, or JobConflict where a right has ended."""
    try:
        pk = signing.loads(token, salt=SALT, max_age=settings.DOWNLOAD_URL_LIFETIME)
    except signing.BadSignature as error:
        raise LinkExpired from error
    job = MakingJob.objects.filter(pk=pk, kind=Making.CHECKPOINT).select_related("created_by").first()
    if job is None or not job.is_kept:
        raise LinkExpired
    if problem := rights_ended(job):
        raise JobConflict(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])
    _log(job.created_by, job)
    return Delivered(job.storage_key, job.filename, job.sha256, job.size)


def _log(actor: User, job: MakingJob) -> None:
    audit_append(
        actor=actor,
        action="making.delivered",
        subject=("inference.making", str(job.pk)),
        data={"sha256": job.sha256, "versions": list(job.parts.values_list("version_id", flat=True))},
    )
