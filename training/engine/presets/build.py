"""From the files to a recipe: which value wins, and what follows from the number of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.engine.config import TrainConfig
from training.engine.presets.files import (
    FREE,
    PresetInvalid,
    Value,
    defaults,
    family,
    purpose,
    setting_defaults,
    sources,
)

CHECKPOINT, VALIDATION = 500, 100  # steps, in runs that are long enough
WARM_UP = 100  # steps at most
MOST = 10_000  # steps, with however many pictures
ROUND = 50  # steps are a multiple of this, so that checkpoints and samples fall on round numbers


@dataclass(frozen=True)
class Preset:
    """A recipe ready to run, and for every setting one sentence that says why and what that rests on."""

    purpose: str
    family: str
    config: TrainConfig
    reasons: Mapping[str, str]
    sources: Mapping[str, str]


def preset(purpose_name: str, family_name: str, pictures: int, *, trigger: str = "", class_pictures: int = 0) -> Preset:
    """The preset of a purpose for a base family and a number of training pictures.

    Class pictures, where there are some, are used for prior preservation.
    Raises KeyError for a purpose or family that has none, and ValueError without a picture.
    """
    if pictures < 1:
        raise ValueError("A recipe needs at least one training picture; its steps are counted from them.")
    wanted, base = purpose(purpose_name), family(family_name)
    chosen = {**defaults(), **wanted.settings, **base.settings, **wanted.by_family.get(family_name, {})}
    if chosen["data.batch"].value > pictures:
        why = "A batch cannot hold more pictures than there are."
        chosen["data.batch"] = Value(pictures, why, chosen["data.batch"].source)
    values = chosen | _counted(base.views or wanted.views, chosen, pictures, class_pictures) | _prior(class_pictures)
    config = TrainConfig.from_json(_nested(values, family_name, trigger))
    _complete(config, values)
    return Preset(
        purpose_name,
        family_name,
        config,
        {name: value.why for name, value in values.items()},
        {name: sources()[value.source] for name, value in values.items()},
    )


def _counted(views: Value, values: Mapping[str, Value], pictures: int, class_pictures: int) -> dict[str, Value]:
    """Steps from the number of pictures, and what is timed by them.

    `views` are looks at each picture: steps where a step sees one picture, half as many where it sees two. Class
    pictures take every second place, so that there are twice as many steps.
    """
    together = values["data.batch"].value * values["data.accumulation"].value
    looks = views.value * pictures * (2 if class_pictures else 1)
    steps = min(MOST, max(ROUND, round(looks / together / ROUND) * ROUND))
    spaced = max(ROUND // 2, steps // 8 // 25 * 25)
    said = views.why.format(views=views.value, pictures=pictures)
    said += f" No more than {MOST:,} steps: with so many pictures fewer looks do." if steps == MOST else ""
    said += " Every second picture that is looked at is a class picture." if class_pictures else ""
    checkpoint = min(CHECKPOINT, max(ROUND, steps // 4 // ROUND * ROUND))
    return {
        "steps": Value(
            steps, said + (f" {together} at a time make {steps} steps." if together > 1 else ""), views.source
        ),
        "checkpoint_every": Value(
            checkpoint, "Often enough to go back to where it was best; 500 in long runs.", "kohya"
        ),
        "validate_every": Value(min(VALIDATION, spaced), "Often enough to see the validation loss turn.", "kohya"),
        "samples.every": Value(spaced, "About eight rows of samples show the way from nothing to too much.", "kohya"),
        "optim.warmup_steps": Value(
            min(WARM_UP, steps // 10),
            "A tenth of the run, 100 steps at most, lets the optimizer find its scale.",
            "adamw",
        ),
    }


def _prior(class_pictures: int) -> dict[str, Value]:
    if not class_pictures:
        return {}
    why = f"The {class_pictures} class pictures count as much as the others, so that the base keeps its own pictures."
    return {"data.prior_weight": Value(1.0, why, "dreambooth")}


def _nested(values: Mapping[str, Value], family_name: str, trigger: str) -> dict[str, Any]:
    found: dict[str, Any] = {"family": family_name, "trigger": trigger}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        place = found.setdefault(section, {}) if section else found
        place[key] = value.value
    return found


def _complete(config: TrainConfig, values: Mapping[str, Value]) -> None:
    """Every setting that a recipe has must have a value with a reason. Raises PresetInvalid."""
    if missing := sorted(set(setting_defaults()) - FREE - set(values)):
        raise PresetInvalid(f"The presets for {config.family} give no value for “{missing[0]}”.")
