"""Consent records: who is asked, what they allow whom, how that was verified, and what rests on it.

Names and addresses of people are sealed. What the audit log and the events keep about them is ids and codes.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Organisation, User
from moderation.consent_terms import MEANINGS, ConsentScope, ConsentState, EndReason, Terms, Verification
from registry.models import Version


class SubjectKind(models.TextChoices):
    PERSON = "person", "a person, for their likeness"
    ARTIST = "artist", "an artist, for a body of work"


class Subject(models.Model):
    """Whose consent is asked, with or without an account; their address is sealed, and found by its digest."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email_sealed = models.BinaryField()
    email_digest = models.CharField(max_length=64, unique=True)
    declines_requests = models.BooleanField(default=False)  # they asked not to be asked again: no mail goes out
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"subject {str(self.public_id)[:8]}"


class Consent(models.Model):
    """One subject's consent to one grantee: what was asked, and what holds now."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="consents")
    kind = models.CharField(max_length=6, choices=SubjectKind.choices)
    details_sealed = models.BinaryField()  # JSON: name, work, message, as the grantee wrote them
    grantee_user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="consents_held"
    )
    grantee_organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="consents_held"
    )
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    asked = models.JSONField()  # the terms of the request, as Terms.to_json writes them
    answer_by = models.DateTimeField()
    state = models.CharField(max_length=9, default=ConsentState.ASKED)

    # The terms that hold: those of the request until the subject answers.
    scopes = ArrayField(models.CharField(max_length=14))
    adapters = ArrayField(models.CharField(max_length=101), default=list, blank=True)  # owner/name; none: every one
    territories = ArrayField(models.CharField(max_length=2), default=list, blank=True)  # none: everywhere
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)

    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=7, blank=True)
    verification = models.CharField(max_length=9, default=Verification.NONE)
    verified_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    verified_at = models.DateTimeField(null=True, blank=True)
    verification_note_sealed = models.BinaryField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="consent_has_exactly_one_grantee",
                condition=Q(grantee_user__isnull=False, grantee_organisation__isnull=True)
                | Q(grantee_user__isnull=True, grantee_organisation__isnull=False),
            ),
            models.CheckConstraint(
                name="consent_state_known", condition=Q(state__in=[state.value for state in ConsentState])
            ),
            models.CheckConstraint(
                name="consent_scopes_known",
                condition=Q(scopes__contained_by=[scope.value for scope in ConsentScope]) & ~Q(scopes=[]),
            ),
            models.CheckConstraint(
                name="consent_granted_was_answered",
                condition=~Q(state="granted")
                | Q(answered_at__isnull=False, valid_from__isnull=False, ended_at__isnull=True, end_reason=""),
            ),
            models.CheckConstraint(
                name="consent_ended_says_why",
                condition=~Q(state__in=["revoked", "expired"])
                | Q(ended_at__isnull=False, end_reason__in=[reason.value for reason in EndReason]),
            ),
            models.CheckConstraint(
                name="consent_verification_known",
                condition=Q(verification__in=[method.value for method in Verification]),
            ),
        ]
        indexes = [
            models.Index(fields=["grantee_user", "subject"], name="consent_of_user", condition=Q(state="granted")),
            models.Index(
                fields=["grantee_organisation", "subject"], name="consent_of_group", condition=Q(state="granted")
            ),
            models.Index(fields=["valid_until"], name="consent_ending", condition=Q(state="granted")),
            models.Index(fields=["answer_by"], name="consent_lapsing", condition=Q(state="asked")),
        ]

    def __str__(self) -> str:
        return f"consent {str(self.public_id)[:8]}"

    @property
    def terms(self) -> Terms:
        """What holds, or is asked while nobody answered."""
        return Terms(
            scopes=frozenset(ConsentScope(scope) for scope in self.scopes),
            adapters=frozenset(self.adapters),
            territories=frozenset(self.territories),
            until=self.valid_until,
        )

    @property
    def asked_terms(self) -> Terms:
        return Terms.from_json(self.asked)

    @property
    def grantee_name(self) -> str:
        """Under which name the grantee is known here."""
        if self.grantee_organisation is not None:
            return str(self.grantee_organisation)
        assert self.grantee_user is not None
        return self.grantee_user.name

    @property
    def meaning(self) -> str:
        return MEANINGS[ConsentState(self.state)]


class ConsentKey(models.Model):
    """A secret that opens the subject's page; only its SHA-256 is kept. Each letter to them carries one of its own."""

    consent = models.ForeignKey(Consent, on_delete=models.CASCADE, related_name="keys")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)


class ConsentEventKind(models.TextChoices):
    ASKED = "asked", "asked for"
    GRANTED = "granted", "granted"
    NARROWED = "narrowed", "narrowed"
    REFUSED = "refused", "refused"
    REVOKED = "revoked", "revoked"
    EXPIRED = "expired", "ran out"
    WITHDRAWN = "withdrawn", "request taken back"
    LAPSED = "lapsed", "not answered in time"
    VERIFIED = "verified", "verified"
    EVIDENCE = "evidence", "evidence added"
    LINKED = "linked", "linked to a version"
    RELEASED = "released", "link to a version ended"
    RESTORED = "restored", "restored by a moderator"
    ERASED = "erased", "personal data erased"


class ConsentEvent(models.Model):
    """What happened to a consent, in order; a trigger forbids to change or remove it. Holds no personal data."""

    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=9, choices=ConsentEventKind.choices)
    by = models.CharField(max_length=9)  # subject, grantee, moderator or house
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "pk"]


class ConsentEvidence(models.Model):
    """A file that shows the consent, sealed at rest under a key of its own; without the key nobody reads it again."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="evidence")
    by = models.CharField(max_length=9)  # subject or grantee
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    filename_sealed = models.BinaryField()
    content_type = models.CharField(max_length=40)
    size = models.PositiveBigIntegerField()  # bytes before sealing
    key_wrapped = models.BinaryField(null=True)
    storage_key = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "pk"]


class ConsentLink(models.Model):
    """A version rests on a consent: when that ends and no other takes its place, the version is held back."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="consent_links")
    consent = models.ForeignKey(Consent, on_delete=models.PROTECT, related_name="links")
    linked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    linked_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    release_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "consent"], condition=Q(released_at=None), name="consent_linked_once"
            )
        ]
