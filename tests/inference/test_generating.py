"""Drawing for real: starter adapters on the tiny base, through everything that can go wrong on the way."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from accounts.models import User
from inference import generating
from inference.engine import FAMILIES, BaseSpec, RenderRequest, applied, load_base, read_adapter, read_marks, render
from inference.engine.serving import Pattern
from inference.generated_checking import picture_check
from inference.generating import draw_next
from inference.generation_options import MULTIPLES, OTHER_MULTIPLE, PATTERNS
from inference.generation_plan import AxisKind, axis_of
from inference.generation_states import GenerationState, PictureState
from inference.models import Generation, GenerationPicture
from inference.picture_texts import TRAINED
from inference.services.generation import generation_ask
from inference.services.generation_results import generation_cancel
from registry.services.holding import version_quarantine
from tests.factories.accounts import make_user
from tests.factories.generation import STARTER, spec, starter
from tests.factories.registry import catalogue

pytestmark = pytest.mark.django_db
torch.set_num_threads(1)
PROMPT = "a large blue star on a yellow background"


@pytest.fixture(autouse=True)
def _catalogue(db: None) -> None:
    catalogue()


@pytest.fixture(autouse=True)
def _base_stays() -> Iterator[None]:
    yield
    if generating._Loaded.server is not None:
        assert generating._Loaded.slug == "tinybase"


def _drawn(generation: Generation) -> list[GenerationPicture]:
    while draw_next(worker="here"):
        pass
    return list(generation.pictures.all())


def _looked(generation: Generation) -> list[GenerationPicture]:
    for picture in _drawn(generation):
        picture_check(picture_id=str(picture.pk))
    generation.refresh_from_db()
    return list(generation.pictures.all())


def _pixels(picture: GenerationPicture) -> np.ndarray:
    with default_storage.open(picture.storage_key, "rb") as file, Image.open(io.BytesIO(file.read())) as image:
        return np.asarray(image)


def _alone(prompt: str, *names: tuple[str, float], seed: int = 7) -> np.ndarray:
    """The same picture without any of the service, straight from the engine."""
    pipe = load_base(BaseSpec(family="tinybase", location="inference/tinybase"))
    request = RenderRequest(prompt, seed=seed, steps=4, guidance=2.5, width=64, height=64)
    if not names:
        return np.asarray(render(pipe, request))
    name, weight = names[0]
    with applied(pipe, read_adapter(STARTER / f"{name}.safetensors"), weight=weight):
        return np.asarray(render(pipe, request)) if len(names) == 1 else _stacked(pipe, request, names[1:])


def _stacked(pipe: Any, request: RenderRequest, names: tuple[tuple[str, float], ...]) -> np.ndarray:
    name, weight = names[0]
    with applied(pipe, read_adapter(STARTER / f"{name}.safetensors"), weight=weight):
        return np.asarray(render(pipe, request))


def test_two_adapters_by_prompt_syntax_give_the_engines_own_picture(ada: User) -> None:
    starter(ada, "outlined")
    starter(ada, "mushroom", trigger_words=("a sks mushroom",))
    prompt = "a sks mushroom <lora:ada/outlined:0.6> <lora:mushroom:0.9>"
    made = generation_ask(actor=ada, spec=spec(prompt))
    (picture,) = _looked(made)
    assert (made.state, picture.state, picture.problem) == (GenerationState.DONE, PictureState.DONE, {})
    expected = _alone("a sks mushroom", ("outlined", 0.6), ("mushroom", 0.9))
    assert np.abs(_pixels(picture).astype(int) - expected).max() <= 2
    assert np.abs(_pixels(picture).astype(int) - _alone("a sks mushroom")).mean() > 1, "the adapters did nothing"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers, with NumPy 2
def test_picture_carries_its_marks_and_the_fields_settings(ada: User) -> None:
    version = starter(ada, "outlined")
    made = generation_ask(actor=ada, spec=spec(f"{PROMPT} <lora:ada/outlined:0.5>", negative="grey", sampler="euler"))
    (picture,) = _looked(made)
    with default_storage.open(picture.storage_key, "rb") as file:
        marks = read_marks(file.read())
    assert marks.source_type == TRAINED
    assert marks.credential is not None
    assert (marks.credential.state, marks.credential.source_type) == ("valid", TRAINED)
    assert marks.prompt == f"{PROMPT} <lora:ada/outlined:0.5>"
    assert marks.negative == "grey"
    assert marks.settings["Sampler"] == "Euler"
    assert (marks.settings["Steps"], marks.settings["Seed"], marks.settings["Size"]) == ("4", "7", "64x64")
    file = version.files.get()
    # The name is that of the tag: `infotext_pasted` of A1111's `lora_script.py` looks each tag up by it.
    assert marks.settings["Lora hashes"] == f"ada/outlined: {(file.autov3 or file.autov2)[:12]}"
    assert picture.marks == {"iptc": "trainedAlgorithmicMedia", "c2pa": True}


def test_sweep_of_strength_starts_at_the_base_alone(ada: User) -> None:
    starter(ada, "outlined")
    sweep = axis_of(AxisKind.STRENGTH, "0, 0.5, 1")
    made = generation_ask(actor=ada, spec=spec(f"{PROMPT} <lora:ada/outlined:1>", x=sweep))
    pictures = _looked(made)
    assert [(one.column_label, one.state) for one in pictures] == [
        ("strength 0", "done"), ("strength 0.5", "done"), ("strength 1", "done")
    ]  # fmt: skip
    assert np.abs(_pixels(pictures[0]).astype(int) - _alone(PROMPT)).max() <= 2
    assert np.abs(_pixels(pictures[1]).astype(int) - _alone(PROMPT, ("outlined", 0.5))).max() <= 2
    assert np.abs(_pixels(pictures[2]).astype(int) - _alone(PROMPT, ("outlined", 1.0))).max() <= 2


def test_pictures_of_several_people_are_drawn_together_and_stay_their_own(ada: User) -> None:
    starter(ada, "outlined")
    bert = make_user("bert")
    first = generation_ask(actor=ada, spec=spec(f"{PROMPT} <lora:ada/outlined:1>"))
    second = generation_ask(actor=bert, spec=spec(PROMPT, seed=9))
    assert draw_next(worker="here")
    assert not draw_next(worker="here"), "both in one run"
    assert np.abs(_pixels(first.pictures.get()).astype(int) - _alone(PROMPT, ("outlined", 1.0))).max() <= 2
    assert np.abs(_pixels(second.pictures.get()).astype(int) - _alone(PROMPT, seed=9)).max() <= 2


def test_cancelled_while_it_is_drawn_stops_at_the_next_step(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generation_ask(actor=ada, spec=spec(PROMPT, steps=30))
    report = generating.progress_report

    def cancel_first(**given: Any) -> frozenset[str]:
        if given["step"] == 1:
            generation_cancel(generation=made)
        return report(**given)

    monkeypatch.setattr(generating, "progress_report", cancel_first)
    (picture,) = _drawn(made)
    made.refresh_from_db()
    assert (picture.state, made.state, picture.storage_key) == ("cancelled", "cancelled", "")
    assert picture.step < 30


def test_adapter_that_was_held_back_meanwhile_ends_the_picture_explained(ada: User) -> None:
    version = starter(ada, "outlined")
    made = generation_ask(actor=ada, spec=spec(f"{PROMPT} <lora:ada/outlined:1>"))
    told = {"what": "Held back.", "why": "A rights holder objects.", "remedy": "Wait."}
    version_quarantine(version=version, actor=None, code="rights", **told)
    (picture,) = _drawn(made)
    assert (picture.state, picture.problem["why"]) == ("failed", "A rights holder objects.")


def test_error_that_nobody_foresaw_gives_the_picture_another_turn(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generation_ask(actor=ada, spec=spec(PROMPT))

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA error")

    with monkeypatch.context() as patched:
        patched.setattr(generating, "picture_store", breaks)
        with pytest.raises(RuntimeError, match="CUDA error"):
            draw_next(worker="breaks")
    picture = made.pictures.get()
    assert (picture.state, picture.attempts, picture.lease_token) == ("queued", 1, None)
    (picture,) = _drawn(made)
    assert (picture.state, picture.attempts) == ("checking", 2)


def test_out_of_memory_proposes_a_smaller_picture(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generation_ask(actor=ada, spec=spec(PROMPT, width=256, height=192))

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("no")

    with monkeypatch.context() as patched:
        patched.setattr(generating, "_request", full)
        assert draw_next(worker="small")
    picture = made.pictures.get()
    assert picture.state == "failed"
    assert picture.problem["proposal"] == {"width": 192, "height": 128}
    assert "192 × 128" in picture.problem["remedy"]


def test_intermediate_pictures_are_made_while_somebody_looks_and_deleted_afterwards(
    ada: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(generating, "SECONDS_BETWEEN_PREVIEWS", 0.0)
    monkeypatch.setattr(generating, "SECONDS_BETWEEN_REPORTS", 0.0)
    seen, quiet = generation_ask(actor=ada, spec=spec(PROMPT)), generation_ask(actor=ada, spec=spec(PROMPT, seed=8))
    careful = generation_ask(actor=ada, spec=spec("a child with a kite"))
    Generation.objects.filter(pk__in=[seen.pk, careful.pk]).update(watched_at=timezone.now())
    shown: list[tuple[str, int]] = []
    keep = generating.preview_store
    monkeypatch.setattr(
        generating, "preview_store", lambda **given: (shown.append((given["pk"], given["step"])), keep(**given))
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert draw_next(worker="here")
    picture = seen.pictures.get()
    assert {pk for pk, _ in shown} == {str(picture.pk)}, "nobody looks at one; words of the other ask for care"
    assert max(step for _, step in shown) <= 0.75 * 4
    assert quiet.pictures.get().state == "checking"
    assert picture.preview_key == ""
    folder = f"generated/{seen.pk}/{picture.pk}-steps"
    assert default_storage.listdir(folder)[1] == []


STACKS = ("<lora:ada/outlined:0.6>", "<lora:ada/mushroom:0.9>", "<lora:ada/outlined:0.6> <lora:ada/mushroom:0.9>", "")


@pytest.mark.parametrize(
    "pattern", [Pattern.DYNAMIC, Pattern.STATIC, pytest.param(Pattern.COMPILED, marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own imports, behind its code generator
def test_each_pattern_of_the_settings_serves_the_same_pictures(ada: User, settings: Any, pattern: Pattern) -> None:
    """Equal to `applied` within 2 of 255, whichever way the settings choose for the base model."""
    starter(ada, "outlined")
    starter(ada, "mushroom", trigger_words=("a sks mushroom",))
    settings.GENERATION_PATTERNS = {"tinybase": pattern.value}
    if pattern is Pattern.COMPILED:
        settings.GENERATION_TOGETHER = 1  # each number of rows would be compiled for itself, which takes a minute
    made = [generation_ask(actor=ada, spec=spec(f"a sks mushroom {stack}")) for stack in STACKS]
    generating._Loaded.drop()
    try:
        drawn = [_pixels(_drawn(one)[0]).astype(int) for one in made]
        assert generating._Loaded.server is not None
        assert generating._Loaded.server.pattern is pattern
    finally:
        generating._Loaded.drop()
    outlined, mushroom = ("outlined", 0.6), ("mushroom", 0.9)
    wanted = [_alone("a sks mushroom", *names) for names in ([outlined], [mushroom], [outlined, mushroom], [])]
    assert max(np.abs(picture - other).max() for picture, other in zip(drawn, wanted, strict=True)) <= 2
    assert min(np.abs(picture - drawn[-1]).mean() for picture in drawn[:-1]) > 1, "an adapter did nothing"


def test_options_of_the_web_agree_with_the_engines_families() -> None:
    """The web process never loads the engine, so it has a list of its own."""
    for slug, family in FAMILIES.items():
        assert MULTIPLES.get(slug, OTHER_MULTIPLE) == family.multiple
    assert list(PATTERNS) == list(Pattern)
