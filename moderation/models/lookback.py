"""Looking back: what the register got newly is compared with what is online already, and with what waits to be checked.

`Newcomer` and `ScreeningWanted` are written by triggers in the transaction of the change itself, so that nothing that
writes can forget them, and nobody sees them before the change.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from moderation.models.screening import Round
from registry.models import Version


class LookbackState(models.TextChoices):
    QUEUED = "queued", "waits"
    RUNNING = "running", "under way"
    DONE = "done", "done"


LOOKING = [LookbackState.QUEUED.value, LookbackState.RUNNING.value]


class Lookback(models.Model):
    """One pass over every version for the newcomers that it claimed. The row is the job: it goes on behind `after`."""

    id = models.BigAutoField(primary_key=True)
    state = models.CharField(max_length=7, choices=LookbackState.choices, default=LookbackState.QUEUED)
    entries = models.PositiveIntegerField(default=0)  # of the opt-out register
    identities = models.PositiveIntegerField(default=0)
    blocks = models.PositiveIntegerField(default=0)
    after = models.BigIntegerField(default=0)  # the version that was looked at last
    upto = models.BigIntegerField(default=0)  # what came later was compared with the register as it came
    versions = models.PositiveBigIntegerField(default=0)  # to be looked at
    looked = models.PositiveBigIntegerField(default=0)
    pictures = models.PositiveBigIntegerField(default=0)
    found = models.PositiveBigIntegerField(default=0)  # versions whose checks are repeated
    attempts = models.PositiveIntegerField(default=0)  # since it last got on
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(name="lookback_state_known", condition=Q(state__in=LookbackState.values))]
        indexes = [models.Index(fields=["lease_until"], name="lookback_unfinished", condition=Q(state__in=LOOKING))]

    def __str__(self) -> str:
        return f"look back {self.pk}"

    @property
    def share(self) -> int:
        """How much of it is done, in per cent."""
        return 100 if self.state == LookbackState.DONE else min(99, 100 * self.looked // max(self.versions, 1))


class NewcomerKind(models.TextChoices):
    ENTRY = "entry", "opt-out entry"
    IDENTITY = "identity", "protected identity"
    BLOCK = "block", "removed picture"


class Newcomer(models.Model):
    """Something that counts since now: `ref` is the key of an opt-out entry, a protected identity or a block."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=NewcomerKind.choices)
    ref = models.BigIntegerField()
    lookback = models.ForeignKey(Lookback, null=True, blank=True, on_delete=models.CASCADE, related_name="newcomers")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(name="newcomer_kind_known", condition=Q(kind__in=NewcomerKind.values))]
        indexes = [models.Index(fields=["id"], name="newcomer_waiting", condition=Q(lookback=None))]


class ScreeningWanted(models.Model):
    """A version to be checked (again) by a screening that begins after this row was committed; then the row goes."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="screenings_wanted")
    round = models.CharField(max_length=8, choices=Round.choices)
    lookback = models.ForeignKey(Lookback, null=True, blank=True, on_delete=models.CASCADE, related_name="hits")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(name="screening_wanted_round_known", condition=Q(round__in=Round.values)),
            models.UniqueConstraint(
                fields=["lookback", "version"], condition=Q(lookback__isnull=False), name="wanted_once_per_lookback"
            ),
        ]


class PictureTrace(models.Model):
    """What was worked out of a picture of a version, by which works that come later are found in it (a `Trace`).

    Written before the picture is compared with the register: an entry that the comparison misses finds the trace.
    `faces` is how many faces were found; no face itself is kept, since nobody in the picture consented to that.
    """

    id = models.BigAutoField(primary_key=True)
    picture = models.CharField(max_length=60, unique=True)  # sample:<uuid> or image:<uuid>
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="traces")
    sent = models.BinaryField()  # SHA-256 of the file as it was sent
    content = models.BinaryField()  # SHA-256 of the file that was looked at
    hashes = models.BinaryField()
    described = models.BinaryField()
    faces = models.PositiveSmallIntegerField(null=True, blank=True)  # empty where nobody has looked for them
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
