"""Importing lists: every line is added, known or refused with its number; nothing is lost or doubled, whatever dies."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.models import AuditEntry
from moderation.errors import ListRefused, RulingRefused
from moderation.list_files import LINE_MAX, Row, escaped, rows_of, unescaped
from moderation.models import OptOutClaim, OptOutEntry, OptOutImport, OptOutList, WorkHash
from moderation.selectors.optout import domains_found, names_found
from moderation.services import lists
from moderation.services.list_export import register_export
from moderation.services.lists import import_decide, import_run, imports_due
from tests.factories.accounts import make_user
from tests.factories.optout import (
    PDQ,
    addresses,
    csv_of,
    hashes,
    jsonl_of,
    make_import,
    names,
    queue_import,
    register_as,
)

pytestmark = pytest.mark.django_db


def _counts(job: OptOutImport) -> tuple[int, int, int, int]:
    return job.added, job.known, job.withdrawn, job.refused


def _pdq(number: int) -> str:
    return f"{number + 1:064x}"


def _rows(content: bytes, form: str = "csv") -> list[Row]:
    return list(rows_of(io.BytesIO(content), format=form))


def test_every_kind_is_taken_in_and_counts_as_verified() -> None:
    job = make_import(
        csv_of(
            f"work,{PDQ},pdq,Shore,,w-1",
            "name,Greg Rutkowski,,,,n-1",
            "name,Banksy,,,yes,n-2",
            "url,https://www.example.com/gallery/,,,,u-1",
        )
    )
    assert (job.state, _counts(job)) == ("done", (4, 0, 0, 0))
    assert [hit.verified for hit in names_found("greg rutkowski, by Banksy")] == [True, True]
    [hit] = domains_found("see example.com/gallery/7")
    assert (hit.address, hit.verified, hit.holders) == ("example.com/gallery", True, ())
    assert bytes(WorkHash.objects.get().bits).hex() == PDQ
    assert sorted(OptOutClaim.objects.values_list("reference", flat=True)) == ["n-1", "n-2", "u-1", "w-1"]


def test_json_lines_are_taken_in_as_csv_is() -> None:
    job = make_import(
        jsonl_of(
            {"kind": "work", "value": PDQ.upper(), "algorithm": "PDQ", "title": "Shore"},
            {"kind": "name", "value": "Greg Rutkowski"},
            {"kind": "name", "value": "Banksy", "mononym": True, "reference": 7},
        ),
        filename="list.jsonl",
    )
    assert _counts(job) == (3, 0, 0, 0)


def test_provenance_is_kept(settings: object) -> None:
    content = csv_of("name,Greg Rutkowski")
    job = make_import(content, filename="people.csv", url="https://example.org/people.csv", actor=make_user("mo"))
    import hashlib

    assert job.sha256 == hashlib.sha256(content).hexdigest()
    assert (job.size, job.filename, job.url) == (len(content), "people.csv", "https://example.org/people.csv")
    assert job.actor is not None
    assert (OptOutClaim.objects.get().source, OptOutClaim.objects.get().last_import) == (job.source, job.pk)
    logged = AuditEntry.objects.filter(subject_type="moderation.optoutimport").order_by("sequence")
    assert [entry.action for entry in logged] == ["optout.import-queued", "optout.import-done"]
    assert logged[1].data["added"] == 1


def test_same_list_again_is_known_and_another_list_is_a_second_claim() -> None:
    content = csv_of(f"work,{PDQ},pdq", "name,Greg Rutkowski")
    assert _counts(make_import(content)) == (2, 0, 0, 0)
    assert _counts(make_import(content)) == (0, 2, 0, 0)
    assert _counts(make_import(content, name="another list")) == (2, 0, 0, 0)
    assert (OptOutEntry.objects.count(), OptOutClaim.objects.count(), WorkHash.objects.count()) == (2, 4, 1)


def test_list_and_holder_are_two_claims_of_one_entry() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"), *hashes(f"pdq:{PDQ}"), *addresses("example.com"))
    job = make_import(csv_of(f"work,{PDQ},pdq,Shore", "name,GREG RUTKOWSKI", "url,http://www.example.com"))
    assert (_counts(job), OptOutEntry.objects.count()) == ((3, 0, 0, 0), 3)
    [hit] = names_found("greg rutkowski")
    assert (hit.verified, hit.holders) == (True, ())


REFUSED = [
    ("work,abc,pdq", "64 hexadecimal digits"),
    (f"work,{PDQ},md5", "no hash that is known"),
    (f"work,{PDQ}", "no hash that is known"),
    ("work," + "0" * 64 + ",pdq", "empty picture"),
    ("name,Rose", "single word"),
    ("name,", "1 to 120 characters"),
    ("name,x", "single word"),
    ("url,co.uk", "shared by everybody"),
    ("url,not a host", "one address"),
    ("person,Ada", "none of work, name and url"),
    (",x", "none of work, name and url"),
    ('name,"open', "quotes do not close"),
    ("name,Ada Lovelace,,,,x,too many", "7 fields"),
    ("name,Ada\0Lovelace", "zero byte"),
]


@pytest.mark.parametrize(("line", "told"), REFUSED, ids=[line[:18] for line, _ in REFUSED])
def test_refused_line_is_named_with_number_and_reason(line: str, told: str) -> None:
    good = [f"work,{_pdq(number)},pdq" for number in range(20)]
    job = make_import(csv_of(*good[:10], line, *good[10:]), accepted=True)
    assert _counts(job) == (20, 0, 0, 1)
    [problem] = job.problems
    assert problem["line"] == 12  # the first line names the columns
    assert told in problem["reason"]


def test_lines_that_are_no_text_are_refused() -> None:
    content = csv_of("name,Ada Lovelace") + b"name,\xff\xfe\nname,Mary Shelley\n"
    assert [(row.line, row.reason) for row in _rows(content) if row.reason] == [(3, "It is not UTF-8.")]
    bad = [
        b"[1]\n",
        b"{\n",
        b'{"kind": "name", "value": "A\\u0000da Lovelace"}\n',
        b'{"a":' * 5000 + b"\n",
        b'"\\ud800"\n',
    ]
    for line in [*bad, b'{"kind": "name", "value": "\\ud800da Lovelace"}\n']:
        [row] = _rows(line, "jsonl")
        assert row.thing is None


def test_huge_line_is_refused_and_the_rest_is_read() -> None:
    huge = b"name," + b"A" * (5 * LINE_MAX) + b"\n"
    content = csv_of("name,Ada Lovelace") + huge + b"name,Mary Shelley\n" + huge[:-1]
    rows = _rows(content)
    assert [(row.line, bool(row.reason)) for row in rows] == [(2, False), (3, True), (4, False), (5, True)]
    assert "longer than 65,536 bytes" in rows[1].reason
    assert rows[2].end == content.index(b"Mary Shelley\n") + 13
    edge = b"name," + b"A" * (LINE_MAX - 6) + b"\n"  # one byte within the bound: too long for a name, not for a line
    assert "1 to 120" in _rows(csv_of() + edge)[0].reason


def test_mark_carriage_returns_and_empty_lines_do_not_matter() -> None:
    content = b"\xef\xbb\xbfKind,VALUE\r\nname,Ada Lovelace\r\n\r\nname,Mary Shelley"
    rows = _rows(content)
    assert [(row.line, row.thing.text if row.thing else "") for row in rows] == [
        (2, "Ada Lovelace"),
        (4, "Mary Shelley"),
    ]
    assert rows[-1].end == len(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"value,other\nx,y\n", "lacks kind"),
        (b"kind,value,kind\n", "twice"),
        (b"<html>not found</html>", "lacks kind and value"),
        (b"\xff\xfe", "does not name the columns"),
        (b"", "lacks kind and value"),
        (b"kind,value\n", "It is empty"),
        (b"kind,value\nx,y\n", "Not one of its lines"),
    ],
)
def test_file_that_is_no_list_fails_with_the_reason(content: bytes, told: str) -> None:
    make_import(csv_of("name,Greg Rutkowski"))
    job = make_import(content, complete=True)
    assert (job.state, told in job.detail) == ("failed", True), job.detail
    assert names_found("greg rutkowski")  # what was known stays
    source = OptOutList.objects.get()
    assert source.failed_at is not None
    assert told in source.failure


@pytest.mark.parametrize("content", [csv_of("name,Ada Lovelace"), b"kind,value\nx,y\n"])
def test_file_goes_when_it_is_done_with(content: bytes, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = make_import(content)
    assert not (lists.lists_folder() / job.path).exists()


def test_format_is_told_by_name_or_content() -> None:
    assert make_import(csv_of("name,Ada Lovelace"), filename="download").format == "csv"
    assert make_import(jsonl_of({"kind": "name", "value": "Ada Lovelace"}), filename="x.php").format == "jsonl"
    with pytest.raises(ListRefused, match="neither CSV"):
        make_import(b"<html>", filename="download")
    assert OptOutImport.objects.count() == 2


def test_file_too_large_is_refused(settings: object) -> None:
    settings.OPTOUT_LIST_MAX_BYTES = 100  # type: ignore[attr-defined]
    with pytest.raises(ListRefused, match="larger than 100 bytes"):
        make_import(csv_of(*["name,Ada Lovelace"] * 10))


# Complete lists


def test_complete_list_withdraws_what_it_no_longer_names() -> None:
    rows = [f"work,{_pdq(n)},pdq" for n in range(10)]
    make_import(csv_of(*rows), complete=True)
    register_as(make_user("ada"), *hashes(f"pdq:{_pdq(0)}"))
    job = make_import(csv_of(*rows[2:], f"work,{_pdq(77)},pdq"), complete=True)
    assert _counts(job) == (1, 8, 2, 0)
    states = {bytes(row.bits).hex(): row.entry.state for row in WorkHash.objects.select_related("entry")}
    assert (states[_pdq(0)], states[_pdq(1)], states[_pdq(2)]) == ("active", "withdrawn", "active")  # 0 has a holder
    assert not OptOutEntry.objects.get(hashes__bits=bytes.fromhex(_pdq(0))).verified
    assert OptOutClaim.objects.filter(state="withdrawn", ended_at__isnull=False).count() == 2  # rows stay
    assert _counts(make_import(csv_of(*rows), complete=True)) == (0, 10, 1, 0)
    assert OptOutEntry.objects.filter(state="active").count() == 10


def test_partial_list_withdraws_nothing() -> None:
    make_import(csv_of("name,Ada Lovelace", "name,Mary Shelley"))
    assert _counts(make_import(csv_of("name,Ada Lovelace"))) == (0, 1, 0, 0)
    assert names_found("mary shelley")


def test_withdrawal_goes_through_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.services.list_rows.WITHDRAWN_AT_ONCE", 3)
    rows = [f"work,{_pdq(n)},pdq" for n in range(20)]
    make_import(csv_of(*rows), complete=True)
    assert _counts(make_import(csv_of(*rows[:11]), complete=True)) == (0, 11, 9, 0)
    assert OptOutEntry.objects.filter(state="withdrawn").count() == 9


def test_list_that_shrinks_much_is_held_until_a_moderator_decides() -> None:
    mo = make_user("mo", is_moderator=True)
    make_import(csv_of(*[f"work,{_pdq(n)},pdq" for n in range(10)]), complete=True)
    short = csv_of(f"work,{_pdq(1)},pdq")
    held = make_import(short, complete=True)
    assert (held.state, _counts(held)) == ("held", (0, 0, 0, 0))
    assert "names 1 entries, and the list named 10" in held.detail
    assert OptOutEntry.objects.filter(state="active").count() == 10
    with pytest.raises(ListRefused, match="held for a moderator"):
        make_import(short, complete=True)
    import_decide(job=held, actor=mo, accept=True)
    import_run(import_id=held.pk)
    held.refresh_from_db()
    assert (held.state, _counts(held)) == ("done", (0, 1, 9, 0))
    assert OptOutList.objects.get().failed_at is None
    with pytest.raises(RulingRefused):
        import_decide(job=held, actor=mo, accept=False)


def test_list_with_many_bad_lines_is_held_and_may_be_thrown_away() -> None:
    mo = make_user("mo", is_moderator=True)
    held = make_import(csv_of("name,Ada Lovelace", "name,Rose"))
    assert (held.state, held.refused) == ("held", 1)
    import_decide(job=held, actor=mo, accept=False)
    held.refresh_from_db()
    assert held.state == "failed"
    assert not OptOutEntry.objects.exists()
    assert _counts(make_import(csv_of("name,Ada Lovelace"))) == (1, 0, 0, 0)


def test_rejected_entry_stays_rejected_whatever_a_list_says() -> None:
    make_import(csv_of("name,Greg Rutkowski"))
    OptOutEntry.objects.update(ruling="rejected", state="rejected", verified=False)
    make_import(csv_of("name,Greg Rutkowski"), name="another list")
    assert OptOutEntry.objects.get().state == "rejected"
    assert names_found("greg rutkowski") == ()


# A worker dies


class _Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2, 3])
def test_import_goes_on_where_it_stopped(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 4)
    rows = [f"work,{_pdq(n % 13)},pdq" for n in range(15)]
    rows.insert(5, "name,Rose")
    job = queue_import(csv_of(*rows), complete=True, accepted=True)
    real, calls = lists.rows_claim, iter(range(100))

    def dying(**given: object) -> tuple[int, int]:
        done = real(**given)  # type: ignore[arg-type]
        if next(calls) == after:
            raise _Killed  # behind its rows, in front of the commit
        return done

    monkeypatch.setattr(lists, "rows_claim", dying)
    with pytest.raises(_Killed):
        import_run(import_id=job.pk)
    job.refresh_from_db()
    assert (job.state, job.lines_done) == ("running", 1 + 4 * after)
    assert imports_due() == [job.pk]
    import_run(import_id=job.pk)
    job.refresh_from_db()
    assert (job.state, _counts(job), job.lines) == ("done", (13, 2, 0, 1), 16)
    assert OptOutClaim.objects.count() == 13
    import_run(import_id=job.pk)  # a message that comes twice
    assert AuditEntry.objects.filter(action="optout.import-done").count() == 1


def test_import_that_somebody_works_on_is_left_alone() -> None:
    job = queue_import(csv_of("name,Ada Lovelace"))
    OptOutImport.objects.update(leased_until="2100-01-01T00:00Z")
    assert imports_due() == []
    import_run(import_id=job.pk)
    assert not OptOutEntry.objects.exists()


def test_import_is_given_up_after_several_deaths() -> None:
    job = queue_import(csv_of("name,Ada Lovelace"))
    OptOutImport.objects.update(attempts=lists.ATTEMPTS)
    import_run(import_id=job.pk)
    job.refresh_from_db()
    assert (job.state, "several attempts" in job.detail) == ("failed", True)


def test_lost_file_is_said() -> None:
    job = queue_import(csv_of("name,Ada Lovelace"))
    (lists.lists_folder() / job.path).unlink()
    import_run(import_id=job.pk)
    job.refresh_from_db()
    assert (job.state, "gone from the server" in job.detail) == ("failed", True)


# Properties

THINGS = st.lists(st.tuples(st.sampled_from(["work", "name", "url"]), st.integers(0, 8)), max_size=25)


def _line(kind: str, number: int) -> str:
    value = {
        "work": f"{_pdq(number)},pdq",
        "name": f"Person Number{chr(97 + number)}",
        "url": f"n{number}.example.com",
    }
    return f"{kind},{value[kind]}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(THINGS, min_size=1, max_size=4))
def test_dedup_holds_whatever_is_imported_in_whatever_order(files: list[list[tuple[str, int]]], db: None) -> None:
    from django.db import transaction

    with transaction.atomic():
        seen: set[tuple[str, int]] = set()
        for content in filter(None, files):
            job = make_import(csv_of(*[_line(*thing) for thing in content]))
            assert _counts(job) == (len(set(content) - seen), len(content) - len(set(content) - seen), 0, 0)
            seen |= set(content)
        assert OptOutEntry.objects.filter(state="active").count() == len(seen)
        assert OptOutClaim.objects.count() == len(seen)
        assert WorkHash.objects.count() == sum(kind == "work" for kind, _ in seen)
        transaction.set_rollback(True)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=12) | st.text("'=+-@\t\ra", max_size=6))
def test_escaping_is_taken_back_and_leaves_no_formula(cell: str) -> None:
    safe = escaped(cell)
    assert unescaped(safe) == cell
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))


# Export


def _exported(form: str = "csv") -> list[str]:
    return list(register_export(format=form, actor=None))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_exported_can_be_imported_again(form: str) -> None:
    register_as(
        make_user(),
        *names("Greg Rutkowski", "Banksy", '=HYPERLINK("x") Ada'),
        *addresses("example.com/a,b"),
        *hashes(f"pdq:{PDQ} =1+1, “quoted”"),
    )
    make_import(csv_of("name,Withdrawn Person"), complete=True, name="gone")
    OptOutEntry.objects.filter(text="Withdrawn Person").update(state="withdrawn")
    lines = _exported(form)
    assert not any("Withdrawn" in line for line in lines)
    before = set(OptOutEntry.objects.filter(state="active").values_list("digest", "text", "mononym"))
    OptOutEntry.objects.all().delete()
    job = make_import("".join(lines).encode(), name="again", filename=f"x.{form}")
    assert (job.added, job.refused) == (5, 0)
    assert set(OptOutEntry.objects.values_list("digest", "text", "mononym")) == before


def test_export_holds_no_formula_and_is_on_the_audit_log() -> None:
    register_as(make_user(), *names("=cmd|' /C calc'!A0", "@SUM Bee"), *hashes(f"pdq:{PDQ} +1+1"))
    cells = [cell for row in csv.reader(io.StringIO("".join(_exported()))) for cell in row]
    assert "'+1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert AuditEntry.objects.filter(action="optout.exported").count() == 1


def test_export_as_json_keeps_values_as_they_are() -> None:
    register_as(make_user(), *names("@SUM Bee"))
    [line] = _exported("jsonl")
    assert json.loads(line)["value"] == "@SUM Bee"


def test_export_is_a_stream() -> None:
    register_as(make_user(), *names("Greg Rutkowski"))
    assert isinstance(register_export(format="csv", actor=None), Iterator)
