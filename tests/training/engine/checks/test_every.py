"""Which recipes are refused, by which field, and that nothing makes the checks fail."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.engine.checks import FAMILIES, Device, Problem, Severity, Situation, problems, refused
from training.engine.config import (
    AdapterConfig,
    DataConfig,
    Kind,
    LossConfig,
    OptimConfig,
    OptimizerName,
    Precision,
    Quantisation,
    SampleConfig,
    ScheduleName,
    Targets,
    TrainConfig,
)
from training.engine.presets import preset

AROUND = Situation(24, validation=6, tokens=len)
CPU = replace(AROUND, device=Device("cpu", bitsandbytes=False))


def recipe(family: str = "sdxl", **changes: Any) -> TrainConfig:
    """A sound recipe with settings by dotted names (`__` for the dot) changed."""
    config = preset("style", family, 24, trigger="zwx").config
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        part = replace(getattr(config, section), **{key: value}) if section else value
        config = replace(config, **{section or key: part})
    return config


def convolved(**changes: Any) -> dict[str, Any]:
    return {"adapter__targets": Targets.CONVOLUTIONS, **changes}


REFUSALS: list[tuple[str, TrainConfig, Situation]] = [
    ("family", TrainConfig("sd9"), AROUND),
    # adapter
    ("adapter.rank", recipe(adapter__rank=0), AROUND),
    ("adapter.rank", recipe(adapter__kind=Kind.DORA, adapter__rank=0), AROUND),
    ("adapter.rank", recipe(adapter__kind=Kind.LOHA, adapter__rank=-4), AROUND),
    ("adapter.rank", recipe(adapter__rank=641), AROUND),
    ("adapter.rank", recipe("tinybase", adapter__rank=97), AROUND),
    ("adapter.alpha", recipe(adapter__alpha=0.0), AROUND),
    ("adapter.alpha", recipe(adapter__alpha=-8.0), AROUND),
    ("adapter.targets", recipe("flux1", **convolved()), AROUND),
    ("adapter.targets", recipe(adapter__kind=Kind.LOCON), AROUND),
    ("adapter.conv_rank", recipe(adapter__conv_rank=8), AROUND),
    ("adapter.conv_rank", recipe(**convolved(adapter__conv_rank=0)), AROUND),
    ("adapter.conv_rank", recipe(**convolved(adapter__conv_rank=321)), AROUND),
    ("adapter.conv_rank", recipe(**convolved(adapter__kind=Kind.IA3, adapter__conv_rank=8)), AROUND),
    ("adapter.lokr_factor", recipe(adapter__lokr_factor=8), AROUND),
    ("adapter.lokr_factor", recipe(adapter__kind=Kind.LOKR, adapter__lokr_factor=1), AROUND),
    ("adapter.vectors", recipe(adapter__vectors=4), AROUND),
    ("adapter.vectors", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION, adapter__vectors=0), AROUND),
    ("adapter.vectors", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION, adapter__vectors=76), AROUND),
    ("adapter.dropout", recipe(adapter__dropout=1.0), AROUND),
    ("adapter.dropout", recipe(adapter__dropout=-0.1), AROUND),
    ("adapter.dropout", recipe(adapter__kind=Kind.IA3, adapter__dropout=0.1), AROUND),
    ("adapter.dropout", recipe(adapter__kind=Kind.DORA, adapter__dropout=0.1), AROUND),
    ("adapter.targets", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION), AROUND),
    ("adapter.text_encoders", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION, adapter__text_encoders=True), AROUND),
    ("adapter.kind", recipe("flux1", adapter__kind=Kind.TEXTUAL_INVERSION), AROUND),
    ("trigger", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION, trigger=""), AROUND),
    ("trigger", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION, trigger="zwx cat"), AROUND),
    # data
    ("data.resolution", recipe(data__resolution=1000), AROUND),
    ("data.resolution", recipe(data__resolution=0), AROUND),
    ("data.resolution", recipe(data__resolution=4096), AROUND),
    ("data.resolution", recipe("tinybase", data__resolution=128), AROUND),
    ("data.bucket_step", recipe(data__bucket_step=24), AROUND),
    ("data.bucket_step", recipe(data__bucket_step=0), AROUND),
    ("data.bucket_step", recipe("sd1", data__bucket_step=576), AROUND),
    ("pictures", recipe(), replace(AROUND, pictures=0)),
    ("data.batch", recipe(data__batch=0), AROUND),
    ("data.batch", recipe(data__batch=65), AROUND),
    ("data.batch", recipe(data__batch=25), AROUND),
    ("data.accumulation", recipe(data__accumulation=0), AROUND),
    ("data.caption_dropout", recipe(data__caption_dropout=1.1), AROUND),
    ("data.caption_dropout", recipe(data__caption_dropout=-0.1), AROUND),
    ("data.caption_dropout", recipe(data__caption_dropout=1.0), AROUND),
    ("data.cache_text", recipe(adapter__text_encoders=True), AROUND),
    ("data.cache_text", recipe("sd1", adapter__kind=Kind.TEXTUAL_INVERSION), AROUND),
    ("data.cache_text", recipe(data__tag_shuffle=True), AROUND),
    ("data.prior_weight", recipe(data__prior_weight=1.0), AROUND),
    ("data.prior_weight", recipe(data__prior_weight=-1.0), replace(AROUND, class_pictures=10)),
    # loss
    ("loss.min_snr_gamma", recipe("flux1", loss__min_snr_gamma=5.0), AROUND),
    ("loss.min_snr_gamma", recipe(loss__min_snr_gamma=0.0), AROUND),
    ("loss.noise_offset", recipe("flux1", loss__noise_offset=0.05), AROUND),
    ("loss.noise_offset", recipe(loss__noise_offset=-0.1), AROUND),
    ("loss.noise_offset", recipe(loss__noise_offset=1.5), AROUND),
    ("loss.timestep_sampling", recipe(loss__timestep_sampling="gaussian"), AROUND),
    ("loss.guidance", recipe(loss__guidance=3.5), AROUND),
    ("loss.guidance", recipe("flux1", loss__guidance=-1.0), AROUND),
    # optimizer
    ("optim.learning_rate", recipe(optim__optimizer=OptimizerName.PRODIGY), AROUND),
    ("optim.learning_rate", recipe(optim__learning_rate=0.0), AROUND),
    ("optim.learning_rate", recipe(optim__learning_rate=1.0), AROUND),
    ("optim.text_learning_rate", recipe(optim__text_learning_rate=1e-5), AROUND),
    (
        "optim.text_learning_rate",
        recipe("tinybase", optim__text_learning_rate=0.0),
        AROUND,
    ),
    (
        "optim.text_learning_rate",
        recipe(
            "tinybase",
            optim__optimizer=OptimizerName.PRODIGY,
            optim__learning_rate=1.0,
            optim__text_learning_rate=1e-5,
        ),
        AROUND,
    ),
    ("optim.weight_decay", recipe(optim__weight_decay=-0.1), AROUND),
    ("optim.max_grad_norm", recipe(optim__max_grad_norm=-1.0), AROUND),
    ("optim.warmup_steps", recipe(optim__warmup_steps=-1), AROUND),
    ("optim.warmup_steps", recipe(optim__warmup_steps=100_000), AROUND),
    ("optim.ema_decay", recipe(optim__ema_decay=1.0), AROUND),
    ("optim.ema_decay", recipe(optim__ema_decay=0.0), AROUND),
    ("optim.ema_decay", recipe(optim__ema_decay=0.9999), AROUND),
    ("optim.quantisation", recipe(optim__quantisation=Quantisation.NF4), CPU),
    ("optim.quantisation", recipe(optim__quantisation=Quantisation.NF4, adapter__kind=Kind.FULL), AROUND),
    ("optim.quantisation", recipe(optim__quantisation=Quantisation.NF4, adapter__kind=Kind.DORA), AROUND),
    ("optim.optimizer", recipe(optim__optimizer=OptimizerName.ADAMW_8BIT), CPU),
    ("optim.optimizer", recipe(optim__optimizer=OptimizerName.ADAMW_8BIT), replace(AROUND, device=Device("mps"))),
    ("optim.precision", recipe(optim__precision=Precision.FP16), CPU),
    ("optim.precision", recipe(), replace(AROUND, device=Device(bf16=False))),
    # run
    ("steps", recipe(steps=0), AROUND),
    ("steps", recipe(steps=100_001), AROUND),
    ("checkpoint_every", recipe(checkpoint_every=0), AROUND),
    ("checkpoint_every", recipe(steps=300, checkpoint_every=301), AROUND),
    ("keep_checkpoints", recipe(keep_checkpoints=0), AROUND),
    ("validate_every", recipe(validate_every=0), AROUND),
    ("validate_every", recipe(steps=600, validate_every=601), AROUND),
    ("seed", recipe(seed=-1), AROUND),
    ("samples.every", recipe(samples__every=0), AROUND),
    ("samples.seeds", recipe(samples__seeds=()), AROUND),
    ("samples.seeds", recipe(samples__seeds=(-1,)), AROUND),
    ("samples.prompts", recipe(samples__seeds=tuple(range(40))), AROUND),
    ("samples.prompts", recipe(trigger=""), AROUND),
    ("samples.width", recipe(samples__width=1000), AROUND),
    ("samples.height", recipe(samples__height=64), AROUND),
    ("samples.steps", recipe(samples__steps=0), AROUND),
    ("samples.guidance", recipe(samples__guidance=-1.0), AROUND),
    ("samples.strength", recipe(samples__strength=0.0), AROUND),
    ("trigger", recipe(trigger=" zwx"), AROUND),
    ("trigger", recipe(trigger="z\nwx"), AROUND),
    ("trigger", recipe(trigger="{trigger}"), AROUND),
]


@pytest.mark.parametrize(("field", "config", "around"), REFUSALS)
def test_bad_combination_is_refused_by_its_field(field: str, config: TrainConfig, around: Situation) -> None:
    assert field in [problem.field for problem in refused(problems(config, around))]


ADVICE: list[tuple[str, TrainConfig, Situation]] = [
    ("pictures", recipe(), replace(AROUND, pictures=3)),
    ("adapter.alpha", recipe(adapter__alpha=128.0), AROUND),
    ("data.caption_dropout", recipe(data__caption_dropout=0.5), AROUND),
    ("data.prior_weight", recipe(), replace(AROUND, class_pictures=10)),
    ("data.prior_weight", recipe(data__prior_weight=5.0), replace(AROUND, class_pictures=10)),
    ("steps", recipe(steps=20_000), AROUND),
    ("loss.noise_offset", recipe(loss__noise_offset=0.5), AROUND),
    ("loss.noise_offset", recipe("tinybase", loss__noise_offset=0.1), AROUND),
    ("optim.learning_rate", recipe(optim__learning_rate=5e-3), AROUND),
    ("optim.precision", recipe(optim__quantisation=Quantisation.NF4, optim__precision=Precision.FP32), AROUND),
    ("optim.max_grad_norm", recipe(optim__max_grad_norm=0.0), AROUND),
    ("validate_every", recipe(), replace(AROUND, validation=0)),
    ("samples.every", recipe(steps=600, samples__every=601), AROUND),
    ("samples.prompts", recipe(samples__prompts=()), AROUND),
    ("samples.prompts", recipe(samples__prompts=("a house",)), AROUND),
    ("trigger", recipe(trigger="", samples__prompts=("a house",)), AROUND),
    ("trigger", recipe(trigger="red house"), AROUND),
    ("trigger", recipe(trigger="zwxqvbnm"), AROUND),
]


@pytest.mark.parametrize(("field", "config", "around"), ADVICE)
def test_doubtful_setting_gives_advice_and_may_start(field: str, config: TrainConfig, around: Situation) -> None:
    found = problems(config, around)
    assert refused(found) == ()
    assert field in [problem.field for problem in found]


SOUND: list[tuple[TrainConfig, Situation]] = [
    (recipe(data__flip=True), AROUND),  # both sides are cached
    (recipe(data__caption_dropout=0.2), AROUND),  # the empty caption is cached
    (recipe(data__tag_shuffle=True, data__cache_text=False), AROUND),
    (recipe(**convolved(adapter__kind=Kind.LOCON, adapter__conv_rank=8)), AROUND),
    (recipe(adapter__kind=Kind.LOKR, adapter__lokr_factor=8, optim__learning_rate=5e-3), AROUND),
    (recipe(adapter__kind=Kind.FULL, adapter__rank=0, adapter__alpha=0.0), AROUND),
    (recipe(adapter__kind=Kind.IA3, adapter__rank=0, optim__learning_rate=2e-2), AROUND),
    (
        recipe(
            "sd1",
            adapter__kind=Kind.TEXTUAL_INVERSION,
            adapter__targets=Targets.ATTENTION,
            data__cache_text=False,
            trigger="<zwx>",
        ),
        AROUND,
    ),
    (recipe(optim__quantisation=Quantisation.NF4), AROUND),
    (recipe(optim__optimizer=OptimizerName.PRODIGY, optim__learning_rate=1.0), AROUND),
    (recipe("flux1", loss__guidance=3.5), AROUND),
    (recipe(data__prior_weight=1.0), replace(AROUND, class_pictures=10)),
    (recipe(optim__ema_decay=0.99), AROUND),
    (recipe(data__buckets=False), AROUND),
    (recipe(optim__quantisation=Quantisation.NF4, adapter__kind=Kind.LOKR), AROUND),
    (recipe(), replace(AROUND, device=None)),
    (recipe(trigger="zwx style"), AROUND),
]


@pytest.mark.parametrize(("config", "around"), SOUND)
def test_sound_recipe_has_no_problem(config: TrainConfig, around: Situation) -> None:
    assert problems(config, around) == ()


def test_refusals_come_first_and_say_what_why_and_what_to_do() -> None:
    found = problems(recipe(steps=20_000, adapter__rank=0, trigger="red"), AROUND)
    order = [problem.severity for problem in found]
    assert order == sorted(order, key=lambda severity: severity is Severity.ADVICE)
    assert {Severity.REFUSED, Severity.ADVICE} == set(order)
    for problem in found:
        for sentence in (problem.what, problem.why, problem.remedy):
            assert sentence[0].isupper() or not sentence[0].isalpha()
            assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"adapter__rank": "16"}, "adapter.rank"),
        ({"adapter__rank": True}, "adapter.rank"),
        ({"adapter__alpha": float("nan")}, "adapter.alpha"),
        ({"adapter__alpha": None}, "adapter.alpha"),
        ({"optim__learning_rate": float("inf")}, "optim.learning_rate"),
        ({"adapter__kind": "lora"}, "adapter.kind"),
        ({"samples__prompts": "a house"}, "samples.prompts"),
        ({"samples__prompts": (1,)}, "samples.prompts"),
        ({"steps": 10**30}, "steps"),
        ({"adapter": None}, "adapter"),
        ({"data": {"batch": 1}}, "data"),
        ({"trigger": 7}, "trigger"),
    ],
)
def test_value_of_another_type_is_named_before_anything_is_compared(changes: dict[str, Any], field: str) -> None:
    found = problems(recipe(**changes), AROUND)
    assert [problem.field for problem in found] == [field]
    assert found == refused(found)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.tuples(st.integers()), st.just({})
)
numbers = st.one_of(st.integers(-3, 2000), st.floats(), st.sampled_from([0.0, 1.0, 5.0, 1e-4, 10**20]))


def section(_kind: type[Any], **words: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A section with each setting either of its kind (any number) or anything at all."""
    names = _kind.__dataclass_fields__
    return st.fixed_dictionaries(
        {}, optional={name: words.get(name, st.booleans()) | numbers | anything for name in names}
    ).map(lambda values: _kind(**values))


configs = st.builds(
    TrainConfig,
    family=st.sampled_from([*FAMILIES, "sd9"]) | anything,
    trigger=st.text(max_size=12) | anything,
    steps=numbers | anything,
    seed=numbers,
    checkpoint_every=numbers,
    keep_checkpoints=numbers,
    validate_every=numbers,
    adapter=section(AdapterConfig, kind=st.sampled_from(Kind), targets=st.sampled_from(Targets)),
    data=section(DataConfig),
    loss=section(LossConfig, timestep_sampling=st.sampled_from(["uniform", "logit-normal", ""])),
    optim=section(
        OptimConfig,
        optimizer=st.sampled_from(OptimizerName),
        schedule=st.sampled_from(ScheduleName),
        precision=st.sampled_from(Precision),
        quantisation=st.sampled_from(Quantisation),
    ),
    samples=section(
        SampleConfig,
        prompts=st.lists(st.text(max_size=5), max_size=3).map(tuple),
        seeds=st.lists(st.integers(-2, 9), max_size=3).map(tuple),
    )
    | anything,
)


@given(
    configs, st.integers(-1, 50), st.integers(-1, 9), st.integers(-1, 9), st.sampled_from(["cpu", "cuda", "mps", ""])
)
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_problems_never_raises_whatever_a_recipe_holds(
    config: TrainConfig, pictures: int, validation: int, class_pictures: int, device: str
) -> None:
    found = problems(config, Situation(pictures, validation, class_pictures, Device(device), tokens=len))
    assert all(isinstance(problem, Problem) and problem.what and problem.why and problem.remedy for problem in found)


typed_numbers = st.integers(-3, 300)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_recipe_with_numbers_of_the_right_types_never_raises(data: st.DataObject) -> None:
    """Right types reach every rule; wrong ones stop at the first."""
    base = preset("style", data.draw(st.sampled_from(sorted(FAMILIES))), 24, trigger="zwx").config.to_json()
    for name, value in list(base.items()):
        part = value if isinstance(value, dict) else base
        for key in part if isinstance(value, dict) else [name]:
            if isinstance(part[key], bool):
                part[key] = data.draw(st.booleans())
            elif type(part[key]) is int:
                part[key] = data.draw(st.just(part[key]) | typed_numbers)
            elif type(part[key]) is float:
                part[key] = data.draw(st.just(part[key]) | st.floats(-2, 2))
    base["adapter"]["kind"] = data.draw(st.sampled_from(Kind))
    base["optim"]["optimizer"] = data.draw(st.sampled_from(OptimizerName))
    config = TrainConfig.from_json(base)
    around = Situation(data.draw(st.integers(0, 30)), data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3)))
    assert all(problem.remedy for problem in problems(config, around))
