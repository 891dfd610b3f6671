"""Every kind that can be trained: its file is accepted, and acts in the engine as it acted during training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.engine import BaseSpec, applied, load_base, read_adapter
from registry.artifacts import inspect_file
from training.tinybase.adapters import RECIPES, Lesson, Recipe, Scores, Trained
from training.tinybase.files import data_digest, write_adapter
from training.tinybase.kinds import Network, install
from training.tinybase.pictures import BASE, load_pipeline
from training.tinybase.tokenizer import encode

KINDS = {
    "outlined": "lora",
    "striped": "locon",
    "glowing": "dora",
    "dotted": "loha",
    "sunset": "lokr",
    "vintage": "ia3",
    "framed": "full",
    "mushroom": "locon",
    "first-aid": "textual-inversion",
}
TRIGGER = "<first-aid>"


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.set_num_threads(1)
    return load_base(BaseSpec(family="tinybase", location=str(BASE)))


def _installed(recipe: Recipe) -> tuple[Any, Network]:
    """A fresh base with the adapter in it, as if it had learned something; kept where half precision loses nothing."""
    torch.manual_seed(3)
    pipeline = load_pipeline(BASE)
    network = install(pipeline, recipe.shape, TRIGGER)
    with torch.no_grad():
        for parameter in network.parameters():
            if recipe.shape.kind != "textual-inversion":
                parameter.add_(0.05 * torch.randn(parameter.shape))
            parameter.copy_(parameter.half().float())
    return pipeline, network


def _trained(network: Network) -> Trained:
    scores = Scores(50, 0.9, 0.1, 1.0)
    lesson = Lesson((), ("a striped circle",), *[torch.zeros(1)] * 4)
    return Trained(network.tensors(), network.facts(), lesson, scores, scores, (scores,), 1.0)


def _prediction(pipe: Any, prompt: str) -> Tensor:
    """What the UNet answers to some noise and a prompt."""
    expanded = pipe.maybe_convert_prompt(prompt, pipe.tokenizer)
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        hidden = pipe.text_encoder(input_ids=encode(pipe.tokenizer, [expanded])).last_hidden_state
        return pipe.unet(noise, torch.tensor([500]), encoder_hidden_states=hidden).sample


@pytest.mark.parametrize("name", RECIPES)
def test_file_acts_in_the_engine_as_the_network_did_in_training(pipe: Any, tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    pipeline, network = _installed(recipe)
    path = tmp_path / f"{name}.safetensors"
    size = write_adapter(path, name, recipe, _trained(network))
    assert size == path.stat().st_size
    wanted, plain = _prediction(pipeline, f"a red circle {TRIGGER}"), _prediction(pipe, f"a red circle {TRIGGER}")
    with applied(pipe, read_adapter(path)) as report:
        found = _prediction(pipe, f"a red circle {TRIGGER}")
    assert report.skipped == []
    scale = float(wanted.abs().max())
    assert float((wanted - plain).abs().max()) > 1e-2 * scale
    assert float((found - wanted).abs().max()) < 1e-3 * scale


@pytest.mark.parametrize("name", RECIPES)
def test_file_is_accepted_as_what_it_is(tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    path = tmp_path / f"{name}.safetensors"
    write_adapter(path, name, recipe, _trained(_installed(recipe)[1]))
    found = inspect_file(path, declared_family="tinybase", filename=path.name)
    assert (found.kind, found.family) == (KINDS[name], "tinybase")
    metadata = read_adapter(path).metadata
    assert metadata["modelspec.hash_sha256"] == f"0x{data_digest(path)}"
    assert metadata["sshs_model_hash"] == data_digest(path)
    assert metadata["ss_steps"] == "50"
    assert path.stat().st_mode & 0o777 == 0o644


def test_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    recipe = RECIPES["vintage"]
    trained = _trained(_installed(recipe)[1])
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        write_adapter(path, "vintage", recipe, trained)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_only_the_adapter_is_trained() -> None:
    for name in ("striped", "mushroom"):
        pipeline, network = _installed(replace(RECIPES[name], seed=1))
        own = {id(parameter) for parameter in network.parameters()}
        parts = (pipeline.unet, pipeline.text_encoder, pipeline.vae)
        trainable = {id(value) for part in parts for value in part.parameters() if value.requires_grad}
        assert own
        assert trainable <= own


def test_embedding_trains_no_other_word() -> None:
    pipeline, network = _installed(RECIPES["first-aid"])
    pipeline.text_encoder(
        input_ids=encode(pipeline.tokenizer, [f"a {TRIGGER} circle"])
    ).last_hidden_state.sum().backward()
    (table,) = network.parameters()
    assert table.grad is not None
    touched = table.grad.abs().sum(1).nonzero().flatten().tolist()
    assert touched == pipeline.tokenizer.convert_tokens_to_ids([TRIGGER])
