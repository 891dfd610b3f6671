"""What comes by the Hub protocol: objects on their way in, Xet sessions, weights that arrived, former names."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Namespace, User
from registry.models.adapters import Adapter
from registry.models.repositories import Blob, Revision
from registry.models.uploads import Upload


class ObjectTransfer(models.Model):
    """One LFS object on its way into one repository; its bytes are those of `upload`, `parts` those that arrived."""

    upload: Any
    parts: Any
    sha256 = models.CharField(max_length=64)
    part_size = models.PositiveBigIntegerField(default=0)  # 0: in one piece
    verified_at = models.DateTimeField(null=True, blank=True)  # all bytes are there, and have this SHA-256

    class Meta:
        abstract = True


class ObjectSession(models.Model):
    """Where one client's xorbs for one repository lie until they are put together; nobody else's reach there."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    size = models.PositiveBigIntegerField(default=0)  # bytes of xorbs that were let in
    expires_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class Transfer(ObjectTransfer):
    """One LFS object on its way into one adapter's repository."""

    upload = models.OneToOneField(Upload, on_delete=models.CASCADE, related_name="transfer")
    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="transfers")

    class Meta:
        indexes = [models.Index(fields=["adapter", "sha256"], name="transfer_by_content")]


class TransferPart(models.Model):
    """One part that has arrived of a transfer in several."""

    transfer = models.ForeignKey(Transfer, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    etag = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transfer", "number"], name="part_once_per_transfer"),
            models.CheckConstraint(name="part_number_from_one", condition=Q(number__gte=1)),
        ]


class XetSession(ObjectSession):
    """A session of uploads into one adapter's repository."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="xet_session_expiry")]


class Arrival(models.Model):
    """Weights that a commit brought: a version of them follows when everything is declared."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="arrivals")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="arrivals")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="arrivals")
    path = models.CharField(max_length=500)
    upload = models.OneToOneField(
        Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="arrival"
    )  # as the intake takes it
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["adapter", "blob"], name="arrival_once_per_content")]


class FormerName(models.Model):
    """An address that an adapter had: who may read the adapter is led to where it is now."""

    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="former_names")
    moved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "name"], name="former_name_unique")]
