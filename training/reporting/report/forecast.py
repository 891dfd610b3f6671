"""How likely a run memorises, or learns too little."""

from collections.abc import Sequence

from training.reporting.report.facts import STEPS_HIGH, STEPS_LOW, WANTED, Forecast, Looked, Risk, counted


def forecast_of(looked: Looked) -> Forecast:
    over, under = _over(looked), _under(looked)
    return Forecast(_risk([weight for weight, _ in over]), _risk([weight for weight, _ in under]),
                    tuple(reason for _, reason in [*over, *under]))  # fmt: skip


def _risk(weights: Sequence[int]) -> Risk:
    total = sum(weights)
    return Risk.HIGH if total >= 3 else Risk.MEDIUM if total else Risk.LOW


def _over(looked: Looked) -> list[tuple[int, str]]:
    """What makes memorising likely, with how much it weighs and its fix."""
    codes = {one.code for one in looked.advice}
    least, _ = WANTED.get(looked.aim.purpose, WANTED["style"])
    count, found = len(looked.training), list[tuple[int, str]]()
    if count < least:
        weight = 3 if count <= least // 2 else 2
        found.append(
            (weight, f"Overfitting: {counted(count)} to train on is little. Lower rank and steps, or add pictures.")
        )
    if "alike" in codes or "near-duplicates" in codes:
        found.append((1, "Overfitting: many pictures are alike. Leave near-duplicates out and vary the rest."))
    if "captions-identical" in codes or "caption-missing" in codes:
        found.append((1, "Overfitting: captions do not tell the pictures apart. Describe what differs."))
    if "lopsided" in codes:
        found.append((2, "Overfitting: one picture outweighs the rest. Give it fewer repeats."))
    each = _shown_each(looked)
    if each is not None and each > STEPS_HIGH:
        found.append((3, f"Overfitting: each picture is shown {each} times; 100 to 200 is usual. Take fewer steps."))
    return found


def _under(looked: Looked) -> list[tuple[int, str]]:
    """What makes learning too little likely."""
    codes = {one.code for one in looked.advice}
    found = list[tuple[int, str]]()
    each = _shown_each(looked)
    if each is not None and each < STEPS_LOW:
        found.append((3, f"Underfitting: each picture is shown {each} times; 100 to 200 is usual. Take more steps."))
    small = next((len(one.pictures) for one in looked.advice if one.code == "too-small"), 0)
    if small * 2 > len(looked.own) > 0:
        found.append((1, "Underfitting: most pictures are enlarged, so fine detail is not in them. Send larger ones."))
    if "trigger-missing" in codes or "no-trigger" in codes:
        found.append(
            (1, "Underfitting: the trigger word does not stand for all that is shown. Put it in every caption.")
        )
    if looked.aim.purpose in {"person", "object", "product"} and looked.diversity > 0.9 and len(looked.training) > 60:
        found.append((1, "Underfitting: the pictures have little in common for one thing. Leave out what is not it."))
    return found


def _shown_each(looked: Looked) -> int | None:
    total = len(looked.training)
    return None if looked.aim.shown is None or not total else round(looked.aim.shown / total)
