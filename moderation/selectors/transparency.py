"""The transparency report: what was received and decided, how fast, and by whom, counted from the records."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, FloatField, Q, QuerySet
from django.db.models.functions import Extract
from django.utils import timezone

from governance.models import DecisionRecord
from moderation.models import (
    Appeal,
    AppealSide,
    Case,
    CaseKind,
    CaseOutcome,
    CaseStatus,
    Report,
    StatementOfReasons,
    Strike,
)
from moderation.selectors.statistics import DECIDED

BY_A_PERSON = Q(reasons__0__code="decided-by-a-person")
# What is decided about versions themselves; what a downloader asks about their own use is no moderation.
ABOUT_VERSIONS = ["publish", "held", "reinstated", "taken-down", "kept"]


class Percentile(Aggregate):
    """PostgreSQL's percentile_cont: between two values it interpolates."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, expression: Any, *, fraction: float, **extra: Any) -> None:
        super().__init__(expression, fraction=str(float(fraction)), **extra)


@dataclass(frozen=True)
class KindFigures:
    """One kind of case over a period; times are hours from opening to decision, None where nothing was decided."""

    kind: str
    label: str
    reports: int
    opened: int
    decided: int
    outcomes: dict[str, int]
    median_hours: float | None
    p90_hours: float | None


def transparency(*, year: int) -> dict[str, Any]:
    """What was received and decided in a year, how fast, and what came of appeals. Counts only, nobody's data."""
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    kinds = [figures for kind, label in CaseKind.choices if (figures := _kind(kind, label, first, last))]
    return {
        "year": year,
        "kinds": kinds,
        "outcomes": [(value, label) for value, label in CaseOutcome.choices],
        "all": _times(Case.objects.filter(decided_at__gte=first, decided_at__lt=last, outcome__in=DECIDED)),
        "totals": _totals(kinds),
        "decisions": _decisions(first, last),
        "statements": _statements(first, last),
        "appeals": _appeals(first, last),
        "strikes": Strike.objects.filter(issued_at__gte=first, issued_at__lt=last).count(),
    }


def years_on_record() -> list[int]:
    """The years for which there can be figures, newest first."""
    first = Case.objects.order_by("opened_at").values_list("opened_at", flat=True).first()
    now = timezone.now().year
    return list(range(now, (first.year if first else now) - 1, -1))


def _kind(kind: str, label: str, first: datetime, last: datetime) -> KindFigures | None:
    opened = Case.objects.filter(kind=kind, opened_at__gte=first, opened_at__lt=last).count()
    ended = Case.objects.filter(kind=kind, decided_at__gte=first, decided_at__lt=last)
    outcomes = dict(ended.order_by().values_list("outcome").annotate(Count("pk")))
    reports = Report.objects.filter(kind=kind, created_at__gte=first, created_at__lt=last).count()
    if not (opened or outcomes or reports):
        return None
    times = _times(ended.filter(outcome__in=DECIDED))
    decided = sum(outcomes.get(outcome, 0) for outcome in DECIDED)
    return KindFigures(kind, label, reports, opened, decided, outcomes, times["median"], times["p90"])


def _times(cases: QuerySet[Case]) -> dict[str, Any]:
    """Hours from opening to decision: the middle one, and that under which nine of ten lie."""
    span = ExpressionWrapper(F("decided_at") - F("opened_at"), output_field=DurationField())
    hours = Extract(span, "epoch") / 3600.0
    timed = cases.order_by().annotate(hours=ExpressionWrapper(hours, output_field=FloatField()))
    return timed.aggregate(
        median=Percentile("hours", fraction=0.5), p90=Percentile("hours", fraction=0.9), count=Count("pk")
    )


def _totals(kinds: list[KindFigures]) -> dict[str, int]:
    return {name: sum(getattr(kind, name) for kind in kinds) for name in ("reports", "opened", "decided")}


def _decisions(first: datetime, last: datetime) -> dict[str, Any]:
    """Decisions about publication and circulation by who took them: the engine and the house, or a person."""
    taken = DecisionRecord.objects.filter(
        created_at__gte=first, created_at__lt=last, subject_type="registry.version", action__in=ABOUT_VERSIONS
    )
    people = taken.filter(BY_A_PERSON)
    counts: dict[str, Any] = {"all": taken.count(), "people": people.count()}
    counts["automated"] = counts["all"] - counts["people"]
    restricting = taken.filter(outcome="deny")
    counts["restricting"] = restricting.count()
    counts["restricting_automated"] = counts["restricting"] - restricting.filter(BY_A_PERSON).count()
    for name, whole in (("automated", "all"), ("restricting_automated", "restricting")):
        counts[f"{name}_share"] = counts[name] / counts[whole] if counts[whole] else None
    return counts


def _statements(first: datetime, last: datetime) -> dict[str, Any]:
    sent = StatementOfReasons.objects.filter(created_at__gte=first, created_at__lt=last)
    return {
        "all": sent.count(),
        "automated": sent.filter(decided_automatically=True).count(),
        "grounds": dict(sent.order_by().values_list("ground").annotate(Count("pk"))),
        "measures": dict(sent.order_by().values_list("measure").annotate(Count("pk"))),
    }


def _appeals(first: datetime, last: datetime) -> list[dict[str, Any]]:
    """Appeals received in the period, by side, with what came of them."""
    rows = []
    for side, label in AppealSide.choices:
        received = Appeal.objects.filter(created_at__gte=first, created_at__lt=last, side=side)
        decided = Q(case__status=CaseStatus.DECIDED)
        counts = received.aggregate(
            received=Count("pk"),
            were_granted=Count("pk", filter=Q(granted=True)),
            were_rejected=Count("pk", filter=Q(granted=False)),
            were_moot=Count("pk", filter=decided & Q(granted=None)),
            waiting=Count("pk", filter=~decided),
            counter_notices=Count("pk", filter=Q(is_counter_notice=True)),
        )
        rows.append({"side": label, **{name.removeprefix("were_"): count for name, count in counts.items()}})
    return rows


def transparency_rows(figures: dict[str, Any]) -> Iterator[list[object]]:
    """The same as rows of a table: section, item, measure, value."""
    yield ["section", "item", "measure", "value"]
    for kind in figures["kinds"]:
        yield from _kind_rows(kind, figures["outcomes"])
    for section, item, values in _sections(figures):
        for measure, value in values.items():
            yield [section, item, measure, _plain(value)]


def _kind_rows(kind: KindFigures, outcomes: list[tuple[str, str]]) -> Iterator[list[object]]:
    for measure in ("reports", "opened", "decided", "median_hours", "p90_hours"):
        yield ["kind", kind.kind, measure, _plain(getattr(kind, measure))]
    for outcome, _ in outcomes:
        yield ["outcome", kind.kind, outcome, kind.outcomes.get(outcome, 0)]


def _sections(figures: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    statements = figures["statements"]
    yield "all", "cases", figures["all"]
    yield "decisions", "versions", figures["decisions"]
    yield "statements", "statements of reasons", {name: statements[name] for name in ("all", "automated")}
    yield "statements", "grounds", statements["grounds"]
    yield "statements", "measures", statements["measures"]
    for row in figures["appeals"]:
        yield "appeals", row["side"], {name: value for name, value in row.items() if name != "side"}
    yield "strikes", "uploaders", {"issued": figures["strikes"]}


def _plain(value: float | int | None) -> object:
    return "" if value is None else round(value, 2)
