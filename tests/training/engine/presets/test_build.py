"""Every preset is complete, explained, and passes its own checks."""

import itertools
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.checks import FAMILIES, Device, Situation, problems
from training.engine.config import TrainConfig
from training.engine.presets import families, preset, purposes
from training.engine.presets.files import COMPUTED, FREE, setting_defaults

PURPOSES = [one.name for one in purposes()]
ALL = list(itertools.product(PURPOSES, [one.name for one in families()]))


def test_presets_cover_every_purpose_and_family() -> None:
    assert set(PURPOSES) == {"style", "character", "object", "concept", "product"}
    assert {one.name for one in families()} == set(FAMILIES)


@given(st.sampled_from(ALL), st.integers(1, 300), st.integers(0, 40), st.booleans())
@settings(deadline=None)
def test_preset_passes_its_checks_for_any_number_of_pictures(
    which: tuple[str, str], pictures: int, class_pictures: int, on_cpu: bool
) -> None:
    made = preset(*which, pictures, trigger="blorp", class_pictures=class_pictures)
    device = Device("cpu", bitsandbytes=False) if on_cpu else Device()
    around = Situation(pictures, validation=2, class_pictures=class_pictures, device=device)
    found = problems(made.config, around)
    assert [problem for problem in found if problem.field != "pictures"] == []


@pytest.mark.parametrize(("purpose", "family"), ALL)
def test_preset_gives_every_setting_a_sentence_and_a_source(purpose: str, family: str) -> None:
    made = preset(purpose, family, 24)
    assert set(made.reasons) == set(made.sources) == set(setting_defaults()) - FREE
    for name, why in made.reasons.items():
        assert why[0].isupper(), name
        assert why.endswith("."), name
        assert "{" not in why, name


@pytest.mark.parametrize(("purpose", "family"), [pair for pair in ALL if pair[1] != "tinybase"])
@pytest.mark.parametrize("pictures", [10, 24, 50])
def test_preset_looks_100_to_200_times_at_each_picture(purpose: str, family: str, pictures: int) -> None:
    config = preset(purpose, family, pictures).config
    looks = config.steps * config.data.batch * config.data.accumulation / pictures
    assert 95 <= looks <= 205
    assert config.checkpoint_every <= 500
    assert config.steps / config.checkpoint_every >= 2


@pytest.mark.parametrize(("purpose", "family"), [pair for pair in ALL if pair[1] != "tinybase"])
def test_preset_keeps_to_the_defaults_of_the_field(purpose: str, family: str) -> None:
    config = preset(purpose, family, 20).config
    assert config.adapter.alpha == config.adapter.rank / 2
    assert 5e-5 <= config.optim.learning_rate <= 1e-4
    low, high = (16, 64) if family == "flux1" else {"style": (4, 16), "character": (32, 64)}.get(purpose, (8, 64))
    assert low <= config.adapter.rank <= high
    assert (config.loss.min_snr_gamma is None) == (family == "flux1")


def test_class_pictures_turn_prior_preservation_on_and_double_the_steps() -> None:
    alone, with_class = preset("style", "sdxl", 20), preset("style", "sdxl", 20, class_pictures=30)
    assert (alone.config.data.prior_weight, with_class.config.data.prior_weight) == (0.0, 1.0)
    assert with_class.config.steps == 2 * alone.config.steps
    assert "30 class pictures" in with_class.reasons["data.prior_weight"]


def test_more_pictures_mean_more_steps() -> None:
    counted = [preset("object", "sd1", pictures).config.steps for pictures in (5, 10, 20, 40)]
    assert counted == sorted(set(counted))


def test_preset_survives_being_stored() -> None:
    config = preset("character", "flux1", 30, trigger="ohwx").config
    assert TrainConfig.from_json(config.to_json()) == config


def test_preset_of_an_unknown_purpose_or_no_pictures_is_an_error() -> None:
    with pytest.raises(KeyError, match="no preset for “poem”"):
        preset("poem", "sd1", 5)
    with pytest.raises(KeyError, match="no preset for “sd9”"):
        preset("style", "sd9", 5)
    with pytest.raises(ValueError, match="at least one training picture"):
        preset("style", "sd1", 0)


def test_computed_settings_are_not_in_the_files() -> None:
    assert set(setting_defaults()) > COMPUTED


def test_presets_and_checks_load_no_torch() -> None:
    code = "import sys, training.engine.presets, training.engine.checks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
