"""Datasets with real pictures for tests: made, uploaded, taken in and screened by the services that do it."""

import io
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from accounts.models import Namespace, User
from registry.models import Upload
from registry.services.uploads import upload_from_stream
from tests.factories.optout import make_picture, picture_bytes
from training.models import Dataset, DatasetJob, DatasetWork
from training.services.datasets import EDITION, DatasetDraft, dataset_create
from training.services.imports import import_queue


def drawn(seed: int, *, size: int = 64) -> bytes:
    """A PNG in the manner of the tiny base: one coloured shape on a plain ground."""
    from training.tinybase.scenes import draw, sample_scene

    picture = Image.fromarray(draw(sample_scene(np.random.default_rng(seed), plain=True)))
    return picture_bytes(picture.resize((size, size), Image.Resampling.NEAREST))


def photo(seed: int, size: tuple[int, int] = (320, 240), form: str = "PNG", **options: Any) -> bytes:
    """An encoded picture with enough in it to be told from others."""
    return picture_bytes(make_picture(seed, size), form, **options)


def zip_of(files: dict[str, bytes | str], **options: Any) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def draft(name: str = "leaves", **changes: Any) -> DatasetDraft:
    return DatasetDraft(**{"name": name, "rights_edition": EDITION, "trigger": "sks", **changes})


def make_dataset(owner: User | None = None, name: str = "leaves", **changes: Any) -> Dataset:
    from tests.factories.accounts import make_user

    actor = owner or make_user("ada")
    return dataset_create(actor=actor, owner=Namespace.objects.get(user=actor), draft=draft(name, **changes))


def upload_of(actor: User, filename: str, content: bytes, namespace: Namespace | None = None) -> Upload:
    space = namespace or Namespace.objects.get(user=actor)
    return upload_from_stream(
        actor=actor, namespace=space, filename=filename, stream=io.BytesIO(content), length=len(content)
    )


def bring(dataset: Dataset, files: dict[str, bytes | str], *, actor: User | None = None) -> DatasetJob:
    """Upload these files and take them in, as a worker does; nothing is screened yet."""
    from training.services.import_running import import_run

    actor = actor or dataset.created_by
    encoded = {name: body.encode() if isinstance(body, str) else body for name, body in files.items()}
    uploads = [(upload_of(actor, name, body, dataset.owner), name) for name, body in encoded.items()]
    job = import_queue(dataset=dataset, actor=actor, uploads=uploads)
    import_run(job_id=str(job.pk))
    job.refresh_from_db()
    return job


def screen(dataset: Dataset) -> DatasetJob | None:
    """Run the checks that wait, as a worker does."""
    from training.services.dataset_screening import screening_run

    job = DatasetJob.objects.filter(dataset=dataset, kind=DatasetWork.SCREEN).exclude(state="done").first()
    if job is not None:
        screening_run(job_id=str(job.pk))
        job.refresh_from_db()
    dataset.refresh_from_db()
    return job


def make_ready(owner: User | None = None, name: str = "leaves", *, pictures: int = 6, **changes: Any) -> Dataset:
    """A dataset of checked pictures with captions, fit to be trained on."""
    dataset = make_dataset(owner, name, **changes)
    files: dict[str, bytes | str] = {}
    for seed in range(1, pictures + 1):
        files[f"{seed:02}.png"] = photo(seed, (192, 144))
        files[f"{seed:02}.txt"] = f"sks, picture {seed} of many shapes"
    bring(dataset, files)
    screen(dataset)
    return dataset
