"""The transparency report: counted from the records, public, without anybody's data."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from moderation.charts import bars, lines, scale_top
from moderation.models import Case, CaseKind, Report
from moderation.selectors.statistics import ages_of_open, load_by_day
from moderation.selectors.transparency import transparency, years_on_record
from moderation.services.appeals import appeal_submit
from registry.models import Version
from tests.factories.accounts import make_user
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}
YEAR = timezone.now().year


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


def _case_of(kind: str, figures: dict[str, Any]) -> Any:
    return next(found for found in figures["kinds"] if found.kind == kind)


def _hours(*hours: float) -> None:
    """Give the decided cases these times, in the order that they were opened."""
    for case, taken in zip(Case.objects.filter(status="decided").order_by("pk"), hours, strict=True):
        Case.objects.filter(pk=case.pk).update(decided_at=case.opened_at + timedelta(hours=taken))


def test_times_are_the_median_and_the_ninetieth_percentile(mo: User) -> None:
    ada = make_user("ada")
    version = make_version(actor=ada)
    for number in range(5):
        report, _ = make_report(version, CaseKind.SPAM, address=f"192.0.2.{number}")
        decide(report.case, mo, "dismiss")
    _hours(1, 2, 3, 4, 10)
    spam = _case_of("spam", transparency(year=YEAR))
    assert (spam.reports, spam.opened, spam.decided, spam.outcomes) == (5, 5, 5, {"dismiss": 5})
    assert (spam.median_hours, spam.p90_hours) == pytest.approx((3, 7.6))


def test_what_was_settled_or_moot_does_not_count_in_the_times(mo: User) -> None:
    version = make_version(actor=make_user("ada"), declared=HELD)
    case = make_case(version)
    make_case(version, kind=CaseKind.LIKENESS)
    decide(case, mo, "refuse")
    figures = transparency(year=YEAR)
    likeness = _case_of("likeness", figures)
    assert (likeness.opened, likeness.decided, likeness.outcomes) == (1, 0, {"settled": 1})
    assert (likeness.median_hours, figures["all"]["count"]) == (None, 1)


def test_share_of_automated_decisions_and_appeals(mo: User) -> None:
    ada = make_user("ada")
    make_version(actor=ada, name="fine")  # the engine allows
    make_version(actor=ada, name="bad", content=lora_bytes(seed=2), declared={"licence_id": "all-rights-reserved"})
    held = make_version(actor=ada, name="held", content=lora_bytes(seed=3), declared=HELD)
    decide(make_case(held), mo, "refuse")
    appeal = appeal_submit(version=held, actor=ada, text="Please.")
    figures = transparency(year=YEAR)
    decisions = figures["decisions"]
    assert (decisions["all"], decisions["automated"], decisions["people"]) == (4, 3, 1)
    assert (decisions["restricting"], decisions["restricting_automated_share"]) == (2, 0.5)
    affected, reporter = figures["appeals"]
    assert (affected["received"], affected["waiting"], reporter["received"]) == (1, 1, 0)
    decide(appeal.case, make_user("max", is_moderator=True), "approve")
    affected = transparency(year=YEAR)["appeals"][0]
    assert (affected["granted"], affected["rejected"], affected["waiting"]) == (1, 0, 0)
    assert transparency(year=YEAR)["statements"]["all"] == 1


def test_years_are_kept_apart(mo: User) -> None:
    report, _ = make_report(make_version(actor=make_user("ada")), CaseKind.SPAM)
    before = datetime(YEAR - 1, 12, 31, 23, 59, tzinfo=UTC)
    Case.objects.update(opened_at=before, due_at=before + timedelta(hours=1))
    Report.objects.update(created_at=before)
    decide(report.case, mo, "dismiss")
    last, this = _case_of("spam", transparency(year=YEAR - 1)), _case_of("spam", transparency(year=YEAR))
    assert (last.reports, last.opened, last.decided) == (1, 1, 0)
    assert (this.reports, this.opened, this.decided) == (0, 0, 1)
    assert years_on_record() == [YEAR, YEAR - 1]


def test_page_and_table_are_public_and_name_nobody(client: Client, mo: User) -> None:
    empty = client.get("/transparency").content.decode()
    assert "Nothing was reported or held" in empty
    report, token = make_report(make_version(actor=make_user("ada")), CaseKind.RIGHTS)
    decide(report.case, mo, "take-down", strike=True)
    page = client.get("/transparency").content.decode()
    table = client.get(f"/transparency.csv?year={YEAR}")
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    for text in (page, table.content.decode()):
        for secret in ("Rita", "rita@", "ada", "ada@", str(report.public_id), token):
            assert secret not in text.replace("adapter", "").replace("Adapter", "").replace("days", "")
    rows = {tuple(row[:3]): row[3] for row in csv.reader(io.StringIO(table.content.decode()))}
    assert rows["kind", "rights", "reports"] == "1"
    assert rows["outcome", "rights", "take-down"] == "1"
    assert rows["strikes", "uploaders", "issued"] == "1"
    assert rows["statements", "grounds", "terms"] == "1"


@pytest.mark.parametrize("year", ["1999", "abcd", "99999999", "²²²²", ""])
def test_unknown_year_is_this_one(year: str, client: Client) -> None:
    assert client.get("/transparency", {"year": year}).context["figures"]["year"] == YEAR


# The dashboard's figures


def test_load_and_ages_count_each_case_once(mo: User) -> None:
    version = make_version(actor=make_user("ada"))
    now = timezone.now()
    for kind, days in ((CaseKind.SPAM, 0), (CaseKind.QUALITY, 2), (CaseKind.LICENCE, 5), (CaseKind.RIGHTS, 400)):
        case = make_case(version, kind=kind)
        Case.objects.filter(pk=case.pk).update(opened_at=now - timedelta(days=days, minutes=1))
    assert [count for _, count in ages_of_open()] == [1, 1, 1, 0, 1]
    load = load_by_day()
    assert len(load) == 30
    assert sum(day["opened"] for day in load) == 3
    decide(Case.objects.get(kind=CaseKind.SPAM), mo, "dismiss")
    assert load_by_day()[-1]["decided"] == 1
    assert Version.objects.count() == 1


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (9, 10), (10, 10), (11, 20), (61, 80), (100, 100), (101, 200)]
)
def test_scale_ends_at_a_round_number_with_a_whole_middle(most: int, top: int) -> None:
    assert scale_top(most) == top
    assert top % 2 == 0


def test_bars_carry_their_labels_and_their_scale() -> None:
    chart = bars([("a day", 2), ("a week", 4), ("longer", 0)], title="Open cases")
    assert [(bar.label, bar.share) for bar in chart.bars] == [("a day", 50), ("a week", 100), ("longer", 0)]
    assert (chart.ticks, chart.title) == (["0", "2", "4"], "Open cases")
    shares = bars([("names", 0.5)], title="Share", top=1.0, words="{:.0%}".format)
    assert (shares.bars[0].share, shares.ticks) == (50, ["0%", "50%", "100%"])
    assert bars([], title="None").ticks == ["0", "1", "2"]
    assert bars([("large", 1500)], title="Many").ticks == ["0", "1,000", "2,000"]


def test_lines_share_one_scale_and_say_where_they_begin_and_end() -> None:
    chart = lines([0, 10], [5, 5], along=["1 Nov", "2 Nov"], y_title="Cases a day", x_title="Day")
    assert chart.points == ["0.0,158.0 600.0,2.0", "0.0,80.0 600.0,80.0"]
    assert (chart.y_ticks, chart.x_ticks) == (["10", "5", "0"], ["1 Nov", "2 Nov"])
    days = [str(day) for day in range(1, 31)]
    assert lines([0] * 30, along=days, y_title="y", x_title="x").x_ticks == ["1", "16", "30"]
    assert lines([0, 0], along=["a", "b"], y_title="y", x_title="x").points == ["0.0,158.0 600.0,158.0"]


def test_page_of_figures_labels_its_axes(client: Client, mo: User) -> None:
    client.force_login(mo)
    page = client.get("/moderation/figures").content.decode()
    for title in ("Cases a day", "Day", "Open cases"):
        assert f">{title}</p>" in page
    assert page.count('class="axis axis--x"') == 2  # nothing was decided, so two charts are left
    assert f"<span>{timezone.now():%-d %b}</span>" in page
