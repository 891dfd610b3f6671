"""Appeals: by the uploader's side against a restriction, by a reporter against its absence; decided by somebody else.

An appeal is a case in the same queue, which bars who took the decision. A counter-notice is an appeal with sworn
statements against a removal for rights infringement; what was removed is put back after ten business days at the
earliest, unless the notice is taken back before (17 U.S.C. 512(g)(2)).
"""

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from governance.services import audited
from moderation.errors import DecisionRefused, NoAppeal, NoticeIncomplete
from moderation.models import Appeal, AppealSide, Case, CaseKind, CaseOutcome, CaseSource, CaseStatus, EventKind, Report
from moderation.notices import COUNTER_NOTICE, EDITION
from moderation.services.blocks import blocks_lift
from moderation.services.cases import case_open
from moderation.services.history import case_log
from moderation.services.people import Contact, contact_sealed, report_contact
from moderation.services.post import letter_write
from moderation.services.statements import RESTRICTED
from moderation.services.strikes import strikes_lift
from registry.models import Version
from registry.services.states import version_locked
from registry.states import VersionState

BY_A_PERSON = "decided-by-a-person"
REMOVALS = frozenset({CaseOutcome.TAKE_DOWN, CaseOutcome.REFUSE})


def case_of(record: DecisionRecord) -> Case | None:
    """The case in which a decision was taken; None where the house took it without one."""
    found = Case.objects.filter(decision=record).exclude(outcome=CaseOutcome.SETTLED)
    return found.order_by("pk").first() or Case.objects.filter(statements__decision=record).order_by("pk").first()


def _decider(record: DecisionRecord) -> User | None:
    """Who took it. The engine's decisions name the uploader, who asked for them."""
    return record.actor if record.reasons[0]["code"] == BY_A_PERSON else None


def appealable(version: Version) -> DecisionRecord:
    """The decision that the uploader's side may appeal now; raises NoAppeal."""
    record = version.decision
    if VersionState(version.state) not in RESTRICTED or record is None:
        raise NoAppeal(f"{version} is {version.state}: no decision restricts it that could be appealed.")
    if timezone.now() > record.created_at + settings.APPEAL_WINDOW:
        raise NoAppeal(f"The time to appeal ran out {settings.APPEAL_WINDOW.days} days after the decision.")
    _check_first(record, AppealSide.AFFECTED)
    return record


def _check_first(record: DecisionRecord, side: AppealSide) -> None:
    if Appeal.objects.filter(of_decision=record, side=side).exists():
        raise NoAppeal("This decision was appealed already; one appeal is looked at once.")


def counter_notice_fits(version: Version) -> bool:
    """Whether the version was taken down for rights infringement, which a counter-notice answers."""
    if version.state != VersionState.TAKEN_DOWN or version.decision is None:
        return False
    case = case_of(version.decision)
    return case is not None and case.kind == CaseKind.RIGHTS


@audited()
def appeal_submit(*, version: Version, actor: User, text: str) -> Appeal:
    """The uploader's side appeals what restricts a version; raises NoAppeal where nothing does, or it was done."""
    version = version_locked(version)
    record = appealable(version)
    return _open(version, record, AppealSide.AFFECTED, text=text, by=actor)


@audited()
def counter_notice_submit(
    *, version: Version, actor: User, text: str, contact: Contact, sworn: tuple[str, ...]
) -> Appeal:
    """The sworn answer to a notice of infringement; it is sent on to who sent the notice. Raises NoticeIncomplete."""
    version = version_locked(version)
    record = appealable(version)
    if not counter_notice_fits(version):
        raise NoAppeal("A counter-notice answers a removal for rights infringement; this is none.")
    lacking = {name: "This is needed." for name in COUNTER_NOTICE.required if not getattr(contact, name).strip()}
    if set(COUNTER_NOTICE.statements) - set(sworn):
        lacking["sworn"] = "Affirm every statement."
    if lacking:
        raise NoticeIncomplete("The counter-notice lacks what the law asks for.", errors=lacking)
    appeal = _open(version, record, AppealSide.AFFECTED, text=text, by=actor, contact=contact, sworn=sworn)
    _forward(appeal, contact)
    return appeal


@audited()
def reporter_appeal_submit(*, report: Report, text: str) -> Appeal:
    """Who reported something objects that it stayed online (DSA, Article 20(1))."""
    case = report.case
    if case.decision is None or case.version.state != VersionState.PUBLISHED or report.retracted_at is not None:
        raise NoAppeal("Nothing was decided that leaves it online.")
    if timezone.now() > case.decision.created_at + settings.APPEAL_WINDOW:
        raise NoAppeal(f"The time to appeal ran out {settings.APPEAL_WINDOW.days} days after the decision.")
    _check_first(case.decision, AppealSide.REPORTER)
    return _open(case.version, case.decision, AppealSide.REPORTER, text=text, report=report)


def _open(
    version: Version,
    record: DecisionRecord,
    side: AppealSide,
    *,
    text: str,
    by: User | None = None,
    report: Report | None = None,
    contact: Contact | None = None,
    sworn: tuple[str, ...] = (),
) -> Appeal:
    of_case = case_of(record)
    first, last = (business_day(days) for days in settings.COUNTER_NOTICE_DAYS) if contact else (None, None)
    case = case_open(
        kind=CaseKind.APPEAL,
        version=version,
        source=CaseSource.APPEAL,
        summary="Counter-notice against a removal" if contact else f"Appeal of {side.label}",
        details={"decision": str(record.public_id), "of_kind": of_case.kind if of_case else ""},
        actor=by,
        barred=_decider(record),
        due_at=_end_of(last) if last else None,
    )
    appeal = Appeal(
        case=case, of_case=of_case, of_decision=record, side=side, by=by, report=report, text=text,
        is_counter_notice=contact is not None, sworn=list(sworn), sworn_edition=EDITION if sworn else "",
        put_back_from=first, put_back_until=last,
    )  # fmt: skip
    if contact is not None:
        appeal.contact = contact_sealed(contact, of=appeal)
    appeal.save(force_insert=True)
    case_log(case=of_case or case, kind=EventKind.APPEALED, actor=by, data={"appeal": str(appeal.public_id)})
    return appeal


def business_day(number: int, start: date | None = None) -> date:
    """The day `number` business days after `start` (today), Saturdays and Sundays left out; holidays are not known."""
    day = start or timezone.now().date()
    while number:
        day += timedelta(days=1)
        number -= day.weekday() < 5
    return day


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59), tzinfo=timezone.get_current_timezone())


def _forward(appeal: Appeal, contact: Contact) -> None:
    """The notifiers get a copy of the counter-notice (17 U.S.C. 512(g)(2)(B))."""
    assert appeal.of_case is not None
    for report in appeal.of_case.reports.filter(kind=CaseKind.RIGHTS, retracted_at__isnull=True):
        notifier = report_contact(report)
        letter_write(
            key=f"counter-notice:{appeal.public_id}:{report.public_id}",
            to=notifier.email,
            subject=f"{appeal.case.version}: a counter-notice answers your notice",
            template="counter_notice.txt",
            context={
                "appeal": appeal,
                "contact": contact,
                "url": settings.PUBLIC_URL + reverse("report_track", args=[notifier.token]),
            },
        )


def check_put_back(case: Case) -> None:
    """Raises DecisionRefused where a counter-notice's days have not come and the notice stands."""
    appeal = case.appeal
    if not appeal.is_counter_notice or appeal.put_back_from is None or appeal.of_case is None:
        return
    stands = appeal.of_case.reports.filter(retracted_at__isnull=True).exists()
    if stands and timezone.now().date() < appeal.put_back_from:
        raise DecisionRefused(
            f"After a counter-notice the material is put back on {appeal.put_back_from:%d %B %Y} at the earliest.",
            remedy="Decide then, unless the notifier has gone to court; or ask them to take the notice back.",
        )


def appeal_settle(*, case: Case, actor: User) -> Appeal:
    """Write down whether the appeal was granted; strikes and blocks of an overturned decision are lifted."""
    appeal = case.appeal
    if appeal.side == AppealSide.AFFECTED:
        appeal.granted = case.outcome == CaseOutcome.APPROVE
    else:
        appeal.granted = case.outcome in REMOVALS
    appeal.save(update_fields=["granted"])
    if appeal.granted and appeal.side == AppealSide.AFFECTED and appeal.of_case is not None:
        strikes_lift(case=appeal.of_case, actor=actor)
        blocks_lift(case=appeal.of_case, actor=actor)
    if appeal.report is not None:
        _tell_reporter(appeal)
    return appeal


def _tell_reporter(appeal: Appeal) -> None:
    assert appeal.report is not None
    contact = report_contact(appeal.report)
    letter_write(
        key=f"appeal-decided:{appeal.public_id}",
        to=contact.email,
        subject=f"Your appeal about {appeal.case.version}: decided",
        template="report_decided.txt",
        context={
            "case": appeal.case,
            "reasoning": appeal.case.decision.public_reasoning if appeal.case.decision else "",
            "url": settings.PUBLIC_URL + (reverse("report_track", args=[contact.token]) if contact.token else ""),
        },
    )


def appeals_moot() -> list[Case]:
    """Open appeals of the uploader's side whose decision no longer restricts the version."""
    waiting = Case.objects.filter(kind=CaseKind.APPEAL, appeal__side=AppealSide.AFFECTED)
    waiting = waiting.exclude(status=CaseStatus.DECIDED).select_related("appeal", "version")
    return [case for case in waiting if case.version.decision_id != case.appeal.of_decision_id]
