"""`python -m training.tinybase.adapters`: train the starter adapters, one of every kind, on 16 drawn pictures each.

The checkpoint that is kept is the one the judge likes best, on shapes and colours that are not in the training set.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from training.tinybase.concepts import CONCEPTS, Concept, plain
from training.tinybase.files import write_adapter
from training.tinybase.judge import Wanted
from training.tinybase.kinds import TRANSFORMER, Network, Shape, install
from training.tinybase.pictures import BASE, Pictures, load_pipeline, pictures_of
from training.tinybase.scores import concept_score, scene_score
from training.tinybase.tokenizer import encode
from training.tinybase.unet import denoising_loss
from training.tinybase.untyped import Pipeline, Scheduler
from training.tinybase.vae import encode_all

OUT = Path(__file__).resolve().parents[2] / "registry" / "starter" / "adapters"
PLAIN_PICTURES = 64
LEAK_COST = 0.25  # what a style that shows without its trigger word costs when a checkpoint is chosen
EMPTY_CAPTIONS = 0.05
WARM_UP = 20  # steps
FEW = r".*\.attn[12]\.to_(v|out\.0)|.*\.proj_out|conv_out"  # whole differences of all layers would be too large


@dataclass(frozen=True)
class Recipe:
    """How one starter adapter is trained."""

    concept: str
    shape: Shape
    rate: float
    steps: int = 250
    every: int = 50  # steps between two checkpoints
    pictures: int = 16
    batch: int = 16
    plain_share: float = 0.0  # of a batch: plain pictures without the trigger word; a quarter undid the style itself
    seed: int = 7


RECIPES: dict[str, Recipe] = {
    "outlined": Recipe("outlined", Shape("lora", TRANSFORMER, rank=16, alpha=16.0), 2e-3),
    "striped": Recipe("striped", Shape("locon", rank=6, alpha=6.0), 2e-3, steps=300),
    "glowing": Recipe("glowing", Shape("dora", rank=6, alpha=6.0, options={"weight_decompose": True}), 2e-3, steps=200),
    "dotted": Recipe("dotted", Shape("loha", rank=3, alpha=3.0), 6e-3),
    "sunset": Recipe("sunset", Shape("lokr", rank=8, options={"factor": 8}), 4e-3),
    "vintage": Recipe("vintage", Shape("ia3"), 2e-2),
    "framed": Recipe(
        "framed", Shape("full", r".*\.attn[12]\.to_(v|out\.0)|.*\.proj_out|conv_out", text_layers=""), 1e-3
    ),
    "mushroom": Recipe("mushroom", Shape("peft", rank=6, alpha=6.0), 2e-3, steps=200),
    "first-aid": Recipe("first-aid", Shape("textual-inversion", rank=2), 2e-2),
}


@dataclass(frozen=True)
class Scores:
    """What the judge says of one checkpoint, on prompts with and without the trigger word."""

    step: int
    concept: float
    leak: float  # the concept's score without the trigger word
    scene: float  # how often the wanted shape is still seen, where the caption names it

    @property
    def worth(self) -> float:
        """By which the best checkpoint is chosen."""
        return self.concept + 0.25 * self.scene - LEAK_COST * self.leak


@dataclass(frozen=True)
class Lesson:
    """Latents and token ids of the pictures with the concept, and of plain ones."""

    wanted: tuple[Wanted, ...]
    captions: tuple[str, ...]
    latents: Tensor
    tokens: Tensor
    plain_latents: Tensor
    plain_tokens: Tensor


def latents_of(pipeline: Pipeline, pictures: Pictures) -> Tensor:
    """(n, 4, 16, 16), scaled to unit variance."""
    return encode_all(pipeline.vae, torch.from_numpy(pictures)).float() * pipeline.vae.config.scaling_factor


def make_lesson(pipeline: Pipeline, concept: Concept, recipe: Recipe) -> Lesson:
    """Draw the training pictures; half of the captions have the trigger word in front, half behind."""
    rng = np.random.default_rng(recipe.seed)
    wanted = concept.wishes(rng, recipe.pictures)
    captions = [concept.caption(request, in_front=index % 2 == 0) for index, request in enumerate(wanted)]
    others = concept.wishes(rng, PLAIN_PICTURES)
    expanded = [pipeline.maybe_convert_prompt(caption, pipeline.tokenizer) for caption in captions]
    return Lesson(
        tuple(wanted),
        tuple(captions),
        latents_of(pipeline, np.stack([concept.drawing(request) for request in wanted])),
        encode(pipeline.tokenizer, expanded),
        latents_of(pipeline, np.stack([plain(request) for request in others])),
        encode(pipeline.tokenizer, [request.prompt for request in others]),
    )


def batch_of(lesson: Lesson, recipe: Recipe, empty: Tensor) -> tuple[Tensor, Tensor]:
    """Latents and token ids of one step."""
    few = round(recipe.batch * recipe.plain_share)
    rows = torch.randint(len(lesson.latents), (recipe.batch - few,))
    others = torch.randint(len(lesson.plain_latents), (few,))
    latents = torch.cat([lesson.latents[rows], lesson.plain_latents[others]])
    tokens = torch.cat([lesson.tokens[rows], lesson.plain_tokens[others]])
    return latents, torch.where(torch.rand(recipe.batch, 1) < EMPTY_CAPTIONS, empty, tokens)


class Judge:
    """Looks at pictures of scenes that are not in the training set; the same scenes and noise each time."""

    def __init__(self, recipe: Recipe, lesson: Lesson, *, prompts: int, seed: int) -> None:
        self.name, self.seed = recipe.concept, seed
        self.concept = CONCEPTS[recipe.concept]
        rng = np.random.default_rng(seed)
        self.wanted = self.concept.wishes(rng, prompts, unlike=lesson.wanted)

    def __call__(self, pipeline: Pipeline, step: int) -> Scores:
        """Score the pipeline as it is."""
        with_it = pictures_of(pipeline, [self.concept.caption(request) for request in self.wanted], seed=self.seed)
        without = pictures_of(pipeline, [request.prompt for request in self.wanted], seed=self.seed)
        seen = scene_score(self.name, with_it, self.wanted)
        scores = [concept_score(self.name, pictures, self.wanted) for pictures in (with_it, without)]
        return Scores(step, round(scores[0], 3), round(scores[1], 3), round(seen, 3))


@dataclass(frozen=True)
class Trained:
    """The best checkpoint and how it came about."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]
    lesson: Lesson
    base: Scores
    best: Scores
    history: tuple[Scores, ...]
    seconds: float


def train(recipe: Recipe) -> Trained:
    """Train one adapter on a fresh copy of the base."""
    torch.manual_seed(recipe.seed)
    pipeline = load_pipeline(BASE)
    concept = CONCEPTS[recipe.concept]
    lesson = make_lesson(pipeline, concept, recipe)
    judge = Judge(recipe, lesson, prompts=16, seed=1_000)
    base = judge(pipeline, 0)
    network = install(pipeline, recipe.shape, concept.trigger)
    if recipe.shape.kind == "textual-inversion":  # the token exists only now
        lesson = make_lesson(pipeline, concept, recipe)
    began = time.monotonic()
    best, history = _optimize(pipeline, network, lesson, recipe, judge)
    scores = max(history, key=lambda one: one.worth)
    return Trained(best, network.facts(), lesson, base, scores, tuple(history), time.monotonic() - began)


def _optimize(
    pipeline: Pipeline, network: Network, lesson: Lesson, recipe: Recipe, judge: Judge
) -> tuple[dict[str, Tensor], list[Scores]]:
    """The tensors of the best checkpoint, and the scores of all."""
    parameters = network.parameters()
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
    empty = encode(pipeline.tokenizer, [""])[0]
    history: list[Scores] = []
    best: dict[str, Tensor] = {}
    scheduler: Scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)  # sampling changes the pipeline's own
    for step in range(1, recipe.steps + 1):
        latents, tokens = batch_of(lesson, recipe, empty)
        hidden = pipeline.text_encoder(input_ids=tokens).last_hidden_state
        loss = denoising_loss(pipeline.unet, scheduler, latents, hidden)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        warm.step()
        if step % recipe.every == 0:
            history.append(judge(pipeline, step))
            print(f"  step {step:4}  loss {float(loss.detach()):.4f}  {asdict(history[-1])}", flush=True)
            if history[-1].worth >= max(one.worth for one in history):
                best = network.tensors()
    return best, history


def main() -> None:
    """Train all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m training.tinybase.adapters", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(RECIPES)}; all when left out")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if unknown := set(options.names) - set(RECIPES):
        parser.error(f"no recipe is called {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}.")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or RECIPES:
        recipe = RECIPES[name]
        print(f"{name}: {recipe.shape.kind}", flush=True)
        trained = train(recipe)
        size = write_adapter(options.out / f"{name}.safetensors", name, recipe, trained)
        summary = {"base": asdict(trained.base), "best": asdict(trained.best)}
        print(f"  {size:,} bytes, {trained.seconds:.0f} s  {json.dumps(summary)}", flush=True)


if __name__ == "__main__":
    main()
