"""Uploads on their way in, resumable by the tus protocol."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Namespace, User


class Upload(models.Model):
    """Bytes that arrive in pieces; `offset` is what has been written and flushed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="uploads")
    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="uploads")
    filename = models.CharField(max_length=255)
    length = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(name="upload_offset_within_length", condition=Q(offset__lte=F("length")))]

    @property
    def is_complete(self) -> bool:
        return self.offset == self.length
