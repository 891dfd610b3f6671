"""What people say to each other about an adapter: discussions, their comments, and what else happened in them."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from registry.models.adapters import Adapter

TITLE_MOST, TEXT_MOST = 200, 10_000  # characters


class DiscussionStatus(models.TextChoices):
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


class Discussion(models.Model):
    """One discussion of an adapter. Its number is the adapter's own, counted without gaps; it is never deleted."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="discussions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=TITLE_MOST)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="discussions")
    status = models.CharField(max_length=6, choices=DiscussionStatus.choices, default=DiscussionStatus.OPEN)
    comment_count = models.PositiveIntegerField(default=0)  # and the position of the newest comment
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)  # since then only the adapter's maintainers write

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adapter", "number"], name="discussion_number_once_per_adapter"),
            models.CheckConstraint(name="discussion_status_known", condition=Q(status__in=DiscussionStatus.values)),
            models.CheckConstraint(
                name="discussion_closed_says_when",
                condition=Q(status="open", closed_at__isnull=True) | Q(status="closed", closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index("adapter", "status", F("created_at").desc(), F("id").desc(), name="discussion_of_adapter"),
            models.Index(fields=["author", "created_at"], name="discussion_by_author"),
        ]

    def __str__(self) -> str:
        return f"{self.adapter} #{self.number}"


class DiscussionComment(models.Model):
    """One comment. The first of a discussion, at position 1, is what it was opened with."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    discussion = models.ForeignKey(Discussion, on_delete=models.PROTECT, related_name="comments")
    position = models.PositiveIntegerField()  # gap-free, so that pages of comments never shift
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="discussion_comments")
    text = models.TextField(max_length=TEXT_MOST, blank=True)  # Markdown; empty once its author's account is erased
    html = models.TextField(blank=True)  # rendered when it was written: hostile Markdown takes long to
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(null=True, blank=True)
    hidden_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    hidden_reason = models.TextField(max_length=2000, blank=True)  # everybody reads it in the comment's place

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["discussion", "position"], name="comment_position_once_per_discussion"),
            models.CheckConstraint(
                name="comment_hidden_says_by_whom_and_why",
                condition=Q(hidden_at__isnull=True, hidden_by__isnull=True, hidden_reason="")
                | Q(hidden_at__isnull=False, hidden_by__isnull=False) & ~Q(hidden_reason=""),
            ),
        ]
        indexes = [models.Index(fields=["author", "created_at"], name="comment_by_author")]

    @property
    def is_erased(self) -> bool:
        """Whether its text went with its author's account."""
        return not self.text


class DiscussionEventKind(models.TextChoices):
    TITLE = "title-change", "Title changed"
    STATUS = "status-change", "Status changed"
    LOCK = "locking-change", "Locked or unlocked"


class DiscussionEvent(models.Model):
    """What happened in a discussion besides comments. `before` and `after` are titles, statuses, or locked/unlocked."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    discussion = models.ForeignKey(Discussion, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=14, choices=DiscussionEventKind.choices)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    before = models.CharField(max_length=TITLE_MOST)
    after = models.CharField(max_length=TITLE_MOST)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "pk"]
        constraints = [
            models.CheckConstraint(name="discussion_event_known", condition=Q(kind__in=DiscussionEventKind.values)),
        ]
        indexes = [
            models.Index(fields=["discussion", "at"], name="discussion_event_in_order"),
            models.Index(fields=["by", "at"], name="discussion_event_by"),
        ]
