"""Running the checks over a version: queued, leased to one worker, healed by the sweep, ended by the policy engine."""

import logging
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from governance.policy import Finding
from governance.services import audited
from moderation.checks import Check, checks_of
from moderation.models import (
    CaseKind,
    CaseSource,
    CheckState,
    Round,
    Screening,
    ScreeningState,
    ScreeningWanted,
    Severity,
)
from moderation.models.screening import UNFINISHED, PictureMatch
from moderation.screening.results import Result
from moderation.screening.subject import Subject
from moderation.selectors.consents import checked_consent_ids_of
from moderation.services.cases import case_open
from moderation.services.clocks import version_case_open
from moderation.services.consents import consents_link_named
from moderation.services.queueing import screening_of
from moderation.signals import screening_wanted
from registry.leases import lease_kept
from registry.models import SampleState, Version
from registry.services.listing import adapter_refresh
from registry.services.publication import CHECK_FAILED, version_found_later, version_screened
from registry.services.samples import samples_settle

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3  # of one check, whose worker was gone each time
GRAVE = {"youth-sexual": CaseKind.MINORS, "blocked-copy": CaseKind.COPY}


def screening_run(*, screening_id: str) -> None:
    """Run the checks unless another worker does; safe to call again at any time."""
    screening = _lease(screening_id)
    if screening is None:
        return
    with lease_kept(renew=lambda: _renew(screening), lifetime=settings.JOB_LEASE):
        consents_link_named(version=screening.version)
        subject = Subject(screening.version, Round(screening.round))
        results = [_result(screening, check, subject) for check in checks_of(subject.round)]
        _conclude(screening, subject, results)


def version_screen_now(*, version_id: int) -> None:
    """Run what this version waits for in this process: for commands that load data, with no worker to wait for."""
    screening_of(version=Version.objects.get(pk=version_id))
    for pk in Screening.objects.filter(version=version_id, state__in=UNFINISHED).values_list("pk", flat=True):
        screening_run(screening_id=str(pk))


def _lease(screening_id: str) -> Screening | None:
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = Screening.objects.filter(free, pk=screening_id, state__in=UNFINISHED).update(
        state=ScreeningState.RUNNING,
        lease_token=uuid.uuid4(),
        lease_until=now + settings.JOB_LEASE,
        attempts=F("attempts") + 1,
    )
    if not claimed:
        return None
    related = ("version__adapter__owner__organisation", "version__base_model", "version__created_by")
    return Screening.objects.select_related(*related, "version__duplicate_of__adapter__owner").get(pk=screening_id)


def _held(screening: Screening) -> bool:
    return Screening.objects.filter(
        pk=screening.pk, lease_token=screening.lease_token, state=ScreeningState.RUNNING
    ).exists()


def _renew(screening: Screening) -> bool:
    mine = Screening.objects.filter(pk=screening.pk, lease_token=screening.lease_token, state=ScreeningState.RUNNING)
    return bool(mine.update(lease_until=timezone.now() + settings.JOB_LEASE))


def _result(screening: Screening, check: Check, subject: Subject) -> Result:
    """Run one check and write down how it ended. Where a worker dies over it again and again, it has failed."""
    row = screening.checks.get(name=check.name)
    row.attempts += 1
    row.state, row.started_at = CheckState.RUNNING, timezone.now()
    row.save(update_fields=["attempts", "state", "started_at"])
    result = _ask(check, subject) if row.attempts <= MAX_ATTEMPTS else _broken(check, "its worker was gone each time")
    row.state, row.summary, row.notes = result.state, result.summary, result.notes
    row.codes = sorted({finding.code for finding in result.findings})
    row.finished_at = timezone.now()
    with transaction.atomic():
        row.save(update_fields=["state", "summary", "notes", "codes", "finished_at"])
        row.matches.all().delete()
        PictureMatch.objects.bulk_create(
            PictureMatch(
                check_row=row,
                version=subject.version,
                picture=match.picture,
                against=match.against,
                caption=match.caption[:300],
                score=match.score[:60],
            )
            for match in result.matches
        )
    return result


def _ask(check: Check, subject: Subject) -> Result:
    """The check's answer. Whatever goes wrong inside it is a failed check, never a pass; but for a lost database."""
    try:
        return check.run(subject)
    except OperationalError:
        raise  # the task is repeated
    except Exception as error:
        log.exception("The check %s of version %s failed", check.name, subject.version.pk)
        return _broken(check, type(error).__name__)


def _broken(check: Check, how: str) -> Result:
    message = (
        f"The check “{check.title}” could not be finished ({how}). A check that does not finish is no pass, so a "
        "moderator decides; you need not do anything."
    )
    finding = Finding(check.name, CHECK_FAILED, message, {"how": how})
    return Result(CheckState.FAILED, message, (finding,))


@audited()
def _conclude(screening: Screening, subject: Subject, results: Sequence[Result]) -> None:
    """Hand the findings on, open what a moderator has to see, and let out the pictures that are clear."""
    if not _held(screening):
        return
    version = subject.version
    findings = [finding for result in results for finding in result.findings]
    seen = [picture.key for picture in subject.pictures]
    if subject.round is Round.INTAKE:
        version_screened(version=version, findings=findings, consent_ids=checked_consent_ids_of(version))
    else:
        version_found_later(version=version, findings=findings)
    version_case_open(version.pk)  # in the same transaction: what waits for a person is in their queue
    if subject.round is not Round.REGISTER:  # which looks at some of it alone, and lets nothing out
        _settle_pictures(version, seen, _suspects(findings, results))
    _open_grave_cases(version, findings)
    Screening.objects.filter(pk=screening.pk).update(
        state=ScreeningState.DONE, lease_until=None, finished_at=timezone.now()
    )
    if ScreeningWanted.objects.filter(
        version=version
    ).exists():  # by a change while these checks ran: it is not left to the sweep
        transaction.on_commit(lambda: screening_wanted.send(sender=Version, version_id=version.pk))


def _suspects(findings: Sequence[Finding], results: Sequence[Result]) -> set[str]:
    """Pictures that something was found in; all of them where a check of pictures could not be finished."""
    named = {match.picture for result in results for match in result.matches}
    named |= {str(finding.facts["picture"]) for finding in findings if "picture" in finding.facts}
    broken = any(finding.code == CHECK_FAILED for finding in findings)
    return named | ({"*"} if broken else set())


def _settle_pictures(version: Version, seen: Sequence[str], suspects: set[str]) -> None:
    clear = [key for key in seen if key not in suspects and "*" not in suspects]
    held = [key for key in seen if key not in clear]
    samples_settle(pictures=_ids(clear, "sample"), state=SampleState.SHOWN)
    samples_settle(pictures=_ids(held, "sample"), state=SampleState.HELD)
    if version.images.filter(pk__in=_ids(clear, "image"), screened_at=None).update(screened_at=timezone.now()):
        adapter_refresh(adapter=version.adapter)


def _ids(keys: Sequence[str], kind: str) -> list[uuid.UUID]:
    return [uuid.UUID(key.removeprefix(f"{kind}:")) for key in keys if key.startswith(f"{kind}:")]


def _open_grave_cases(version: Version, findings: Sequence[Finding]) -> None:
    """What the engine denies by itself is shown to a moderator all the same."""
    for code, kind in GRAVE.items():
        grave = [finding for finding in findings if finding.code == code]
        if grave:
            case_open(
                kind=kind,
                version=version,
                source=CaseSource.SCREENING,
                summary=grave[0].message,
                details={"codes": [code], "checks": [finding.check for finding in grave]},
                severity=Severity.URGENT,
            )
