"""Writing an adapter file: half precision, and metadata that says truthfully how it was made."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import Tensor

from training.tinybase.concepts import CONCEPTS
from training.tinybase.pictures import BASE

if TYPE_CHECKING:
    from training.tinybase.adapters import Recipe, Trained


UNET = BASE / "unet" / "diffusion_pytorch_model.safetensors"


def write_adapter(path: Path, name: str, recipe: Recipe, trained: Trained) -> int:
    """Write the file and return its size; the same tensors always give the same bytes."""
    tensors = {key: _half(key, tensor) for key, tensor in sorted(trained.tensors.items())}
    facts = {**_training_facts(name, recipe, trained), **trained.facts, **_model_spec(name, recipe)}
    save_file(tensors, path, facts)
    digest = data_digest(path)  # of the bytes behind the header, so the header may be written again
    save_file(tensors, path, {**facts, "modelspec.hash_sha256": f"0x{digest}", "sshs_model_hash": digest})
    _order_header(path)
    path.chmod(0o644)  # safetensors writes files that only their owner can read
    return path.stat().st_size


def _order_header(path: Path) -> None:
    """Sort the metadata, which safetensors writes in another order each time."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def _half(key: str, tensor: Tensor) -> Tensor:
    """float16; IA³'s flag stays what it is, a whole number."""
    return tensor.contiguous().half() if tensor.is_floating_point() and not key.endswith(".on_input") else tensor


def data_digest(path: Path) -> str:
    """SHA-256 of the tensors' bytes, which ModelSpec and the web UIs call the model's hash."""
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _training_facts(name: str, recipe: Recipe, trained: Trained) -> dict[str, str]:
    """Under the names of kohya's trainer, which every tool reads."""
    words = Counter(word for caption in trained.lesson.captions for word in caption.split())
    facts: dict[str, object] = {
        "output_name": name,
        "base_model_version": "tinybase",
        "v2": "False",
        "sd_model_name": "tinybase",
        "new_sd_model_hash": hashlib.sha256(UNET.read_bytes()).hexdigest(),
        "resolution": "(64, 64)",
        "num_train_images": recipe.pictures,
        "num_reg_images": len(trained.lesson.plain_latents) if recipe.plain_share else 0,
        "batch_size_per_device": recipe.batch,
        "learning_rate": recipe.rate,
        "optimizer": "torch.optim.AdamW(betas=(0.9, 0.99), weight_decay=0)",
        "lr_scheduler": "constant_with_warmup",
        "max_train_steps": recipe.steps,
        "steps": trained.best.step,
        "seed": recipe.seed,
        "mixed_precision": "bf16",
        "tag_frequency": json.dumps({f"{recipe.pictures}_{name}": dict(words.most_common())}),
    }
    return {f"ss_{key}": str(value) for key, value in facts.items()}


def _model_spec(name: str, recipe: Recipe) -> dict[str, str]:
    """ModelSpec 1.0.1."""
    trigger = CONCEPTS[recipe.concept].trigger
    kind = {"peft": "lora"}.get(recipe.shape.kind, recipe.shape.kind)
    facts = {
        "sai_model_spec": "1.0.1",
        "architecture": f"tinybase/{kind}",
        "implementation": "diffusers",
        "title": name,
        "description": f"Trained from drawn pictures by python -m training.tinybase.adapters {name}.",
        "author": "The starter collection",
        "resolution": "64x64",
        "prediction_type": "v",
        "trigger_phrase": trigger,
        "usage_hint": f"Write “{trigger}” in the prompt.",
    }
    return {f"modelspec.{key}": value for key, value in facts.items()}
