"""What was brought from elsewhere: so that an import which was cut off goes on where it was."""

from django.db import models
from django.utils import timezone

from accounts.models import Namespace
from registry.models.versions import Version


class ImportedFile(models.Model):
    """One file of a source and the version made of it, written in the same transaction."""

    owner = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=300)  # a folder or an endpoint
    key = models.CharField(max_length=500)  # where it lies there
    digest = models.CharField(max_length=64)  # of its bytes: a changed file is another one
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "source", "key", "digest"], name="imported_once_per_owner")
        ]
