"""Lists of opt-outs that others keep, and the report of each import."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User


class OptOutList(models.Model):
    """A source of entries by name. With an address it is fetched every night.

    A list that the operator configures or a moderator imports counts as verified: they answer for it.
    """

    name = models.CharField(max_length=80, unique=True)
    url = models.CharField(max_length=1000, blank=True)
    etag = models.CharField(max_length=300, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)  # of the file that was applied last
    checked_at = models.DateTimeField(null=True, blank=True)  # when it was last asked for, and it answered well
    applied_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)  # since when it fails; empty when it does not
    failure = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ImportState(models.TextChoices):
    WAITING = "waiting", "waits"
    RUNNING = "running", "under way"
    HELD = "held", "held for a moderator"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class OptOutImport(models.Model):
    """One file of a list, and what came of it. The row is the job: it goes on from `lines_done`."""

    source = models.ForeignKey(OptOutList, on_delete=models.PROTECT, related_name="imports")
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    filename = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=1000, blank=True)
    etag = models.CharField(max_length=300, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    complete = models.BooleanField(default=False)  # the file is the whole list: what it does not name is withdrawn
    accepted = models.BooleanField(default=False)  # a moderator accepted what held it
    sha256 = models.CharField(max_length=64, blank=True)  # empty where no file came
    size = models.BigIntegerField(default=0)
    retrieved_at = models.DateTimeField(default=timezone.now)
    path = models.CharField(max_length=300, blank=True)  # under DATA_DIR, until it is done
    format = models.CharField(max_length=5, blank=True)  # csv or jsonl
    state = models.CharField(max_length=8, choices=ImportState.choices, default=ImportState.WAITING)
    detail = models.CharField(max_length=500, blank=True)  # why it failed or is held
    lines = models.BigIntegerField(default=0)
    lines_done = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)  # in bytes, behind the last line that is done
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    withdrawn = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    problems = models.JSONField(default=list)  # the first of the refused lines: {"line", "reason"}
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(name="optout_import_state_known", condition=Q(state__in=ImportState.values)),
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=["waiting", "running", "held"]),
                name="optout_one_import_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.source}"
