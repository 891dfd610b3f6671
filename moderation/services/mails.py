"""Mails: queued inside the transaction that they tell of, each once by its key; a worker writes and sends them."""

from collections.abc import Iterable

from django.db import transaction

from accounts.models import User
from moderation.models.consent import Consent, Subject
from moderation.models.outbox import Mail, MailKind
from moderation.signals import mail_queued
from registry.models.outbox import OutState


def mail_queue(
    *, key: str, kind: MailKind, consent: Consent, user: User | None = None, subject: Subject | None = None
) -> None:
    """Queue one mail about a consent; under a key that is there already, nothing happens."""
    mails_queue([Mail(key=key, kind=kind, consent=consent, user=user, subject=subject)])


def mails_queue(mails: Iterable[Mail]) -> None:
    """Queue mails, each once by its key; a worker hears of them when the transaction commits."""
    keys = [mail.key for mail in Mail.objects.bulk_create(mails, ignore_conflicts=True)]
    transaction.on_commit(lambda: _tell(keys), robust=True)


def _tell(keys: list[str]) -> None:
    for pk in Mail.objects.filter(key__in=keys, state=OutState.QUEUED).values_list("pk", flat=True):
        mail_queued.send(sender=Mail, mail_id=pk)
