"""The opt-out register: who asks, what is opted out, and on whose word.

An entry is a thing that is opted out (a work, a name, an address), once, whoever says so. A claim is one source that
says so: a registration of a holder, or a list. An entry counts as long as one claim about it lives, unless a moderator
rejected it. `state` and `verified` of an entry are worked out from its claims by one service, never set elsewhere.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User


class EntryKind(models.TextChoices):
    """What can be opted out."""

    WORK = "work", "work"
    NAME = "name", "name"
    URL = "url", "address"


class ClaimState(models.TextChoices):
    """PENDING: nobody has confirmed it yet. ACTIVE: it counts. The others: it counted, or never did, and does not."""

    PENDING = "pending", "waits for confirmation"
    ACTIVE = "active", "active"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"


class Ruling(models.TextChoices):
    """What a moderator decided about an entry; it outlives new claims about the same thing."""

    NONE = "", "none yet"
    VERIFIED = "verified", "verified"
    REJECTED = "rejected", "rejected"


def _known(field: str, choices: type[models.TextChoices], name: str) -> models.CheckConstraint:
    return models.CheckConstraint(name=name, condition=Q(**{f"{field}__in": choices.values}))


class OptOutHolder(models.Model):
    """Somebody who registers: a user, or a person who is known by an e-mail address alone.

    The address is sealed; beside it stands a keyed digest, by which it is found again. After erasure neither is left.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(User, null=True, blank=True, on_delete=models.PROTECT, related_name="opt_out_holder")
    name = models.CharField(max_length=120, blank=True)
    email_sealed = models.BinaryField(null=True, blank=True)
    email_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    link_digest = models.CharField(max_length=64, blank=True, db_index=True)  # SHA-256 of the secret in the link
    link_expires_at = models.DateTimeField(null=True, blank=True)
    link_wanted_at = models.DateTimeField(null=True, blank=True)  # a link was asked for and is not sent yet
    news_at = models.DateTimeField(null=True, blank=True)  # a moderator decided, and the holder is not told yet
    blocked_at = models.DateTimeField(null=True, blank=True)  # for abuse, by a moderator
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="optout_holder_is_reachable_or_erased",
                condition=Q(user__isnull=False)
                | Q(email_digest__isnull=False, email_sealed__isnull=False)
                | Q(erased_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"holder {str(self.public_id)[:8]}"


class OptOutRegistration(models.Model):
    """What one holder sent in at one time, with the statement that they affirmed.

    Without an account it counts only when the link in the mail was followed: the address may be anybody's.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    holder = models.ForeignKey(OptOutHolder, on_delete=models.PROTECT, related_name="registrations")
    statement = models.CharField(max_length=20)  # the edition of the statement that was affirmed
    on_behalf = models.BooleanField(default=False)  # registered by somebody who acts for the rights holder
    token_digest = models.CharField(max_length=64, blank=True, db_index=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(confirmed_at=None), name="optout_unconfirmed"),
        ]

    def __str__(self) -> str:
        return f"registration {str(self.public_id)[:8]}"


class OptOutEntry(models.Model):
    """A work, a name or an address that is opted out."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=4, choices=EntryKind.choices)
    # A keyed digest of the thing itself: the same thing twice is one entry. After erasure a salted one.
    digest = models.UUIDField(unique=True)
    text = models.CharField(max_length=300, blank=True)  # the name, the address, or the title of the work
    form = models.CharField(max_length=300, blank=True)  # the name as it is compared, or the address without its host
    host = models.CharField(max_length=253, blank=True)  # of an address, in ASCII
    mononym = models.BooleanField(default=False)  # a name of one word: it counts when a moderator has verified it
    ruling = models.CharField(max_length=8, choices=Ruling.choices, blank=True)
    state = models.CharField(max_length=9, choices=ClaimState.choices, default=ClaimState.PENDING)
    verified = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    erased_salt = models.BinaryField(null=True, blank=True)

    class Meta:
        constraints = [
            _known("kind", EntryKind, "optout_entry_kind_known"),
            _known("state", ClaimState, "optout_entry_state_known"),
            _known("ruling", Ruling, "optout_entry_ruling_known"),
            models.CheckConstraint(
                name="optout_rejected_entry_does_not_count",
                condition=~Q(ruling=Ruling.REJECTED) | Q(state=ClaimState.REJECTED),
            ),
            models.CheckConstraint(
                name="optout_erased_entry_is_empty",
                condition=Q(erased_at__isnull=True) | Q(text="", form="", host=""),
            ),
        ]
        indexes = [
            models.Index(fields=["host"], condition=~Q(host=""), name="optout_by_host"),
            models.Index(fields=["form"], condition=Q(kind="name"), name="optout_by_form"),
            # What moderators look through; the rows of large lists carry no text.
            models.Index(fields=["-created_at", "-id"], condition=~Q(text=""), name="optout_told"),
            models.Index(fields=["-created_at", "-id"], name="optout_newest"),
        ]

    def __str__(self) -> str:
        return f"opt-out entry {str(self.public_id)[:8]}"


class OptOutClaim(models.Model):
    """One source that says so: where an entry comes from."""

    entry = models.ForeignKey(OptOutEntry, on_delete=models.CASCADE, related_name="claims")
    registration = models.ForeignKey(
        OptOutRegistration, null=True, blank=True, on_delete=models.CASCADE, related_name="claims"
    )
    source = models.ForeignKey("OptOutList", null=True, blank=True, on_delete=models.CASCADE, related_name="claims")
    last_import = models.BigIntegerField(default=0)  # the import in which the list named it last
    reference = models.CharField(max_length=100, blank=True)  # what the source itself calls it
    state = models.CharField(max_length=9, choices=ClaimState.choices, default=ClaimState.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            _known("state", ClaimState, "optout_claim_state_known"),
            models.CheckConstraint(
                name="optout_claim_has_one_source",
                condition=Q(registration__isnull=False, source__isnull=True)
                | Q(registration__isnull=True, source__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["source", "entry"], condition=Q(source__isnull=False), name="optout_one_claim_per_list"
            ),
            models.UniqueConstraint(
                fields=["registration", "entry"],
                condition=Q(registration__isnull=False),
                name="optout_one_claim_per_registration",
            ),
        ]


class OptOutRevision(models.Model):
    """Marks each change of what counts, per kind, in its transaction: who keeps something in memory asks for it.

    The mark is random, so that a database that was set back never shows one that stood for something else. Its row is
    locked to the end of a change.
    """

    kind = models.CharField(max_length=4, primary_key=True)
    mark = models.UUIDField(default=uuid.uuid4)
