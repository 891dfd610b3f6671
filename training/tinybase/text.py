"""The text encoder: a small CLIP text model, warmed up by naming what a caption speaks of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.tinybase.scenes import COLOURS, POSITIONS, SHAPES, SIZES, Scene
from training.tinybase.tokenizer import LENGTH

WIDTH = 96
NAMES = (list(COLOURS), list(SHAPES), list(COLOURS), list(SIZES), list(POSITIONS))


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Width 96, two layers, 0.3 million parameters."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=288,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def labels_of(scenes: list[Scene]) -> Tensor:
    """Background, and shape, colour, size and place of the first thing: (scenes, 5) int64."""
    rows = []
    for scene in scenes:
        first = scene.things[0]
        values = (scene.background, first.shape, first.colour, first.size, first.position)
        rows.append([names.index(value) for names, value in zip(NAMES, values, strict=True)])
    return torch.tensor(rows)


def warm_up(
    encoder: CLIPTextModel,
    tokens: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch: int = 64,
    rate: float = 2e-3,
    report: Callable[[int, int, float], None],
) -> None:
    """Predict the labels from the end-of-text state, so that the UNet starts with words that mean something."""
    heads = nn.ModuleList(nn.Linear(WIDTH, len(names)) for names in NAMES)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *heads.parameters()], lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(tokens), (batch,))
        pooled = encoder(input_ids=tokens[rows]).pooler_output
        loss = torch.stack(
            [nn.functional.cross_entropy(head(pooled), labels[rows, i]) for i, head in enumerate(heads)]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        report(step + 1, steps, float(loss.detach()))
