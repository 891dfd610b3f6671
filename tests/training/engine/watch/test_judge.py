"""Runs whose truth is known by construction: each fault is found, by name and step, and a sound run is left alone."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training.engine.watch.pictures import PROMPTS, motif, run, saved
from training.engine.watch import History, Sample, TrainingPicture, judge
from training.engine.watch.pairs import Gallery
from training.engine.watch.pairs import motif as without_trigger

SOUND = [(100, 0.4, 0.0), (200, 0.7, 0.05), (300, 0.9, 0.1)]
HISTORY = History(
    losses=tuple((step, 0.1) for step in range(10, 301, 10)),
    validations=tuple((step, 0.2 - step / 3000) for step in range(50, 301, 50)),
    checkpoints=(100, 200, 300),
)


def codes(folder: Path, steps: list[tuple[int, float, float]], **rest: object) -> list[tuple[str, int]]:
    found = judge(HISTORY, run(folder, steps), **rest)  # type: ignore[arg-type]
    return [(warning.code, warning.step) for warning in found.warnings]


def training(folder: Path, *, styled: float = 0.9) -> list[TrainingPicture]:
    """Ten pictures in the style, of motifs that no sample shows."""
    return [
        TrainingPicture(f"digest-{number}", saved(motif(9000 + number, styled=styled), folder / f"train-{number}.png"))
        for number in range(10)
    ]


def test_sound_run_gives_no_warning_and_its_last_checkpoint(tmp_path: Path) -> None:
    found = judge(HISTORY, run(tmp_path, SOUND), training(tmp_path))
    assert found.warnings == ()
    assert found.best_step == 300
    assert found.best is not None
    assert "100% of the strongest effect" in found.best.why


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(100, 0.4, 0.02), (200, 0.8, 0.7), (300, 0.9, 0.9)], [("trigger-leakage", 200)]),
        ([(100, 0.8, 0.8)], [("trigger-leakage", 100)]),
        ([(100, 0.01, 0.01), (200, 0.01, 0.01)], [("no-effect", 200)]),
        ([(100, 0.0, 0.0)], []),  # too early to say that it does nothing
        ([(100, 0.8, 0.15)], []),
    ],
)
def test_leakage_and_no_effect_are_told_by_the_samples(
    tmp_path: Path, steps: list[tuple[int, float, float]], expected: list[tuple[str, int]]
) -> None:
    assert codes(tmp_path, steps) == expected


def test_a_leak_in_spite_of_class_pictures_does_not_say_that_there_are_none(tmp_path: Path) -> None:
    samples = run(tmp_path, [(100, 0.8, 0.8)])
    for held, said in ((False, "Nothing in the data set"), (True, "The class pictures have not held it back so far.")):
        (warning,) = judge(HISTORY, samples, class_pictures=held).warnings
        assert warning.code == "trigger-leakage"
        assert warning.why.startswith(said)


@given(st.floats(0.3, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_measured_leak_grows_with_the_real_one(tmp_path: Path, called: float, share: float) -> None:
    gallery = Gallery.of(run(tmp_path / f"{called}-{share}", [(100, called, called * share)]), "")
    change = gallery.change(100)
    assert change is not None
    assert change.pairs == len(PROMPTS)
    if share < 0.05:
        assert change.leak < 0.3
    if share > 0.95:
        assert change.leak > 0.8
    assert -0.05 <= change.leak <= 1.1


def test_samples_pair_whatever_form_their_prompt_has(tmp_path: Path) -> None:
    assert (
        without_trigger("a {trigger} house, red", "zwx") == without_trigger("a zwx house, red", "zwx") == "a house, red"
    )
    samples = run(tmp_path, [(100, 0.9, 0.9)])
    drawn = [
        Sample(one.step, one.prompt.replace("{trigger}", "zwx" if one.with_trigger else "").strip(), *_rest(one))
        for one in samples
    ]
    (warning,) = judge(HISTORY, drawn, trigger="zwx").warnings
    assert (warning.code, warning.facts["pairs"]) == ("trigger-leakage", len(PROMPTS))


@pytest.mark.parametrize(("changed", "expected"), [(0.9, ["trigger-leakage"]), (0.0, [])])
def test_prompts_of_their_own_without_the_word_are_asked_in_place_of_twins(
    tmp_path: Path, changed: float, expected: list[str]
) -> None:
    """The twins leak fully; what counts are the recipe's own prompts without the trigger word."""
    samples = run(tmp_path, [(100, 0.9, 0.9)])
    for step, styled in ((0, 0.0), (100, changed)):
        for number in (50, 51):
            path = saved(motif(number, styled=styled), tmp_path / f"own-{step}-{number}.png")
            samples.append(Sample(step, f"plain {number}", 1, False, path))
    found = judge(HISTORY, samples).warnings
    assert [warning.code for warning in found] == expected
    assert all(warning.facts["pairs"] == 2 for warning in found)


def _rest(sample: Sample) -> tuple[int, bool, Path]:
    return sample.seed, sample.with_trigger, sample.path


def test_near_copy_names_the_training_picture(tmp_path: Path) -> None:
    pictures = training(tmp_path)
    samples = run(tmp_path, SOUND)
    copy = Image.open(pictures[4].path).convert("RGB").resize((94, 94)).resize((96, 96))
    stolen = next(place for place, one in enumerate(samples) if one.step == 200 and one.with_trigger)
    samples[stolen] = Sample(200, samples[stolen].prompt, 1, True, saved(copy, tmp_path / "copy.jpg"))
    found = judge(HISTORY, samples, pictures)
    (warning,) = [one for one in found.warnings if one.code == "near-copy"]
    assert (warning.step, warning.facts["picture"], warning.facts["samples"]) == (200, "digest-4", 1)
    assert found.best_step == 100
    assert found.best is not None
    assert "from step 200 on samples are spoilt" in found.best.why


def test_copy_that_the_base_draws_as_well_is_not_the_adapter_s(tmp_path: Path) -> None:
    pictures = [TrainingPicture("known", saved(motif(1), tmp_path / "known.png"))]
    samples = run(tmp_path, [(100, 0.0, 0.0)])  # the base's own picture of motif 0 at seed 1 is the training picture
    assert not [one for one in judge(HISTORY, samples, pictures).warnings if one.code == "near-copy"]


def test_mirrored_copy_is_found_too(tmp_path: Path) -> None:
    pictures = training(tmp_path)
    mirrored = Image.open(pictures[0].path).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sample = Sample(100, PROMPTS[0], 7, True, saved(mirrored, tmp_path / "mirrored.png"))
    assert [one.code for one in judge(HISTORY, [sample], pictures).warnings] == ["near-copy"]


def test_one_picture_for_every_prompt_is_lost_diversity(tmp_path: Path) -> None:
    samples = run(tmp_path, [(100, 0.5, 0.0)])
    one = saved(motif(5, styled=0.9), tmp_path / "one.png")
    same = [Sample(200, prompt, 1, True, one) for prompt in PROMPTS]
    found = judge(HISTORY, [*samples, *same], training(tmp_path))
    assert [(warning.code, warning.step) for warning in found.warnings] == [("diversity-lost", 200)]
    assert found.best_step == 100


def test_subject_whose_pictures_are_alike_may_be_drawn_alike(tmp_path: Path) -> None:
    """Four looks at one thing: samples as alike as the training pictures have lost nothing."""
    thing = motif(5, styled=0.9)
    shifted = [thing.transform(thing.size, Image.Transform.AFFINE, (1, 0, by, 0, 1, -by)) for by in (0, 6, 12, 18)]
    pictures = [TrainingPicture(str(n), saved(one, tmp_path / f"t{n}.png")) for n, one in enumerate(shifted)]
    turned = [one.transpose(Image.Transpose.FLIP_TOP_BOTTOM) for one in shifted]
    same = [Sample(200, PROMPTS[n], 1, True, saved(one, tmp_path / f"s{n}.png")) for n, one in enumerate(turned)]
    found = judge(HISTORY, [*run(tmp_path, []), *same], pictures)
    assert "diversity-lost" not in [warning.code for warning in found.warnings]


def test_flat_samples_are_told_apart_from_lost_diversity(tmp_path: Path) -> None:
    grey = saved(Image.new("RGB", (96, 96), (90, 90, 90)), tmp_path / "grey.png")
    samples = [*run(tmp_path, []), *(Sample(100, prompt, 1, True, grey) for prompt in PROMPTS)]
    found = [warning for warning in judge(HISTORY, samples).warnings if warning.code != "trigger-leakage"]
    assert [(warning.code, warning.facts["flat"]) for warning in found] == [("flat-samples", len(PROMPTS))]


@pytest.mark.parametrize(
    ("history", "best"),
    [
        (History(), None),
        (History(checkpoints=(100, 200)), 200),  # nothing else is known
        (History(validations=((50, 0.3), (100, 0.1), (200, 0.25)), checkpoints=(100, 200)), 100),
        (History(validations=((50, 0.3), (100, 0.1), (200, 0.1)), checkpoints=(100, 200)), 200),
        (History(validations=((100, 0.1), (200, 0.2)), checkpoints=(100, 200)), 100),  # worse from the first on
    ],
)
def test_proposal_without_samples_follows_the_validation_loss(history: History, best: int | None) -> None:
    found = judge(history, [])
    assert found.best_step == best


def test_proposal_weighs_the_effect_against_the_leak(tmp_path: Path) -> None:
    samples = run(tmp_path, [(100, 0.5, 0.02), (200, 0.9, 0.1), (300, 0.95, 0.95)])
    found = judge(HISTORY, samples)
    assert found.best_step == 200
    assert found.best is not None
    assert "shows without it" in found.best.why


def test_every_warning_says_what_why_and_what_to_do(tmp_path: Path) -> None:
    for warning in judge(HISTORY, run(tmp_path, [(200, 0.8, 0.8)])).warnings:
        for sentence in (warning.what, warning.why, warning.remedy):
            assert sentence.endswith(".")
        assert warning.message == f"{warning.what} {warning.why} {warning.remedy}"


@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), max_size=12),
    st.lists(st.integers(1, 400), max_size=5, unique=True),
)
@settings(deadline=None, max_examples=50)
def test_proposal_is_always_one_of_the_checkpoints(points: list[tuple[int, float]], checkpoints: list[int]) -> None:
    found = judge(History(validations=tuple(sorted(points)), checkpoints=tuple(checkpoints)), [])
    assert (found.best_step in checkpoints) if checkpoints else (found.best is None)


def test_sample_that_is_gone_is_an_error_and_no_pass(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        judge(HISTORY, [Sample(100, PROMPTS[0], 1, True, tmp_path / "gone.png")])
