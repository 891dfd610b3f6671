"""The report, in tables: each remark appears when its reason is there, and not otherwise."""

import json
from dataclasses import replace

import pytest

from training.reporting.report import Aim, DatasetReport, Level, PictureFacts, Risk, dataset_report, diversity

AIM = Aim(purpose="style", trigger="sks", side=512)


def picture(number: int, **changes: object) -> PictureFacts:
    """A good picture, unlike the others."""
    bits = (number * 0x9E3779B97F4A7C15) % 2**64
    colours = bytes((number * 37 + place * (number + 3) * 7) % 256 for place in range(192))
    plain = PictureFacts(
        path=f"{number:03}.png", width=768, height=768, sharpness=400.0, phash=bits, colours=colours,
        caption=f"sks, picture {number} of a garden wall", is_validation=number % 5 == 0,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def good(count: int = 30) -> list[PictureFacts]:
    return [picture(number) for number in range(1, count + 1)]


def codes(report: DatasetReport) -> set[str]:
    return {one.code for one in report.advice}


def test_good_set_has_nothing_to_complain_of() -> None:
    report = dataset_report(good(), AIM)
    assert codes(report) == set()
    assert (report.forecast.overfitting, report.forecast.underfitting) == (Risk.LOW, Risk.LOW)
    assert (report.pictures, report.validation, report.prior, report.captioned) == (24, 6, 0, 30)
    assert [(one.width, one.height, one.pictures) for one in report.buckets] == [(512, 512, 30)]
    assert report.with_trigger == 30
    assert 0.4 < report.diversity <= 1


def test_empty_set_has_a_report() -> None:
    report = dataset_report([], AIM)
    assert report.pictures == 0
    assert report.buckets == ()
    assert json.dumps(report.to_json())


def with_all(**changes: object) -> list[PictureFacts]:
    return [replace(one, **changes) for one in good()]  # type: ignore[arg-type]


def with_first(count: int, **changes: object) -> list[PictureFacts]:
    return [replace(one, **changes) if n < count else one for n, one in enumerate(good())]  # type: ignore[arg-type]


CASES = {
    "few-pictures": (good(10), AIM, Level.SERIOUS),
    "no-validation": (with_all(is_validation=False), AIM, Level.WARNING),
    "too-small": (with_first(3, width=200, height=200), AIM, Level.WARNING),
    "very-long": (with_first(2, width=2000, height=500), AIM, Level.NOTE),
    "soft": (with_first(2, sharpness=12.0), AIM, Level.WARNING),
    "near-duplicates": (with_first(3, near_group=1), AIM, Level.WARNING),
    "alike": (with_all(phash=0, colours=bytes(192)), AIM, Level.WARNING),
    "lopsided": (with_first(1, repeats=900), AIM, Level.SERIOUS),
    "caption-missing": (with_first(4, caption=" "), AIM, Level.WARNING),
    "captions-identical": (with_all(caption="sks, a garden wall"), AIM, Level.WARNING),
    "caption-short": (with_first(2, caption="sks wall"), AIM, Level.NOTE),
    "trigger-missing": (with_first(2, caption="a wall in the rain"), AIM, Level.SERIOUS),
    "no-trigger": (good(), replace(AIM, trigger=" "), Level.WARNING),
    "caption-overflow": (with_first(1, caption="sks " + "very " * 80 + "old wall"), AIM, Level.WARNING),
    "caption-overflow-likely": (
        with_first(1, caption="sks " + "chrysanthemums " * 40),
        AIM,
        Level.NOTE,
    ),
    "no-class-pictures": (good(), replace(AIM, purpose="person", class_word="man"), Level.NOTE),
}


@pytest.mark.parametrize("code", CASES)
def test_remark_appears_alone_with_its_level_and_its_fix(code: str) -> None:
    pictures, aim, level = CASES[code]
    found = {one.code: one for one in dataset_report(pictures, aim).advice}
    assert code in found
    assert found[code].level is level
    assert found[code].what
    assert found[code].why
    assert found[code].remedy
    beside = {"captions-identical": {"alike"}, "lopsided": set()}
    assert set(found) - {code} <= beside.get(code, set())


@pytest.mark.parametrize(
    ("code", "count"),
    [("too-small", 3), ("soft", 2), ("near-duplicates", 3), ("caption-missing", 4), ("trigger-missing", 2)],
)
def test_remark_names_its_pictures(code: str, count: int) -> None:
    pictures, aim, _ = CASES[code]
    found = next(one for one in dataset_report(pictures, aim).advice if one.code == code)
    assert found.pictures == tuple(f"{n:03}.png" for n in range(1, count + 1))


def test_many_single_buckets_are_noted() -> None:
    sizes = [(1000, 520), (900, 560), (900, 700), (700, 900), (520, 1000)]
    odd = [replace(picture(n + 40, is_validation=False), width=w, height=h) for n, (w, h) in enumerate(sizes)]
    assert "lonely-buckets" not in codes(dataset_report([*good(), *odd[:3]], replace(AIM, side=1024)))
    assert "lonely-buckets" in codes(dataset_report([*good(), *odd], replace(AIM, side=1024)))


def test_class_pictures_are_counted_apart_and_answer_the_remark() -> None:
    aim = replace(AIM, purpose="object")
    report = dataset_report([*good(), picture(99, is_prior=True, is_validation=False, caption="")], aim)
    assert report.prior == 1
    assert codes(report) == set()


def test_serious_remarks_come_first() -> None:
    levels = [one.level for one in dataset_report(with_first(9, caption="", sharpness=1.0)[:12], AIM).advice]
    assert levels == sorted(levels, key=list(Level).index)


@pytest.mark.parametrize(
    ("pictures", "aim", "over", "under"),
    [
        (good(), replace(AIM, shown=24 * 150), Risk.LOW, Risk.LOW),
        (good(), replace(AIM, shown=24 * 400), Risk.HIGH, Risk.LOW),
        (good(), replace(AIM, shown=24 * 10), Risk.LOW, Risk.HIGH),
        (good(14), AIM, Risk.MEDIUM, Risk.LOW),
        (good(5), AIM, Risk.HIGH, Risk.LOW),
        (with_all(caption="sks, one caption for all"), AIM, Risk.MEDIUM, Risk.LOW),
        (good(), replace(AIM, trigger=""), Risk.LOW, Risk.MEDIUM),
        (with_all(width=100, height=100), AIM, Risk.LOW, Risk.MEDIUM),
    ],
)
def test_forecast_follows_the_reasons(pictures: list[PictureFacts], aim: Aim, over: Risk, under: Risk) -> None:
    forecast = dataset_report(pictures, aim).forecast
    assert (forecast.overfitting, forecast.underfitting) == (over, under)
    assert bool(forecast.reasons) == (over is not Risk.LOW or under is not Risk.LOW)
    assert all(reason.startswith(("Overfitting:", "Underfitting:")) for reason in forecast.reasons)


def test_diversity_is_none_of_copies_and_much_of_strangers() -> None:
    assert diversity([picture(1)] * 5) == 0.0
    assert diversity(good()) > 0.4
    assert diversity([picture(1)]) == 0.0
