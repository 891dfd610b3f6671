"""What training keeps about a person, as plain values, for their export: their datasets, and the runs they made.

Pictures are named by path and digest; their content is on their pages and in the API. What an organisation owns is its.
"""

from typing import Any

from accounts.models import User
from training.models import Dataset, DatasetDeletion, DatasetState, TrainingRun

Rows = list[dict[str, Any]]
SAID = ("origin", "licence_id", "source", "depicts_real_person", "fictional_statement", "protected")
ABOUT = ("name", "title", "description", "purpose", "trigger", "class_word", *SAID, "validation_share")
TIMES = ("rights_affirmed_at", "created_at", "updated_at", "last_used_at", "keep_until")
PICTURE = ("path", "sha256", "width", "height", "size", "caption", "caption_by", "repeats", "is_prior", "left_out")
PICTURE_SAID = ("source", "licence_id", "depicts_person", "protection", "state", "findings", "added_at")
RUN = ("public_id", "title", "adapter_name", "purpose", "trigger", "recipe", "intended_use", "gpu_class", "state")
RUN_FACTS = ("problem", "step", "steps", "seconds", "warnings", "created_at", "started_at", "finished_at")


def datasets(user: User) -> Rows:
    """Datasets under the person's own name, with their pictures' words; of deleted ones what stays as proof."""
    mine = Dataset.objects.filter(owner__user=user).order_by("pk")
    return [*(_dataset(one) for one in mine.filter(state=DatasetState.OPEN)), *_deletions(user)]


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        **{name: getattr(dataset, name) for name in (*ABOUT, *TIMES)},
        "pictures": list(dataset.pictures.order_by("path").values(*PICTURE, *PICTURE_SAID)),
        "changes_of_captions": list(
            dataset.edits.filter(made_by=dataset.created_by).values("kind", "changes", "made_at")
        ),
        "consents": [str(link.consent.public_id) for link in dataset.consent_links.select_related("consent")],
        "snapshots": list(dataset.snapshots.values("digest", "pictures", "validation", "prior", "created_at")),
    }


def _deletions(user: User) -> Rows:
    rows = DatasetDeletion.objects.filter(dataset__owner__user=user).select_related("dataset").order_by("pk")
    kept = ("reason", "digest", "pictures", "size", "asked_at", "proved_at")
    return [{"name": row.dataset.name, **{name: getattr(row, name) for name in kept}} for row in rows]


def training_runs(user: User) -> Rows:
    """The runs that the person made, also for organisations: with what was said about them and what they gave."""
    rows = TrainingRun.objects.filter(created_by=user).select_related("owner", "base_model").order_by("pk")
    return [_run(run) for run in rows]


def _run(run: TrainingRun) -> dict[str, Any]:
    return {
        "owner": run.owner.slug,
        "base_model": run.base_model.slug,
        **{name: getattr(run, name) for name in (*RUN, *RUN_FACTS)},
        "log": list(run.events.values("at", "kind", "step", "text")),
        "samples": list(run.samples.values("step", "prompt", "seed", "with_trigger", "sha256", "made_at")),
        "files": list(run.files.values("step", "layout", "filename", "sha256", "size", "removed_at")),
        "versions": [str(result.version) for result in run.results.select_related("version__adapter__owner")],
    }
