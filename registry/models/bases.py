"""The catalogue of base models that adapters are made for."""

from django.db import models


class BaseModel(models.Model):
    """One base model: its family, its licence as asserted by whom, and where its weights come from."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=100)
    family = models.CharField(max_length=40)
    licence_id = models.CharField(max_length=80)
    licence_asserted_by = models.CharField(max_length=200)
    weights_source = models.CharField(max_length=300)
    derived_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    note = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]

    def __str__(self) -> str:
        return self.name
