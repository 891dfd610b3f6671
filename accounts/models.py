"""Users, organisations, the namespace they share, memberships and API tokens."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Replace
from django.utils import timezone

from accounts.permissions import Role

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,38}\Z"  # `$` would let a line feed follow
SLUG_MESSAGE = "Use 1 to 39 lower-case letters, digits, single hyphens, dots or underscores inside."
validate_slug = RegexValidator(SLUG_PATTERN, SLUG_MESSAGE)
SEPARATORS = "._"  # `a.b`, `a_b` and `a-b` are one name to people, so only one of them exists


def folded_slug(slug: str) -> str:
    """The slug with every separator as a hyphen."""
    return slug.translate(dict.fromkeys(map(ord, SEPARATORS), "-"))


def folded(field: str) -> Replace:
    """The same in the database."""
    dots, underscores = (Value(separator) for separator in SEPARATORS)
    return Replace(Replace(field, dots, Value("-")), underscores, Value("-"))


class User(AbstractUser):
    """A person. The username is also their namespace, so it obeys the namespace's rules."""

    username = models.CharField(max_length=39, unique=True, validators=[validate_slug])
    email = models.EmailField(unique=True)
    display_name = models.CharField(max_length=80, blank=True)
    is_moderator = models.BooleanField(default=False)

    REQUIRED_FIELDS = ["email"]

    @property
    def name(self) -> str:
        return self.display_name or self.username


class Organisation(models.Model):
    """A company, studio or group that owns adapters together."""

    display_name = models.CharField(max_length=80)
    description = models.TextField(blank=True, max_length=2000)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.display_name


class Namespace(models.Model):
    """The first part of `/{owner}/{name}`: users and organisations share one set of names."""

    slug = models.CharField(max_length=39, unique=True, validators=[validate_slug])
    user = models.OneToOneField(User, null=True, blank=True, on_delete=models.PROTECT, related_name="namespace")
    organisation = models.OneToOneField(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="namespace"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="namespace_belongs_to_exactly_one",
                condition=Q(user__isnull=False, organisation__isnull=True)
                | Q(user__isnull=True, organisation__isnull=False),
            ),
            models.UniqueConstraint(folded("slug"), name="namespace_not_confusable"),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def display_name(self) -> str:
        return self.user.name if self.user else str(self.organisation)


class RetiredName(models.Model):
    """A name whose owner was erased, as a keyed digest: nobody gets it again and passes for them."""

    digest = models.CharField(max_length=64, primary_key=True)
    retired_at = models.DateTimeField(default=timezone.now)


class Membership(models.Model):
    """One person's role in one organisation."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "organisation"], name="one_role_per_member"),
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=[role.value for role in Role])),
        ]


class ApiToken(models.Model):
    """A personal token. Only its digest is kept; the token itself is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20))
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
