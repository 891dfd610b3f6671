"""The transparency page and its table, public; and the moderators' charts."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from moderation.charts import Lines, bars, lines
from moderation.selectors.review import require_moderator
from moderation.selectors.statistics import ages_of_open, false_positives, load_by_day, outcomes_lately
from moderation.selectors.transparency import transparency, transparency_rows, years_on_record


def _year(request: HttpRequest) -> int:
    """The year that is asked for, else this one; only those on record can be."""
    asked = request.GET.get("year", "")
    known = years_on_record()
    return int(asked) if asked.isdecimal() and len(asked) == 4 and int(asked) in known else timezone.now().year


@require_safe
def transparency_page(request: HttpRequest) -> HttpResponse:
    context = {"figures": transparency(year=_year(request)), "years": years_on_record()}
    return render(request, "moderation/reports/transparency.html", context)


@require_safe
def transparency_csv(request: HttpRequest) -> HttpResponse:
    year = _year(request)
    out = io.StringIO()
    csv.writer(out).writerows(transparency_rows(transparency(year=year)))
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="transparency-{year}.csv"'
    return response


@login_required
@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """Load, ages, outcomes, and what the checks get wrong."""
    require_moderator(request.user)
    load = load_by_day()
    ages, outcomes, checks = ages_of_open(), outcomes_lately(), false_positives()
    context = {
        "load": load,
        "load_chart": _load_chart(load),
        "ages": ages,
        "ages_chart": bars(ages, title="Open cases"),
        "outcomes": outcomes,
        "outcomes_chart": bars(outcomes, title="Decided cases"),
        "checks": checks,
        "checks_chart": bars(
            [(check.check.replace("-", " "), check.rate) for check in checks],
            title="Share in which nothing was wrong",
            top=1.0,
            words=lambda share: f"{share * 100:.0f} %",
        ),
    }
    return render(request, "moderation/cases/figures.html", context)


def _load_chart(load: Sequence[dict[str, Any]]) -> Lines:
    return lines(
        [day["opened"] for day in load],
        [day["decided"] for day in load],
        along=[f"{day['day']:%-d %b}" for day in load],
        y_title="Cases a day",
        x_title="Day",
    )
