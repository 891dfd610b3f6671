"""Adapters and their tags. What search needs lies on the adapter itself, copied from its newest published version."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Namespace, User
from registry.models.bases import BaseModel

LISTED = Q(listed=True)
# The sort by rating counts everybody's stars together with this many imagined ones of this height.
RATING_PRIOR, RATING_PRIOR_WEIGHT = 3.0, 5


class Visibility(models.TextChoices):
    PUBLIC = "public", "Everybody"
    ORGANISATION = "organisation", "Members of the organisation"
    PRIVATE = "private", "Only the owner"


class ContentLevel(models.TextChoices):
    GENERAL = "general", "General"
    SUGGESTIVE = "suggestive", "Suggestive"
    MATURE = "mature", "Mature"


class Access(models.TextChoices):
    """Who may pass the gate at all; its question about the use comes after."""

    TERMS = "terms", "Everybody who accepts the terms"
    GRANTED = "granted", "Those whom the owner lets in"


class Boxed(models.Func):
    """A column as a list of one, which an inverted index can hold beside words and tags."""

    template = "(ARRAY[%(expressions)s])"


class Tag(models.Model):
    name = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.name


class Adapter(models.Model):
    """An adapter under `/{owner}/{name}`: a line of versions, and a repository of revisions."""

    owner = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="adapters")
    name = models.CharField(max_length=60)
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=20_000)
    visibility = models.CharField(max_length=12, choices=Visibility.choices, default=Visibility.PUBLIC)
    content_level = models.CharField(max_length=10, choices=ContentLevel.choices, default=ContentLevel.GENERAL)
    access = models.CharField(max_length=7, choices=Access.choices, default=Access.TERMS)
    discussions_on = models.BooleanField(default=True)  # whether people may discuss it on its pages
    tags = models.ManyToManyField(Tag, blank=True, related_name="adapters")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)  # as a repository; notices of what was public stay

    # Copied from the newest published version when it is published, for search and the cards.
    listed = models.BooleanField(default=False)  # public and something is published
    latest = models.ForeignKey("registry.Version", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)
    base_model = models.ForeignKey(BaseModel, null=True, blank=True, on_delete=models.PROTECT, related_name="adapters")
    family = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    licence_id = models.CharField(max_length=80, blank=True)
    trigger_words = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    tag_names = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    permitted_uses = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    thumbnail = models.CharField(max_length=300, blank=True)
    download_count = models.PositiveBigIntegerField(default=0)
    rating = models.FloatField(default=0)  # the weighed mean that the sort uses; 0 where nobody rated
    rating_count = models.PositiveIntegerField(default=0)
    search = SearchVectorField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="adapter_name_unique_per_owner"),
            models.CheckConstraint(
                name="adapter_listed_is_public_and_published",
                condition=Q(listed=False) | Q(visibility="public", published_at__isnull=False),
            ),
            models.CheckConstraint(name="adapter_access_known", condition=Q(access__in=["terms", "granted"])),
        ]
        indexes = [
            # One index for words and choices together: it finds what has all of them without looking at what has one.
            # Without the list of pending entries, which every search would read through.
            GinIndex(
                F("search"),
                F("tag_names"),
                F("permitted_uses"),
                Boxed("family"),
                Boxed("kind"),
                Boxed("content_level"),
                Boxed("owner_id"),
                Boxed("base_model_id"),
                name="adapter_matches",
                fastupdate=False,
            ),
            models.Index(F("published_at").desc(), F("id").desc(), name="adapter_newest", condition=LISTED),
            models.Index(F("download_count").desc(), F("id").desc(), name="adapter_downloads", condition=LISTED),
            models.Index(F("rating").desc(), F("id").desc(), name="adapter_rating", condition=LISTED),
            models.Index("family", F("published_at").desc(), F("id").desc(), name="adapter_family", condition=LISTED),
            models.Index("kind", F("published_at").desc(), F("id").desc(), name="adapter_kind", condition=LISTED),
            # With all that the sorts and the visibility of what only some people see need: no row is read for it.
            models.Index(
                fields=["owner", "-published_at", "-id"],
                include=["visibility", "created_by", "latest", "download_count", "rating"],
                name="adapter_inside",
                condition=Q(listed=False),
            ),
            models.Index("owner", F("published_at").desc(), F("id").desc(), name="adapter_owner", condition=LISTED),
        ]

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def mean_stars(self) -> float | None:
        """The plain mean of the stars given: `rating` without its prior; None where nobody rated."""
        if not self.rating_count:
            return None
        total = self.rating * (RATING_PRIOR_WEIGHT + self.rating_count) - RATING_PRIOR_WEIGHT * RATING_PRIOR
        return total / self.rating_count
