"""Making on a worker: merging, extracting, converting and comparing adapters, and what becomes of the result.

Imported by workers only: it loads torch.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from accounts.errors import DomainError
from inference.engine import Cancelled, EngineError, quiet
from inference.making_comparing import compare
from inference.making_files import extract_draft, form_file, merge_draft, merged_checkpoint
from inference.models import Making, MakingJob
from inference.services.making_jobs import (
    making_alive,
    making_broke_off,
    making_finish,
    making_lease,
    making_stage,
)
from inference.states import JobState
from registry.leases import lease_kept

Stage = Callable[[str], None]
WORK: dict[str, Callable[[MakingJob, Path, Stage], None]] = {
    Making.MERGE: merge_draft,
    Making.EXTRACT: extract_draft,
    Making.CHECKPOINT: merged_checkpoint,
    Making.FORM: form_file,
    Making.COMPARE: compare,
}
TOO_LONG = {
    "what": "The work took too long and was stopped.",
    "why": "Half an hour at most is given to one job.",
    "remedy": "Choose a lower rank or fewer adapters, or try again when the workers are less busy.",
}
OUT_OF_MEMORY = {
    "what": "The worker ran out of memory.",
    "why": "The changes of a layer of all adapters together need more than it has.",
    "remedy": "Use the method svd or concat, which do not write whole matrices out, or fewer adapters.",
}


def make(*, job_id: str, worker: str) -> None:
    """Do the job unless another worker holds it; safe to call again at any time."""
    job = making_lease(job_id=job_id, worker=worker)
    if job is None:
        return
    try:
        with lease_kept(renew=partial(making_alive, job=job), lifetime=settings.JOB_LEASE), _folder() as folder:
            WORK[job.kind](job, folder, _staging(job))
    except Cancelled:
        making_finish(job=job, state=JobState.CANCELLED)
    except EngineError as error:
        making_finish(
            job=job, state=JobState.FAILED, problem={"what": error.what, "why": error.why, "remedy": error.remedy}
        )
    except DomainError as error:  # what the registry did not take: a quota, a name, a role
        problem = {"what": "The result could not be taken in.", "why": error.detail, "remedy": error.remedy}
        making_finish(job=job, state=JobState.FAILED, problem=problem)
    except (SoftTimeLimitExceeded, MemoryError, torch.OutOfMemoryError) as error:
        late = isinstance(error, SoftTimeLimitExceeded)
        making_finish(job=job, state=JobState.FAILED, problem=TOO_LONG if late else OUT_OF_MEMORY)
    except Exception as error:
        making_broke_off(job=job, error=error)
        raise


@contextmanager
def _folder() -> Iterator[Path]:
    """A place of its own on the disk of the uploads, which is as large as what is made."""
    quiet()
    Path(settings.UPLOAD_DIR).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.UPLOAD_DIR, prefix=".making.") as folder:
        yield Path(folder)


def _staging(job: MakingJob) -> Stage:
    def stage(text: str) -> None:
        if not making_stage(job=job, stage=text):
            raise Cancelled

    return stage
