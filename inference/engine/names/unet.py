"""The names of UNet layers in the original Stable Diffusion code (sgm, ldm), derived from a diffusers UNet."""

from collections.abc import Iterable, Iterator
from typing import Any

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_TOP = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def original_names(unet: Any, paths: Iterable[str]) -> dict[str, str]:
    """original name → diffusers path, for the given layers of this UNet."""
    prefixes = dict(_block_prefixes(unet))
    names = {}
    for path in paths:
        original = _original(path, prefixes)
        if original is not None:
            names[original] = path
    return names


def _original(path: str, prefixes: dict[str, str]) -> str | None:
    if path in _TOP:
        return _TOP[path]
    for ours, theirs in prefixes.items():
        if path == ours:
            return theirs
        if path.startswith(f"{ours}."):
            rest = path[len(ours) + 1 :]
            return f"{theirs}.{_RESNET.get(rest, rest) if '.resnets.' in path else rest}"
    return None


def _block_prefixes(unet: Any) -> Iterator[tuple[str, str]]:
    """(diffusers prefix, original prefix) of every resnet, attention and resampler, in the original's counting."""
    number = 0
    for index, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            number += 1
            yield from _layer(f"down_blocks.{index}", layer, f"input_blocks.{number}", block)
        if getattr(block, "downsamplers", None):
            number += 1
            yield f"down_blocks.{index}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
    yield from (("mid_block.resnets.0", "middle_block.0"), ("mid_block.resnets.1", "middle_block.2"))
    yield "mid_block.attentions.0", "middle_block.1"
    number = -1
    for index, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            number += 1
            yield from _layer(f"up_blocks.{index}", layer, f"output_blocks.{number}", block)
        if getattr(block, "upsamplers", None):
            place = 2 if getattr(block, "attentions", None) else 1
            yield f"up_blocks.{index}.upsamplers.0.conv", f"output_blocks.{number}.{place}.conv"


def _layer(ours: str, layer: int, theirs: str, block: Any) -> Iterator[tuple[str, str]]:
    yield f"{ours}.resnets.{layer}", f"{theirs}.0"
    if getattr(block, "attentions", None):
        yield f"{ours}.attentions.{layer}", f"{theirs}.1"
