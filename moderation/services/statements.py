"""Statements of reasons: what the affected person is told about each restriction, by a person or by the house.

The fields are those of Article 17(3) of Regulation (EU) 2022/2065 (DSA).
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from governance.models import DecisionRecord
from governance.services import audit_append, audited
from moderation.models import Case, CaseSource, Ground, StatementOfReasons
from moderation.services.post import letter_write
from registry.models import Version
from registry.states import VersionState

if TYPE_CHECKING:
    from moderation.services.decisions import Deed

SCOPE = "Everywhere, on this registry"
DURATIONS = {
    "quarantine": "until the question is answered",
    "refuse": "for this version, without a limit in time",
    "take-down": "without a limit in time",
}
RESTRICTED = {
    VersionState.REFUSED: "refuse",
    VersionState.QUARANTINED: "quarantine",
    VersionState.TAKEN_DOWN: "take-down",
}
RECENT = timedelta(days=7)  # the house explains what it did lately; what lies longer was explained on the page


def redress_text(appeal_until: str) -> str:
    """The ways to object; the house's own costs nothing."""
    return (
        f"You may appeal here until {appeal_until}, free of charge; somebody who did not take this decision looks at "
        "it again. You may also turn to a certified out-of-court dispute settlement body (DSA, Article 21), or to a "
        "court."
    )


@audited()
def statement_write(*, case: Case, record: DecisionRecord, deed: "Deed") -> StatementOfReasons:
    """The statement about a moderator's restriction, with the letter to the uploader."""
    return _write(
        case.version,
        record,
        case=case,
        measure=deed.verdict.value,
        facts=deed.facts.strip() or case.summary,
        from_report=case.source == CaseSource.REPORT,
        found_automatically=case.source in {CaseSource.SCREENING, CaseSource.SYSTEM},
        decided_automatically=False,
        ground=deed.ground,
        ground_text=deed.ground_text.strip() or "The rules of this registry",
        explanation=deed.public_reasoning,
    )


@audited()
def statement_by_house(*, version: Version, record: DecisionRecord, case: Case | None = None) -> StatementOfReasons:
    """The statement about a restriction that the house's rules brought about without a person."""
    first = record.reasons[0]
    licence = first.get("licence")
    clause = f" {first['clause']}" if first.get("clause") else ""
    return _write(
        version,
        record,
        case=case,
        measure=RESTRICTED[VersionState(version.state)],
        facts=" ".join(reason["message"] for reason in record.reasons)[:4000],
        from_report=case is not None and case.source == CaseSource.REPORT,
        found_automatically=True,
        decided_automatically=True,
        ground=Ground.LICENCE if licence else Ground.TERMS,
        ground_text=f"{licence}{clause}" if licence else f"Rule {first['rule']} of this registry",
        explanation=record.public_reasoning or first["message"],
    )


def _write(version: Version, record: DecisionRecord, *, measure: str, **fields: object) -> StatementOfReasons:
    until = timezone.now() + settings.APPEAL_WINDOW
    statement = StatementOfReasons.objects.create(
        version=version,
        decision=record,
        measure=measure,
        scope=f"{SCOPE}, {DURATIONS[measure]}.",
        redress=redress_text(f"{until:%d %B %Y}"),
        appeal_until=until,
        **fields,
    )
    audit_append(
        actor=record.actor if not statement.decided_automatically else None,
        action="statement.written",
        subject=("registry.version", str(version.pk)),
        data={"statement": str(statement.public_id), "decision": str(record.public_id), "measure": measure},
        rows=[statement],
    )
    letter_write(
        key=f"statement:{statement.public_id}",
        to=version.created_by.email,
        subject=f"{version}: a decision and its reasons",
        template="statement.txt",
        context={"statement": statement, "url": f"{settings.PUBLIC_URL}{statement_path(statement)}"},
    )
    return statement


def statement_path(statement: StatementOfReasons) -> str:
    """The page of a statement, for who is affected and for moderators."""
    return reverse("statement", args=[statement.public_id])


def versions_unexplained() -> list[int]:
    """Versions that a decision restricts about which its uploader was told nothing yet."""
    restricted = Version.objects.filter(
        Q(state__in=[state.value for state in RESTRICTED]),
        decision__isnull=False,
        decision__statement__isnull=True,
        decision__outcome__in=["deny", "review"],
        decision__created_at__gt=timezone.now() - RECENT,
    )
    return list(restricted.order_by("pk").values_list("pk", flat=True)[:200])


@audited()
def version_explain(version_id: int) -> StatementOfReasons | None:
    """Write what is missing about one version; None where nothing is."""
    version = Version.objects.select_related("adapter__owner", "created_by", "decision").get(pk=version_id)
    record = version.decision
    explained = record is None or StatementOfReasons.objects.filter(decision=record).exists()
    if record is None or explained or VersionState(version.state) not in RESTRICTED:
        return None
    if record.reasons[0]["code"] == "decided-by-a-person":
        return None  # the deed of a person writes its own statement
    return statement_by_house(version=version, record=record)
