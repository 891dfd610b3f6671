"""Figures for the dashboard: load, ages, outcomes, and what the checks get wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from moderation.models import Case, CaseOutcome, CaseStatus

DAYS = 30  # that the dashboard's charts look back
AGES = (("under a day", 1), ("1 to 3 days", 3), ("3 to 7 days", 7), ("1 to 4 weeks", 28), ("longer", None))
# How a case ends where a decision was taken about it.
DECIDED = [CaseOutcome.APPROVE, CaseOutcome.DISMISS, CaseOutcome.REFUSE, CaseOutcome.TAKE_DOWN]


def load_by_day(*, days: int = DAYS) -> list[dict[str, Any]]:
    """Cases opened and decided on each of the last days, oldest first."""
    today = timezone.now().date()
    first = today - timedelta(days=days - 1)
    opened = _per_day(Case.objects.filter(opened_at__date__gte=first), "opened_at")
    decided = _per_day(Case.objects.filter(decided_at__date__gte=first), "decided_at")
    span = [first + timedelta(days=number) for number in range(days)]
    return [{"day": day, "opened": opened.get(day, 0), "decided": decided.get(day, 0)} for day in span]


def _per_day(cases: QuerySet[Case], field: str) -> dict[date, int]:
    grouped = cases.order_by().annotate(day=TruncDate(field)).values_list("day")
    return dict(grouped.annotate(count=Count("pk")))


def ages_of_open() -> list[tuple[str, int]]:
    """How long the open cases have waited."""
    now = timezone.now()
    counts, newer = [], now + timedelta(days=1)
    for label, days in AGES:
        older = now - timedelta(days=days) if days else datetime(1970, 1, 1, tzinfo=UTC)
        waiting = Case.objects.exclude(status=CaseStatus.DECIDED).filter(opened_at__gt=older, opened_at__lte=newer)
        counts.append((label, waiting.count()))
        newer = older
    return counts


def outcomes_lately(*, days: int = DAYS) -> list[tuple[str, int]]:
    """How cases ended in the last days."""
    since = timezone.now() - timedelta(days=days)
    counts = dict(Case.objects.filter(decided_at__gt=since).order_by().values_list("outcome").annotate(Count("pk")))
    return [(label, counts[value]) for value, label in CaseOutcome.choices if value in counts]


@dataclass(frozen=True)
class CheckFigures:
    """A check of the screening: cases it flagged that a person decided, and those found to be fine."""

    check: str
    decided: int
    false: int

    @property
    def rate(self) -> float:
        return self.false / self.decided


def false_positives(*, days: int = 365) -> list[CheckFigures]:
    """For each check: of what it held and people decided, the share that they let through."""
    since = timezone.now() - timedelta(days=days)
    flagged = Case.objects.filter(decided_at__gt=since, details__has_key="checks")
    seen: dict[str, list[int]] = {}
    for checks, outcome in _with_own_outcome(flagged):
        for check in checks:
            figures = seen.setdefault(check, [0, 0])
            figures[0] += 1
            figures[1] += outcome in {CaseOutcome.APPROVE, CaseOutcome.DISMISS}
    return [CheckFigures(check, *figures) for check, figures in sorted(seen.items())]


def _with_own_outcome(cases: QuerySet[Case]) -> Iterator[tuple[list[str], str]]:
    """What a case was settled by counts as its own outcome; what became moot was decided by nobody."""
    rows = cases.values_list("details__checks", "outcome", "settled_by__outcome")
    for checks, outcome, settled in rows.iterator():
        final = settled if outcome == CaseOutcome.SETTLED else outcome
        if final in DECIDED and isinstance(checks, list):
            yield checks, final
