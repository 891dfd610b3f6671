"""What is under way into a dataset by the Hub protocol: objects, their parts, Xet sessions."""

from django.db import models
from django.db.models import Q

from registry.models import Upload
from registry.models.transfers import ObjectSession, ObjectTransfer
from training.models.datasets import Dataset


class DatasetTransfer(ObjectTransfer):
    """One LFS object on its way into one dataset."""

    upload = models.OneToOneField(Upload, on_delete=models.CASCADE, related_name="dataset_transfer")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="transfers")

    class Meta:
        indexes = [models.Index(fields=["dataset", "sha256"], name="dataset_transfer_by_content")]


class DatasetTransferPart(models.Model):
    """One part that has arrived of a transfer in several."""

    transfer = models.ForeignKey(DatasetTransfer, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    etag = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transfer", "number"], name="part_once_per_dataset_transfer"),
            models.CheckConstraint(name="dataset_part_number_from_one", condition=Q(number__gte=1)),
        ]


class DatasetXetSession(ObjectSession):
    """A session of uploads into one dataset."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="dataset_xet_session_expiry")]
