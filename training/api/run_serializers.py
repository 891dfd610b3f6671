"""Training runs in JSON."""

from typing import Any

from rest_framework import serializers

from registry.models.adapters import ContentLevel, Visibility
from training.models import RunCheckpoint, RunSample, TrainingRun
from training.selectors.queue import place_of
from training.services.standing import INTENDED


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    """A run as its people see it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    owner = serializers.CharField(source="owner.slug", read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    dataset = serializers.CharField(source="snapshot.dataset", read_only=True)
    dataset_digest = serializers.CharField(source="snapshot.digest", read_only=True)
    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    share = serializers.FloatField(read_only=True, help_text="How much is done, 0 to 1.")
    seconds_left = serializers.FloatField(read_only=True, allow_null=True)
    seconds_used = serializers.FloatField(read_only=True)
    cost = serializers.DecimalField(12, 4, read_only=True, help_text="What the use so far costs.")
    estimate_cost = serializers.DecimalField(12, 4, read_only=True)
    decisions = serializers.SerializerMethodField(help_text="May it be trained, and used as intended?")
    queue = serializers.SerializerMethodField(help_text="Place in the queue; null where it does not wait.")
    results = serializers.SerializerMethodField(help_text="Versions that were made from it.")
    files = serializers.SerializerMethodField(help_text="Adapters that were written and compared.")

    class Meta:
        model = TrainingRun
        fields = ["id", "owner", "created_by", "title", "adapter_name", "dataset", "dataset_digest", "base_model"]
        fields += ["base_digest", "purpose", "trigger", "recipe", "recipe_digest", "intended_use", "gpu_class"]
        fields += ["priority", "state", "problem", "wanted", "step", "steps", "share", "phase", "checkpoint_step"]
        fields += ["warnings", "proposal", "chosen_step", "estimate_seconds", "estimate_memory", "estimate_cost"]
        fields += ["seconds_used", "seconds_left", "cost", "currency", "peak_memory", "attempts", "queue", "decisions"]
        fields += ["results", "files", "created_at", "queued_at", "started_at", "finished_at"]
        read_only_fields = fields

    def get_decisions(self, run: TrainingRun) -> list[dict[str, Any]]:
        records = [record for record in (run.decision, run.use_decision) if record is not None]
        return [{"id": str(record.public_id), **record.to_json()} for record in records]

    def get_queue(self, run: TrainingRun) -> dict[str, Any] | None:
        place = place_of(run)
        return None if place is None else {"position": place.position, "of": place.of, "why": place.why}

    def get_results(self, run: TrainingRun) -> list[dict[str, Any]]:
        rows = run.results.select_related("version__adapter__owner")
        return [
            {
                "adapter": str(row.version.adapter),
                "version": row.version.number,
                "state": row.version.state,
                "step": row.step,
            }
            for row in rows
        ]

    def get_files(self, run: TrainingRun) -> list[dict[str, Any]]:
        keys = ("step", "layout", "filename", "sha256", "size", "max_difference", "removed_at")
        place = f"/api/v1/training/runs/{run.public_id}/files"
        return [
            {"id": str(file.pk), "url": f"{place}/{file.pk}", **{key: getattr(file, key) for key in keys}}
            for file in run.files.all()
        ]


class RunPlanSerializer(serializers.Serializer[Any]):
    """What is to be trained. Without a recipe the preset is taken; what a recipe leaves out is the preset's."""

    dataset = serializers.RegexField(r"^[^/\s]+/[^/\s]+\Z", help_text="owner/name")
    base_model = serializers.SlugField()
    purpose = serializers.CharField(max_length=20, default="style")
    trigger = serializers.CharField(max_length=100, allow_blank=True, required=False)
    recipe = serializers.DictField(required=False, help_text="Sections and settings, as GET /training/presets gives.")
    adapter_name = serializers.CharField(max_length=60)
    title = serializers.CharField(max_length=120, allow_blank=True, default="")
    intended_use = serializers.ChoiceField([use.value for use in INTENDED])
    gpu_class = serializers.CharField(max_length=30, required=False)
    priority = serializers.IntegerField(min_value=-1, max_value=1, default=0)


class RunPublishSerializer(serializers.Serializer[Any]):
    """How the draft is published; the rights statement is affirmed by its edition."""

    rights_edition = serializers.CharField(max_length=20)
    licence = serializers.CharField(max_length=80, required=False)
    trigger_words = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    strength = serializers.FloatField(min_value=-4, max_value=4, required=False)
    commercial_use = serializers.ListField(child=serializers.CharField(max_length=10), required=False)
    credit_required = serializers.BooleanField(default=True)
    allow_derivatives = serializers.BooleanField(default=True)
    allow_different_licence = serializers.BooleanField(default=False)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    content_level = serializers.ChoiceField(
        choices=ContentLevel.choices, required=False, help_text="What the adapter's pictures may show."
    )
    title = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=20_000, allow_blank=True, required=False)


class CheckpointSerializer(serializers.ModelSerializer[Any]):
    """A checkpoint with what the run knew at it; the losses are null where none was measured before it."""

    training_loss = serializers.FloatField(allow_null=True, help_text="The mean of the ten steps up to it.")
    validation_loss = serializers.FloatField(allow_null=True, help_text="At it, or at the last one before it.")
    proposed = serializers.BooleanField(help_text="By the overfit watch.")
    chosen = serializers.BooleanField()
    version = serializers.CharField(allow_null=True, help_text="The version that was made of it.")
    warnings = serializers.ListField(child=serializers.DictField(), help_text="Of the overfit watch, up to it.")

    class Meta:
        model = RunCheckpoint
        fields = ["step", "size", "made_at", "removed_at", "training_loss", "validation_loss", "proposed", "chosen"]
        fields += ["version", "warnings"]
        read_only_fields = fields

    def to_representation(self, row: Any) -> dict[str, Any]:
        """A row of `checkpoints_of`, flat."""
        kept = row["checkpoint"]
        return {
            **{name: getattr(kept, name) for name in ("step", "size", "made_at", "removed_at")},
            "training_loss": row["training"],
            "validation_loss": row["validation"],
            "proposed": row["proposed"],
            "chosen": row["chosen"],
            "version": str(row["version"]) if row["version"] else None,
            "warnings": row["warnings"],
        }


class RunSampleSerializer(serializers.ModelSerializer[RunSample]):
    """A sample; its content is at `url`, for whoever may read the run."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = RunSample
        fields = ["id", "url", "step", "prompt", "seed", "with_trigger", "width", "height", "sha256", "made_at"]
        read_only_fields = fields

    def get_url(self, sample: RunSample) -> str:
        return f"/api/v1/training/samples/{sample.pk}/content"
