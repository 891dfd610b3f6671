"""Reports from anyone: taken with what the law asks for, answered with a tracking link, taken back by their sender."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from governance.services import audited
from moderation.contacts import email_cleaned, email_digest
from moderation.errors import NoticeIncomplete
from moderation.models import Case, CaseKind, CaseSource, EventKind, Report
from moderation.notices import EDITION, NOTICES, NoticeRule
from moderation.services.cases import case_locked, case_open, case_touched
from moderation.services.evidence import Upload, evidence_add
from moderation.services.history import case_log
from moderation.services.people import Contact, contact_sealed
from moderation.services.post import letter_write
from moderation.throttling import count_or_refuse
from registry.models import DiscussionComment, Version

NOBODY = Contact()


@dataclass(frozen=True)
class Notice:
    """A report as it was sent in. `sworn` are the codes of the statements that were affirmed."""

    kind: CaseKind
    text: str
    work: str = ""
    comment: DiscussionComment | None = None  # of the version's adapter, where that is what is reported
    contact: Contact = NOBODY
    sworn: tuple[str, ...] = ()


def token_digest(token: str) -> str:
    """SHA-256 of a tracking link's secret: what is kept of it for looking it up."""
    return hashlib.sha256(token.encode()).hexdigest()


def missing_fields(rule: NoticeRule, given: dict[str, str], sworn: Sequence[str]) -> dict[str, str]:
    """What a notice still needs, by field; empty when it is complete."""
    errors = {name: "This is needed." for name in ("text", *rule.required) if not given.get(name, "").strip()}
    if set(rule.statements) - set(sworn):
        errors["sworn"] = "Affirm every statement."
    return errors


def report_submit(
    *, version: Version, notice: Notice, address: str, account: User | None = None, files: Sequence[Upload] = ()
) -> tuple[Report, str]:
    """Take a report and open (or add to) its case; the report with the secret of its tracking link.

    `address` is where it comes from, counted and not kept. Raises NoticeIncomplete, EvidenceRefused, TooManyRequests.
    """
    rule = NOTICES[notice.kind.value]
    given = {**vars(notice.contact), "text": notice.text, "work": notice.work}
    if errors := missing_fields(rule, given, notice.sworn):
        raise NoticeIncomplete("The notice lacks what it needs to be acted upon.", errors=errors)
    count_or_refuse(what="report", who=f"address {address}", limit=settings.REPORTS_PER_ADDRESS)
    for who in (f"account {account.pk}" if account else "", email_cleaned(notice.contact.email)):
        if who:
            count_or_refuse(what="report", who=who, limit=settings.REPORTS_PER_PERSON)
    return _taken(version, notice, account, files)


@audited()
def _taken(version: Version, notice: Notice, account: User | None, files: Sequence[Upload]) -> tuple[Report, str]:
    summary = f"Reported: {NOTICES[notice.kind.value].label}{' (a comment)' if notice.comment else ''}"
    case = case_open(kind=notice.kind, version=version, source=CaseSource.REPORT, summary=summary)
    token = secrets.token_urlsafe(32)
    report = Report(
        case=case,
        kind=notice.kind,
        version=version,
        comment=notice.comment,
        account=account,
        text=notice.text,
        work=notice.work,
        sworn=list(notice.sworn),
        sworn_edition=EDITION if notice.sworn else "",
        token_digest=token_digest(token),
    )
    if not notice.contact.is_empty:
        report.contact = contact_sealed(replace(notice.contact, token=token), of=report)
    if notice.contact.email:
        report.contact_digest = email_digest(notice.contact.email)
    report.save(force_insert=True)
    case_touched(case)
    data = {"report": str(report.public_id), "sworn": report.sworn, "edition": report.sworn_edition}
    case_log(case=case, kind=EventKind.REPORTED, actor=account, data=data)
    for upload in files:
        evidence_add(case=case, upload=upload, actor=account)
    _acknowledge(report, notice.contact, token)
    return report, token


def _acknowledge(report: Report, contact: Contact, token: str) -> None:
    """The receipt (DSA, Article 16(4)); without an address the page that follows shows the same."""
    letter_write(
        key=f"receipt:{report.public_id}",
        to=contact.email,
        subject=f"Your report about {report.version}",
        template="receipt.txt",
        context={
            "report": report,
            "rule": NOTICES[report.kind],
            "due_at": report.case.due_at,
            "url": f"{settings.PUBLIC_URL}{reverse('report_track', args=[token])}",
        },
    )


def report_by_token(token: str) -> Report:
    """The report that a tracking link opens; raises NotFound."""
    related = ("case__version__adapter__owner", "case__decision", "version__adapter__owner")
    found = Report.objects.select_related(*related).filter(token_digest=token_digest(token)).first()
    if found is None:
        raise NotFound("There is no report behind this link.")
    return found


@audited()
def report_retract(*, report: Report) -> Case:
    """Its sender takes a report back; what it set going is still decided by a person."""
    case = case_locked(report.case)
    report = Report.objects.select_for_update(no_key=True).get(pk=report.pk)
    if report.retracted_at is None:
        report.retracted_at = timezone.now()
        report.save(update_fields=["retracted_at"])
        case_touched(case)
        case_log(case=case, kind=EventKind.RETRACTED, actor=None, data={"report": str(report.public_id)})
    return case
