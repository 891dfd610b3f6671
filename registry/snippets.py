"""How to use a file in diffusers, A1111 and ComfyUI: snippets made from what the inspection found."""

from dataclasses import dataclass

from registry.models import Version

# What diffusers itself loads; every other kind is applied by this project's own engine or by ComfyUI.
DIFFUSERS_LOADS = {"lora", "locon"}


@dataclass(frozen=True)
class Snippet:
    """A tool's name, the text to copy, and what to know about it."""

    tool: str
    code: str
    note: str = ""


def usage_snippets(*, version: Version, filename: str, site: str) -> list[Snippet]:
    """One snippet per tool for a downloaded file."""
    return [_diffusers(version, filename), _a1111(version, filename), _comfyui(version, filename)]


def _diffusers(version: Version, filename: str) -> Snippet:
    source = _source(version)
    prompt = _prompt(version).replace('"', "'")
    lines = ["from diffusers import DiffusionPipeline", "", f'pipe = DiffusionPipeline.from_pretrained("{source}")']
    if version.kind == "textual-inversion":
        token = version.trigger_words[0] if version.trigger_words else "<token>"
        lines += [f'pipe.load_textual_inversion("{filename}", token="{token}")', f'image = pipe("{token}").images[0]']
        return Snippet("diffusers", "\n".join(lines))
    lines += [
        f'pipe.load_lora_weights(".", weight_name="{filename}", adapter_name="it")',
        f'pipe.set_adapters(["it"], adapter_weights=[{version.strength:g}])',
        f'image = pipe("{prompt}").images[0]',
    ]
    if version.kind in DIFFUSERS_LOADS:
        return Snippet("diffusers", "\n".join(lines))
    note = f"diffusers does not load {version.kind} files by itself. Apply it with this project's inference engine:"
    engine = [
        "from inference.engine import BaseSpec, applied, load_base, read_adapter",
        "",
        f'pipe = load_base(BaseSpec(family="{version.base_model.family}", location="{source}"))',
        f'with applied(pipe, read_adapter("{filename}"), weight={version.strength:g}):',
        f'    image = pipe("{prompt}").images[0]',
    ]
    return Snippet("diffusers", "\n".join(engine), note)


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
