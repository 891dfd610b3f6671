"""Protected identities: people who had their faces enrolled, the sealed templates, and the proofs of their deletion.

A template is biometric data. It stands here as ciphertext alone, under the key of its identity, which is itself wrapped
under the installation's keys (`registry.sealing`); services open it for the moment of a comparison. No row shows its
bytes, or the address of a person, when it is printed or logged.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User

SHORT = 120  # characters of a name


class IdentityStatus(models.TextChoices):
    INVITED = "invited", "invited"  # a link is out; nothing is enrolled
    ENROLLED = "enrolled", "enrolled"
    WITHDRAWN = "withdrawn", "withdrawn"


class ActsAs(models.TextChoices):
    """Who consents: the person, or somebody the law lets consent for them."""

    SELF = "self", "I am this person"
    GUARDIAN = "guardian", "I am a parent or legal guardian"
    ESTATE = "estate", "I act for the estate of a person who has died"
    AGENT = "agent", "The person has given me written authority"


class ProtectedIdentity(models.Model):
    """A person whose face is compared with what is uploaded, because they asked for it.

    `verified_at` says that a moderator has made sure that who enrolled may do so. What a match leads to, with and
    without that, is the policy's to say.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    status = models.CharField(max_length=9, choices=IdentityStatus.choices, default=IdentityStatus.INVITED)
    name = models.CharField(max_length=SHORT, blank=True)  # empty once erased
    aliases = ArrayField(models.CharField(max_length=SHORT), default=list, blank=True)
    acts_as = models.CharField(max_length=8, choices=ActsAs.choices, blank=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="identities")
    email_sealed = models.BinaryField(null=True)
    email_digest = models.CharField(max_length=64, blank=True, db_index=True)  # of `contacts`: the same as a Subject's
    key_wrapped = models.BinaryField(null=True)  # the identity's own key, wrapped; destroyed with the templates
    consent_edition = models.CharField(max_length=20, blank=True)
    consent_sha256 = models.CharField(max_length=64, blank=True)
    consented_at = models.DateTimeField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="identity_status_holds",
                condition=Q(status="invited", consented_at__isnull=True, withdrawn_at__isnull=True)
                | Q(status="enrolled", consented_at__isnull=False, key_wrapped__isnull=False, withdrawn_at__isnull=True)
                | Q(status="withdrawn", key_wrapped__isnull=True, withdrawn_at__isnull=False),
            ),
            models.CheckConstraint(
                name="identity_verified_by_somebody",
                condition=Q(verified_at__isnull=True, verified_by__isnull=True)
                | Q(verified_at__isnull=False, verified_by__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["status", "-created_at"], name="identity_by_status")]

    def __str__(self) -> str:
        return f"identity {self.public_id}"

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


class IdentityLink(models.Model):
    """What lets somebody without an account act for one identity. The token is in the link alone, its digest here."""

    class Purpose(models.TextChoices):
        ENROL = "enrol", "enrol once"
        MANAGE = "manage", "see the status and withdraw"

    identity = models.ForeignKey(ProtectedIdentity, on_delete=models.CASCADE, related_name="links")
    purpose = models.CharField(max_length=6, choices=Purpose.choices)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="identity_link_purpose_holds",
                condition=Q(purpose="enrol", expires_at__isnull=False) | Q(purpose="manage"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} link of identity {self.identity_id}"


class FaceTemplate(models.Model):
    """One enrolled face: ciphertext, and what has to be known to compare it. `model` says which reader made it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    identity = models.ForeignKey(ProtectedIdentity, on_delete=models.PROTECT, related_name="templates")
    ciphertext = models.BinaryField()
    key_id = models.CharField(max_length=16)
    model = models.CharField(max_length=80)
    consent_reference = models.CharField(max_length=SHORT)
    face_size = models.PositiveIntegerField()  # pixels, of the picture it was made from
    sharpness = models.FloatField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(name="template_under_a_consent", condition=~Q(consent_reference="")),
        ]

    def __str__(self) -> str:
        return f"template {self.public_id}"


class EnrolmentState(models.TextChoices):
    WAITING = "waiting", "waits to be read"
    TAKEN = "taken", "read; the picture is gone"
    REFUSED = "refused", "not usable; the picture is gone"


class EnrolmentPicture(models.Model):
    """A picture on its way to a template: sealed while it waits for a worker, gone once it was read."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    identity = models.ForeignKey(ProtectedIdentity, on_delete=models.PROTECT, related_name="pictures")
    state = models.CharField(max_length=7, choices=EnrolmentState.choices, default=EnrolmentState.WAITING)
    sealed = models.BinaryField(null=True)
    reason = models.CharField(max_length=300, blank=True)  # why it could not be used, and what to do
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="enrolment_picture_kept_only_while_it_waits",
                condition=Q(state="waiting", sealed__isnull=False)
                | Q(state__in=["taken", "refused"], sealed__isnull=True, read_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="enrolment_waiting", condition=Q(state="waiting"))]

    def __str__(self) -> str:
        return f"enrolment picture {self.public_id}"


class DeletionVia(models.TextChoices):
    ACCOUNT = "account", "the account that enrolled"
    LINK = "link", "the personal link"
    MODERATOR = "moderator", "a moderator"
    RETENTION = "retention", "the retention period"


class DeletionProof(models.Model):
    """That templates were deleted: which, when, by whom, and a digest of what stood there. Never changed or removed.

    `digest` is the SHA-256 of the salt and of the SHA-256 of each ciphertext, in the order of `templates`. Whoever has
    a copy of the ciphertexts, such as an old backup, can show by it that they are what was deleted. It says nothing
    about a face.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    identity_ref = models.UUIDField()  # no foreign key: it outlives the identity
    templates = ArrayField(models.CharField(max_length=36), default=list)  # their public ids
    count = models.PositiveIntegerField()
    key_id = models.CharField(max_length=16, blank=True)  # of the destroyed key
    salt = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    via = models.CharField(max_length=9, choices=DeletionVia.choices)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    deleted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-deleted_at", "-pk"]
        indexes = [models.Index(fields=["identity_ref", "-deleted_at"], name="proof_by_identity")]

    def __str__(self) -> str:
        return f"deletion {self.public_id}"
