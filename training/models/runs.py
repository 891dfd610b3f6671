"""Training runs and all that a worker writes down about one. The run is the row; a message only wakes a worker."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace, User
from governance.models import DecisionRecord
from registry.models import BaseModel, Version
from training.models.snapshots import DatasetSnapshot
from training.states import ENDED, HELD, UNFINISHED, RunState, Wanted


class Priority(models.IntegerChoices):
    """Orders the runs of one person among themselves; between people and organisations the fair share decides."""

    LOW = -1, "Low: my other runs go first"
    NORMAL = 0, "Normal"
    HIGH = 1, "High: before my other runs"


class TrainingRun(models.Model):
    """One training of one adapter from a snapshot of a dataset on a base model, by a recipe that does not change."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="training_runs")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=120)
    adapter_name = models.CharField(max_length=60)  # the result becomes a version of `{owner}/{adapter_name}`
    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.PROTECT, related_name="runs")
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="training_runs")
    base_digest = models.CharField(max_length=64, blank=True)  # of the weights that were trained on
    purpose = models.CharField(max_length=20)
    trigger = models.CharField(max_length=100, blank=True)
    recipe = models.JSONField()  # TrainConfig.to_json()
    recipe_digest = models.CharField(max_length=64)
    reasons = models.JSONField(default=dict, blank=True)  # why the preset has each value; what was changed has none
    intended_use = models.CharField(max_length=40)
    gpu_class = models.CharField(max_length=30)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)

    state = models.CharField(max_length=10, default=RunState.DRAFT)
    problem = models.JSONField(default=dict, blank=True)  # code, what, why, remedy: of a failure or a stop
    wanted = models.CharField(max_length=6, blank=True)  # what the worker is asked to do at its next step

    rights = models.JSONField(default=dict)  # components, consents and sources as they were decided about
    decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    use_decision = models.ForeignKey(DecisionRecord, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    # The lease
    attempts = models.PositiveIntegerField(default=0)
    fruitless = models.PositiveIntegerField(default=0)  # attempts in a row that broke off before a new checkpoint
    worker = models.CharField(max_length=100, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    leased_at = models.DateTimeField(null=True, blank=True)  # since when the present worker holds it

    # How far it is
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField()
    checkpoint_step = models.PositiveIntegerField(default=0)
    phase = models.CharField(max_length=40, blank=True)
    phase_done = models.PositiveIntegerField(default=0)
    phase_total = models.PositiveIntegerField(default=0)
    step_seconds = models.FloatField(default=0)  # measured, the mean of the last steps
    peak_memory = models.PositiveBigIntegerField(default=0)
    warnings = models.JSONField(default=list, blank=True)  # of the overfit watch: code, step, message, facts
    proposal = models.JSONField(default=dict, blank=True)  # the checkpoint that the watch proposes: step, why
    chosen_step = models.PositiveIntegerField(null=True, blank=True)  # the one that its owner chose
    chosen_at = models.DateTimeField(null=True, blank=True)

    # The worker that writes the chosen checkpoint as an adapter
    export_token = models.UUIDField(null=True, blank=True)
    export_until = models.DateTimeField(null=True, blank=True)
    export_attempts = models.PositiveSmallIntegerField(default=0)  # in a row that broke off, of the checkpoint chosen

    # What it costs
    estimate_seconds = models.FloatField(default=0)
    estimate_memory = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)  # of use of the machine so far, earlier workers' included
    tariff = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))  # per second, when it was made
    currency = models.CharField(max_length=3, default="EUR")

    created_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="run_state_known", condition=Q(state__in=[state.value for state in RunState])),
            models.CheckConstraint(name="run_wanted_known", condition=Q(wanted__in=[one.value for one in Wanted])),
            models.CheckConstraint(name="run_priority_known", condition=Q(priority__in=Priority.values)),
            models.CheckConstraint(
                name="run_started_was_decided",
                condition=Q(state__in=["draft", "cancelled", "stopped"])
                | Q(decision__isnull=False, use_decision__isnull=False),
            ),
            models.CheckConstraint(
                name="run_held_has_a_lease",
                condition=~Q(state__in=["running", "finishing"])
                | Q(lease_token__isnull=False, lease_until__isnull=False, leased_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["gpu_class", "queued_at"], name="run_queue", condition=Q(state="queued")),
            models.Index(fields=["lease_until"], name="run_leased", condition=Q(state__in=["running", "finishing"])),
            models.Index(fields=["owner", "-created_at"], name="run_by_owner"),
            models.Index(fields=["finished_at"], name="run_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.public_id})"

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def is_held(self) -> bool:
        return self.state in HELD

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def share(self) -> float:
        """How much of the steps is done, 0 to 1."""
        return min(self.step / self.steps, 1.0) if self.steps else 0.0

    def seconds_used(self, now: datetime | None = None) -> float:
        """Seconds of use of the machine until now, the present worker's included."""
        if not self.is_held or self.leased_at is None:
            return self.seconds
        return self.seconds + max(((now or timezone.now()) - self.leased_at).total_seconds(), 0.0)

    @property
    def best_step(self) -> int | None:
        """The checkpoint that the overfit watch proposes."""
        proposal: dict[str, Any] = self.proposal
        return proposal.get("step")

    @property
    def seconds_left(self) -> float | None:
        """How long the remaining steps take at the pace that was measured, or as estimated; None once it has ended."""
        if self.has_ended:
            return None
        if self.step_seconds:
            return self.step_seconds * max(self.steps - self.step, 0)
        return self.estimate_seconds * (1 - self.share)

    @property
    def cost(self) -> Decimal:
        """What the use so far costs."""
        return _money(self.tariff, self.seconds_used())

    @property
    def estimate_cost(self) -> Decimal:
        return _money(self.tariff, self.estimate_seconds)


def _money(tariff: Decimal, seconds: float) -> Decimal:
    return (tariff * Decimal(repr(seconds))).quantize(Decimal("0.0001"))


class RunLease(models.Model):
    """One worker's time on a run: what the cost, the quotas and the fair share are worked out from."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="leases")
    worker = models.CharField(max_length=100)
    from_step = models.PositiveIntegerField(default=0)  # of the checkpoint that it went on from
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_as = models.CharField(max_length=10, blank=True)  # the state it left the run in

    class Meta:
        ordering = ["started_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["run"], condition=Q(ended_at=None), name="one_open_lease_per_run")
        ]
        indexes = [models.Index(fields=["-started_at"], name="lease_newest")]


class EventKind(models.TextChoices):
    STATE = "state", "State"
    PHASE = "phase", "Phase"
    CHECKPOINT = "checkpoint", "Checkpoint"
    SAMPLE = "sample", "Samples"
    WATCH = "watch", "Overfit watch"
    MEMORY = "memory", "Memory"
    MESSAGE = "message", "Message"
    RESULT = "result", "Result"


class Level(models.TextChoices):
    INFO = "info", "Information"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"


class RunEvent(models.Model):
    """A line of a run's log; a trigger forbids to change or remove it."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=10, choices=EventKind.choices)
    level = models.CharField(max_length=7, choices=Level.choices, default=Level.INFO)
    step = models.PositiveIntegerField(null=True, blank=True)
    text = models.CharField(max_length=1000)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(name="run_event_kind_known", condition=Q(kind__in=EventKind.values)),
            models.CheckConstraint(name="run_event_level_known", condition=Q(level__in=Level.values)),
        ]
        indexes = [models.Index(fields=["run", "id"], name="run_events")]


class PointKind(models.TextChoices):
    TRAINING = "training", "Training"
    VALIDATION = "validation", "Validation"


class RunPoint(models.Model):
    """The loss at a step. What a resumed run does once more takes the place of what was lost."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="points")
    kind = models.CharField(max_length=10, choices=PointKind.choices)
    step = models.PositiveIntegerField()
    loss = models.FloatField()
    learning_rate = models.FloatField(null=True, blank=True)
    grad_norm = models.FloatField(null=True, blank=True)
    bands = models.JSONField(default=list, blank=True)  # validation loss by band of timesteps, early to late

    class Meta:
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "kind", "step"], name="point_once"),
            models.CheckConstraint(name="point_kind_known", condition=Q(kind__in=PointKind.values)),
        ]


class RunCheckpoint(models.Model):
    """A state that the run can go on from, and that can become its result."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="checkpoints")
    step = models.PositiveIntegerField()
    path = models.CharField(max_length=300)  # in the run's folder
    size = models.PositiveBigIntegerField(default=0)
    made_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="checkpoint_once")]


class RunSample(models.Model):
    """A picture that shows how far a run is; step 0 is the base model alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="samples")
    step = models.PositiveIntegerField()
    prompt = models.CharField(max_length=600)
    template = models.CharField(max_length=500)  # the recipe's prompt, in which `{trigger}` stands for the word
    seed = models.BigIntegerField()
    with_trigger = models.BooleanField()
    storage_key = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField(default=0)  # bytes of what is stored
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["template", "seed", "-with_trigger", "step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "prompt", "seed", "with_trigger"], name="run_sample_once")
        ]


class RunFile(models.Model):
    """An adapter that was written, read back and compared: which checkpoint, which layout."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="files")
    step = models.PositiveIntegerField()
    layout = models.CharField(max_length=40)
    filename = models.CharField(max_length=255)
    storage_key = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    max_difference = models.FloatField()  # between the weights trained and those read back
    made_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True, blank=True)  # its content is gone, the row tells what there was

    class Meta:
        ordering = ["step", "layout"]
        constraints = [models.UniqueConstraint(fields=["run", "step", "layout"], name="run_file_once")]


class RunResult(models.Model):
    """A version that was made from a run: which checkpoint it is."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="results")
    version = models.OneToOneField(Version, on_delete=models.PROTECT, related_name="training_result")
    file = models.ForeignKey(RunFile, on_delete=models.PROTECT, related_name="results")
    step = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]


def problem_of(*, code: str, what: str, why: str, remedy: str) -> dict[str, Any]:
    """A problem as the row keeps it and the page shows it."""
    return {"code": code, "what": what, "why": why, "remedy": remedy}
