"""Every kind on every family: a few steps, and the file acts in the inference engine as the network did in training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from inference.engine import BaseSpec, applied, load_base, read_adapter
from registry.artifacts import compare_embedded_hashes, hash_file, inspect_file
from tests.factories.trainer import Trial, config, trial
from tests.inference.engine import pipelines
from training.engine import Control, Item, TrainingError, Verified
from training.engine.buckets import Bucket, Fit
from training.engine.config import Kind, Targets
from training.engine.families import Family, family_of
from training.engine.setup import setup

QUICK = (Kind.LORA, Kind.LOHA)  # the others go the same ways, among the slow tests
NETWORKS = [
    pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow)
    for kind in Kind
    if kind is not Kind.TEXTUAL_INVERSION
]
FAMILIES = ("sd1", pytest.param("sdxl", marks=pytest.mark.slow), pytest.param("flux1", marks=pytest.mark.slow))
INSPECTED = {Kind.LORA: {"lora"}, Kind.LOCON: {"locon", "lora"}}
SIDE = Bucket(32, 32)


def _prediction(family: Family, prompt: str) -> Tensor:
    """What the denoiser answers to some noise and a prompt."""
    channels = family.pipe.vae.config.latent_channels
    side = SIDE.width // family.pipe.vae_scale_factor
    noise = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(1))
    time = torch.tensor([0.5]) if family.slug == "flux1" else torch.tensor([500])
    with torch.no_grad():
        text = family.encode_text([prompt])
        return family.predict(noise, time, text, [Fit(SIDE, SIDE, 0, 0, SIDE)])


def _trained(one: Trial, prompt: str) -> tuple[Tensor, Tensor]:
    """(the base's answer, the trained network's answer), from the last checkpoint."""
    session = setup(one.job, lambda event: None, lambda: Control.GO, at=one.job.config.steps)
    with session.averaged():
        with session.network.at(0.0):
            base = _prediction(session.family, prompt)
        with session.network.at(1.0):
            return base, _prediction(session.family, prompt)


@pytest.fixture(params=FAMILIES)
def base(request: pytest.FixtureRequest) -> tuple[str, Path]:
    return request.param, request.getfixturevalue(request.param)


@pytest.mark.parametrize("kind", NETWORKS)
def test_kind_trains_and_its_files_act_as_it_did(
    base: tuple[str, Path], items: tuple[Item, ...], tmp_path: Path, kind: Kind
) -> None:
    family, location = base
    adapter = {
        "kind": kind,
        "rank": 2,
        "conv_rank": 3,
        "alpha": 1.5,
        "targets": Targets.CONVOLUTIONS if kind is not Kind.LORA else Targets.ATTENTION,
        "text_encoders": True,
        "lokr_factor": 2,
    }
    one = trial(location, tmp_path, config(family, steps=2, checkpoint_every=2, adapter=adapter), items)
    files = one.run().files
    assert {file.layout for file in files} == _layouts(kind, family)
    plain, wanted = _trained(one, "sks, a red circle")
    effect = float((wanted - plain).abs().max())
    assert effect > 1e-4 * float(plain.abs().max())
    pipe = load_base(BaseSpec(family, str(location)))
    for file in files:
        with applied(pipe, read_adapter(file.path)) as report:
            found = _prediction(family_of(pipe, family, one.job.config.loss), "sks, a red circle")
        assert report.skipped == []
        assert float((found - wanted).abs().max()) < 2e-2 * effect + 1e-5 * float(plain.abs().max())
        inspected = inspect_file(file.path)
        assert set(inspected.kinds) <= INSPECTED.get(kind, {str(kind)})
        assert inspected.layout == file.layout
        assert {warning.code for warning in inspected.warnings} <= {"family-unknown", "metadata-family"}


def _layouts(kind: Kind, family: str) -> set[str]:
    if kind in {Kind.LORA, Kind.LOCON, Kind.DORA}:
        return {"kohya", "diffusers"}
    return {"lycoris"} if family == "flux1" else {"kohya"}


@pytest.mark.parametrize(
    ("family", "pipeline"),
    [
        ("sd1", StableDiffusionPipeline),
        pytest.param("sdxl", StableDiffusionXLPipeline, marks=pytest.mark.slow),
        pytest.param("flux1", FluxPipeline, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("text", [pytest.param(False, marks=pytest.mark.slow), True])
def test_lora_loads_in_diffusers_itself_and_acts(
    request: pytest.FixtureRequest, items: tuple[Item, ...], tmp_path: Path, family: str, pipeline: Any, text: bool
) -> None:
    location = request.getfixturevalue(family)
    recipe = config(family, adapter={"text_encoders": text, "targets": Targets.FEED_FORWARD}, steps=2)
    one = trial(location, tmp_path, recipe, items)
    files = one.run().files
    plain, wanted = _trained(one, "sks, a red circle")
    effect = float((wanted - plain).abs().max())
    for file in files:
        if family == "flux1" and file.layout == "kohya":
            continue  # diffusers has the widths of the published FLUX.1 written into its reading of this layout
        pipe = pipeline.from_pretrained(location, local_files_only=True)
        pipe.load_lora_weights(str(file.path.parent), weight_name=file.path.name)
        found = _prediction(family_of(pipe, family, recipe.loss), "sks, a red circle")
        assert float((found - wanted).abs().max()) < 5e-2 * effect, file.layout


def test_file_tells_where_it_comes_from(sd1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    facts = {"title": "Sks", "license": "cc0-1.0", "run": "7", "dataset": "ab", "modelspec.tags": "a", "ss_note": "n"}
    one = trial(sd1, tmp_path, config(adapter={"rank": 4}), items, provenance=facts)
    for file in one.run().files:
        with safe_open(file.path, "pt") as opened:
            metadata = opened.metadata()
        assert metadata["modelspec.sai_model_spec"] == "1.0.1"
        assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
        assert metadata["modelspec.trigger_phrase"] == "sks"
        assert metadata["modelspec.prediction_type"] == "v"
        assert (metadata["modelspec.title"], metadata["modelspec.license"]) == ("Sks", "cc0-1.0")
        assert (metadata["provenance.run"], metadata["provenance.dataset"]) == ("7", "ab")
        assert (metadata["modelspec.tags"], metadata["ss_note"]) == ("a", "n")
        assert (metadata["ss_network_dim"], metadata["ss_network_alpha"], metadata["ss_steps"]) == ("4", "1.0", "3")
        assert compare_embedded_hashes(inspect_file(file.path), hash_file(file.path)) == []
        assert hash_file(file.path).sha256 == file.sha256


def test_same_run_writes_the_same_bytes(sd1: Path, items: tuple[Item, ...], tmp_path: Path, plain: Trial) -> None:
    again = trial(sd1, tmp_path, config(), items)
    again.run()
    one, other = ([event.path.read_bytes() for event in run.of(Verified)] for run in (plain, again))
    assert len(one) == 2
    assert one == other


TINYBASE = Path(__file__).parents[3] / "inference" / "tinybase"


@pytest.mark.parametrize("vectors", [1, 3])
def test_word_is_learned_and_changes_nothing_else(items: tuple[Item, ...], tmp_path: Path, vectors: int) -> None:
    recipe = config("tinybase", trigger="<sks>", adapter={"kind": Kind.TEXTUAL_INVERSION, "vectors": vectors})
    items = tuple(replace(item, caption=item.caption.replace("sks", "<sks>")) for item in items)
    one = trial(TINYBASE, tmp_path, recipe, items)
    (file,) = one.run().files
    _, wanted = _trained(one, "a <sks> circle")
    pipe = load_base(BaseSpec("tinybase", str(TINYBASE)))
    family = family_of(pipe, "tinybase", recipe.loss)
    before = _prediction(family, "a red circle")
    with applied(pipe, read_adapter(file.path)) as report:
        found, other = _prediction(family, "a <sks> circle"), _prediction(family, "a red circle")
    assert report.skipped == []
    assert torch.equal(before, other)
    assert float((found - wanted).abs().max()) < 1e-3
    assert float((found - before).abs().max()) > 1e-2
    inspected = inspect_file(file.path, declared_family="tinybase")
    assert (inspected.kind, inspected.trigger_words) == ("textual-inversion", ("<sks>",))


@pytest.mark.slow
def test_word_is_learned_by_both_text_encoders_of_sdxl(items: tuple[Item, ...], tmp_path: Path) -> None:
    pipe = pipelines.tiny_sdxl()
    words = pipe.tokenizer
    torch.manual_seed(1)
    pipe.text_encoder = CLIPTextModel(pipelines._text_config(768, words)).eval()
    pipe.text_encoder_2 = CLIPTextModelWithProjection(pipelines._text_config(1280, words)).eval()
    pipe.unet = pipelines._unet(
        768 + 1280,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 1280,
    ).eval()
    pipe.save_pretrained(tmp_path / "base")
    recipe = config("sdxl", trigger="<sks>", adapter={"kind": Kind.TEXTUAL_INVERSION, "vectors": 2})
    items = tuple(replace(item, caption=item.caption.replace("sks", "<sks>")) for item in items)
    one = trial(tmp_path / "base", tmp_path, recipe, items)
    (file,) = one.run().files
    _, wanted = _trained(one, "a <sks> circle")
    loaded = load_base(BaseSpec("sdxl", str(tmp_path / "base")))
    with applied(loaded, read_adapter(file.path)) as report:
        found = _prediction(family_of(loaded, "sdxl", recipe.loss), "a <sks> circle")
    assert sorted(report.applied) == ["text_encoder:<sks>", "text_encoder_2:<sks>"]
    assert float((found - wanted).abs().max()) < 1e-2
    assert inspect_file(file.path, declared_family="sdxl").family == "sdxl"


def test_word_is_refused_on_flux(flux1: Path, items: tuple[Item, ...], tmp_path: Path) -> None:
    recipe = config("flux1", trigger="<sks>", adapter={"kind": Kind.TEXTUAL_INVERSION})
    with pytest.raises(TrainingError) as caught:
        trial(flux1, tmp_path, recipe, items).run()
    assert caught.value.code == "kind-family"


@pytest.mark.parametrize("setting", [{"min_snr_gamma": 5.0}, {"noise_offset": 0.1}])
def test_diffusion_settings_are_refused_on_flux(
    flux1: Path, items: tuple[Item, ...], tmp_path: Path, setting: dict[str, float]
) -> None:
    with pytest.raises(TrainingError) as caught:
        trial(flux1, tmp_path, config("flux1", loss=setting), items).run()
    assert caught.value.code == "flow-setting"
