"""Retention: what is kept only for a time, and its deletion every night, in batches, each in a transaction of its own.

A rule finds rows whose time is over and says what is left of them. Done again, it finds nothing more. A rule that fails
is logged and keeps the others from nothing; the night after tries again. docs/privacy.md tells each period.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts.models import ApiToken
from governance.services import audit_append, audited
from moderation.consent_terms import ConsentState
from moderation.models import (
    Appeal,
    CaseEvent,
    CaseEvidence,
    CaseStatus,
    Consent,
    ConsentEvidence,
    ConsentKey,
    DataExport,
    IdentityLink,
    Letter,
    Mail,
    OptOutHolder,
    OptOutRegistration,
    PictureMatch,
    PrivacyLink,
    Report,
    ScreeningCheck,
    Strike,
    Subject,
)
from moderation.services.consents import subject_erase
from moderation.services.data_erasure import erasures_finish, exports_delete
from moderation.services.erased_adapters import files_delete
from moderation.services.optout import registrations_expire
from registry.models import Upload
from registry.models.outbox import OutState, WebhookAttempt, WebhookDelivery

log = logging.getLogger(__name__)

ENDED = [OutState.SENT, OutState.FAILED, OutState.DROPPED]
NOT_GIVEN = [ConsentState.REFUSED, ConsentState.LAPSED, ConsentState.WITHDRAWN]
OVER = [ConsentState.REVOKED, ConsentState.EXPIRED, *NOT_GIVEN]

Deed = Callable[[QuerySet[Any]], object]
Due = Callable[[datetime], QuerySet[Any]]


@dataclass(frozen=True)
class Rule:
    """One kind of rows: those that are `due` (given the moment before which they must have ended), and the deed."""

    name: str
    period: str  # the setting; empty where the rows say themselves when they end
    due: Due
    deed: Deed

    @property
    def kept(self) -> timedelta:
        return getattr(settings, self.period) if self.period else timedelta(0)


def _delete(rows: QuerySet[Any]) -> object:
    return rows.delete()


def _blank(**values: Any) -> Deed:
    return lambda rows: rows.update(**values)


def _decided(before: datetime) -> Q:
    return Q(case__status=CaseStatus.DECIDED, case__decided_at__lt=before)


def _settled(before: datetime) -> Q:
    """Decided long ago, and nobody appeals any more."""
    return _decided(before) & ~Q(case__appeals__case__status__in=[CaseStatus.OPEN, CaseStatus.WAITING])


def _evidence_delete(rows: QuerySet[CaseEvidence]) -> None:
    files = list(rows.values_list("storage_key", flat=True))
    rows.delete()
    transaction.on_commit(partial(files_delete, files))


def _consent_files_delete(rows: QuerySet[ConsentEvidence]) -> None:
    """The row stays, for the events name it; without its key the file is not read again wherever a copy lies."""
    files = list(rows.values_list("storage_key", flat=True))
    rows.update(key_wrapped=None, filename_sealed=b"")
    transaction.on_commit(partial(files_delete, files))


def _consents_blank(rows: QuerySet[Consent]) -> None:
    """What the grantee wrote about somebody who gave no consent, and the keys to their page."""
    pks = list(rows.values_list("pk", flat=True))
    ConsentKey.objects.filter(consent__in=pks).delete()
    Consent.objects.filter(pk__in=pks).update(details_sealed=b"", verification_note_sealed=None)


def _exports_delete(rows: QuerySet[DataExport]) -> None:
    exports_delete(rows)


RULES = (
    Rule(
        "uploads",
        "RETENTION_UPLOADS",
        lambda before: (
            Upload.objects.filter(consumed_at__lt=before, versions__isnull=True).exclude(filename="")
            | Upload.objects.filter(consumed_at__lt=before, versions__inspected_at__isnull=False).exclude(filename="")
        ),
        _blank(filename=""),
    ),
    Rule(
        "tokens",
        "RETENTION_TOKENS",
        lambda before: ApiToken.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before)),
        _delete,
    ),
    Rule(
        "report contacts",
        "RETENTION_CONTACTS",
        lambda before: Report.objects.filter(_settled(before)).exclude(contact=b"", contact_digest=""),
        _blank(contact=b"", contact_digest=""),
    ),
    Rule(
        "appeal contacts",
        "RETENTION_CONTACTS",
        lambda before: Appeal.objects.filter(_decided(before)).exclude(contact=b""),
        _blank(contact=b""),
    ),
    Rule(
        "report texts",
        "RETENTION_CASES",
        lambda before: Report.objects.filter(_settled(before)).exclude(text="", work=""),
        _blank(text="", work=""),
    ),
    Rule(
        "case notes",
        "RETENTION_CASES",
        lambda before: CaseEvent.objects.filter(_settled(before)).exclude(text=""),
        _blank(text=""),
    ),
    Rule(
        "case evidence",
        "RETENTION_CASES",
        lambda before: CaseEvidence.objects.filter(_settled(before)).exclude(
            case__blocks__lifted_at__isnull=True, case__blocks__source__startswith="evidence:"
        ),
        _evidence_delete,
    ),
    Rule(
        "consents not given",
        "RETENTION_CONSENTS",
        lambda before: Consent.objects.filter(state__in=NOT_GIVEN, answer_by__lt=before).exclude(details_sealed=b""),
        _consents_blank,
    ),
    Rule(
        "consent evidence",
        "RETENTION_CONSENT_EVIDENCE",
        lambda before: ConsentEvidence.objects.filter(
            Q(consent__ended_at__lt=before) | Q(consent__ended_at=None, consent__answer_by__lt=before),
            consent__state__in=OVER,
            key_wrapped__isnull=False,
        ),
        _consent_files_delete,
    ),
    Rule(
        "letters",
        "RETENTION_MAILS",
        lambda before: Letter.objects.filter(state__in=ENDED, finished_at__lt=before).exclude(content=b""),
        _blank(content=b""),
    ),
    Rule(
        "mails",
        "RETENTION_MAILS",
        lambda before: Mail.objects.filter(state__in=ENDED, finished_at__lt=before, problem__gt=""),
        _blank(problem=""),
    ),
    Rule("webhook log", "RETENTION_WEBHOOKS", lambda before: WebhookAttempt.objects.filter(at__lt=before), _delete),
    Rule(
        "webhook messages",
        "RETENTION_WEBHOOKS",
        lambda before: WebhookDelivery.objects.filter(state__in=ENDED, finished_at__lt=before).exclude(body=""),
        _blank(body=""),
    ),
    Rule(
        "likeness links",
        "RETENTION_LINKS",
        lambda before: IdentityLink.objects.filter(Q(expires_at__lt=before) | Q(used_at__lt=before)),
        _delete,
    ),
    Rule(
        "privacy links",
        "RETENTION_LINKS",
        lambda before: PrivacyLink.objects.filter(expires_at__lt=before, exports__isnull=True),
        _delete,
    ),
    Rule(
        "opt-out links",
        "RETENTION_LINKS",
        lambda before: OptOutHolder.objects.filter(link_expires_at__lt=before).exclude(link_digest=""),
        _blank(link_digest=""),
    ),
    Rule(
        "confirmation links",
        "RETENTION_LINKS",
        lambda before: OptOutRegistration.objects.filter(expires_at__lt=before, confirmed_at__isnull=False).exclude(
            token_digest=""
        ),
        _blank(token_digest=""),
    ),
    Rule(
        "exports",
        "",
        lambda before: DataExport.objects.filter(
            Q(expires_at__lt=before) | Q(state="failed", finished_at__lt=before - settings.EXPORT_LIFETIME)
        ),
        _exports_delete,
    ),
    Rule(
        "check notes",
        "RETENTION_NOTES",
        lambda before: ScreeningCheck.objects.filter(finished_at__lt=before).exclude(notes=""),
        _blank(notes=""),
    ),
    Rule(
        "picture matches",
        "RETENTION_NOTES",
        lambda before: PictureMatch.objects.filter(created_at__lt=before).exclude(
            version__cases__status__in=[CaseStatus.OPEN, CaseStatus.WAITING]
        ),
        _delete,
    ),
    Rule("strikes", "RETENTION_STRIKES", lambda before: Strike.objects.filter(expires_at__lt=before), _delete),
)


def retention_enforce(*, now: datetime | None = None) -> dict[str, int]:
    """Apply every rule; how many rows each dealt with. What happened is on the audit log as counts."""
    moment = now or timezone.now()
    counts = {rule.name: _safely(rule.name, partial(_apply, rule, moment - rule.kept)) for rule in RULES}
    others: dict[str, Callable[[], int]] = {
        "opt-outs not confirmed": partial(registrations_expire, now=moment),
        "subjects": partial(_subjects_forget, moment - settings.RETENTION_CONSENTS),
        "throttle counters": partial(_cache_tidy, moment),
        "sessions": _sessions_tidy,
        "erasures finished": erasures_finish,
    }
    counts |= {name: _safely(name, deed) for name, deed in others.items()}
    done = {name: count for name, count in counts.items() if count}
    if done:
        _tell(done)
    log.info("Retention: %s", done or "nothing was due")
    return counts


@audited()
def _tell(done: dict[str, int]) -> None:
    audit_append(actor=None, action="privacy.retention", subject=("moderation.retention", "nightly"), data=done)


def _safely(name: str, deed: Callable[[], int]) -> int:
    """One rule that fails does not keep the others from being enforced; -1 says so."""
    try:
        return deed()
    except (DatabaseError, OSError):
        log.exception("Retention of %s failed; it is tried again the next night.", name)
        return -1


def _apply(rule: Rule, before: datetime) -> int:
    done = 0
    while batch := _batch(rule, before):
        done += batch
        if batch < settings.RETENTION_BATCH:
            break
    return done


@transaction.atomic
def _batch(rule: Rule, before: datetime) -> int:
    rows = rule.due(before).order_by("pk").distinct()
    model: type[Model] = rows.model
    pks = list(rows.values_list("pk", flat=True)[: settings.RETENTION_BATCH])
    if pks:
        rule.deed(model._default_manager.filter(pk__in=pks))
    return len(pks)


def _subjects_forget(before: datetime) -> int:
    """The address of somebody who was asked and gave no consent; of who wants no requests the digest stays for that."""
    given = Consent.objects.exclude(state__in=NOT_GIVEN, answer_by__lt=before)
    asked = Subject.objects.filter(erased_at=None, consents__isnull=False).exclude(consents__in=given)
    over = list(asked.exclude(email_sealed=b"").distinct()[: settings.RETENTION_BATCH])
    for subject in over:
        if subject.declines_requests:
            Subject.objects.filter(pk=subject.pk).update(email_sealed=b"")
        else:
            subject_erase(subject=subject)
    return len(over)


def _cache_tidy(now: datetime) -> int:
    """Counters of addresses that ran out, where the cache is a table; another cache forgets by itself."""
    cache = settings.CACHES["default"]
    if not str(cache["BACKEND"]).endswith("DatabaseCache"):
        return 0
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(str(cache["LOCATION"]))
        cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [now])
        return int(cursor.rowcount)


def _sessions_tidy() -> int:
    from django.contrib.sessions.models import Session

    before = Session.objects.count()
    call_command("clearsessions")
    return before - Session.objects.count()
