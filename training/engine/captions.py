"""What becomes of a caption at a step: left empty now and then, its tags in another order."""

from __future__ import annotations

import torch

from training.engine.config import DataConfig


def caption_at(caption: str, data: DataConfig, trigger: str, chance: torch.Generator) -> str:
    """The caption for one slot.

    Tags are the parts between commas; those in front up to the one with the trigger word stay where they are. Both
    numbers are always drawn, so that one setting never moves the chance of another.
    """
    dropped = float(torch.rand((), generator=chance)) < data.caption_dropout
    order_seed = int(torch.randint(2**62, (), generator=chance))
    if dropped:
        return ""
    return _shuffled(caption, trigger, order_seed) if data.tag_shuffle else caption


def _shuffled(caption: str, trigger: str, seed: int) -> str:
    tags = [tag.strip() for tag in caption.split(",") if tag.strip()]
    kept = next((place + 1 for place, tag in enumerate(tags) if trigger and trigger in tag), 0)
    rest = tags[kept:]
    order = torch.randperm(len(rest), generator=torch.Generator("cpu").manual_seed(seed)).tolist()
    return ", ".join([*tags[:kept], *(rest[place] for place in order)])
