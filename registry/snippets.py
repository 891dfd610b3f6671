"""How to use a file in diffusers, A1111 and ComfyUI: snippets made from what the inspection found."""

import json
from dataclasses import dataclass

from registry.models import Version

# What diffusers itself loads; every other kind is applied by this project's own engine or by ComfyUI.
DIFFUSERS_LOADS = {"lora", "locon"}

NO_WEIGHTS = "none:"  # how the catalogue begins the source of a model that exists only behind an API


@dataclass(frozen=True)
class Snippet:
    """A tool's name, the text to copy, and what to know about it."""

    tool: str
    code: str
    note: str = ""


def usage_snippets(*, version: Version, filename: str, site: str) -> list[Snippet]:
    """One snippet per tool for a downloaded file; none where the base's weights were never published."""
    if version.base_model.weights_source.startswith(NO_WEIGHTS):
        return []
    return [_diffusers(version, filename), _a1111(version, filename), _comfyui(version, filename)]


def _diffusers(version: Version, filename: str) -> Snippet:
    source, file, prompt = _quoted(_source(version)), _quoted(filename), _quoted(_prompt(version))
    # Named, because parts of a folder are otherwise loaded in the format each was saved in, and do not fit together.
    dtype = "float32" if version.base_model.slug == "tinybase" else "bfloat16"
    lines = ["import torch", "from diffusers import DiffusionPipeline", ""]
    lines += [f"pipe = DiffusionPipeline.from_pretrained({source}, dtype=torch.{dtype})"]
    if version.kind == "textual-inversion":
        token = _quoted(version.trigger_words[0] if version.trigger_words else "<token>")
        lines += [
            f'pipe.load_textual_inversion(".", weight_name={file}, token={token})',
            f"image = pipe({token}).images[0]",
        ]
        return Snippet("diffusers", "\n".join(lines))
    lines += [
        f'pipe.load_lora_weights(".", weight_name={file}, adapter_name="it")',
        f'pipe.set_adapters(["it"], adapter_weights=[{version.strength:g}])',
        f"image = pipe({prompt}).images[0]",
    ]
    if version.kind in DIFFUSERS_LOADS:
        return Snippet("diffusers", "\n".join(lines))
    note = f"diffusers does not load {version.kind} files by itself. Apply it with this project's inference engine:"
    family = _quoted(version.base_model.family)
    engine = [
        "from inference.engine import BaseSpec, applied, load_base, read_adapter",
        "",
        f"pipe = load_base(BaseSpec(family={family}, location={source}))",
        f"with applied(pipe, read_adapter({file}), weight={version.strength:g}):",
        f"    image = pipe({prompt}).images[0]",
    ]
    return Snippet("diffusers", "\n".join(engine), note)


def _quoted(text: str) -> str:
    """A Python string literal in double quotes, whatever is in the text: JSON's escapes are Python's too."""
    return json.dumps(text, ensure_ascii=False)


def _source(version: Version) -> str:
    """What `from_pretrained` takes: a hub id, or the folder of this repository for the base that ships with it."""
    base = version.base_model
    return "inference/tinybase" if base.slug == "tinybase" else base.weights_source


def _prompt(version: Version) -> str:
    """A prompt that shows the adapter: the preview's own, else its first trigger words."""
    return next(iter(version.preview_prompts), ", ".join(version.trigger_words[:2])) or "your prompt"


def _a1111(version: Version, filename: str) -> Snippet:
    stem = filename.rsplit(".", 1)[0]
    words = ", ".join(version.trigger_words)
    if version.kind == "textual-inversion":
        return Snippet("A1111", stem, f"Put {filename} into embeddings/ and write its name in the prompt.")
    prompt = f"<lora:{stem}:{version.strength:g}>" + (f", {words}" if words else "")
    return Snippet("A1111", prompt, f"Put {filename} into models/Lora/ and write this in the prompt.")


def _comfyui(version: Version, filename: str) -> Snippet:
    if version.kind == "textual-inversion":
        stem = filename.rsplit(".", 1)[0]
        return Snippet("ComfyUI", f"embedding:{stem}", f"Put {filename} into models/embeddings/.")
    text = (
        f"Load LoRA → lora_name: {filename}, strength_model: {version.strength:g}, strength_clip: {version.strength:g}"
    )
    return Snippet("ComfyUI", text, f"Put {filename} into models/loras/.")
