"""Loading the base: one path for every family, frozen, in the number format of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from safetensors import SafetensorError
from torch import nn

from training.engine.config import Quantisation, TrainConfig
from training.engine.errors import TrainingError
from training.engine.jobs import BaseRef
from training.engine.places import Place

Pipeline = Any  # a diffusers pipeline, whose attributes no type checker can see
ENCODERS = ("text_encoder", "text_encoder_2")
_CLASSES = {
    "tinybase": ("StableDiffusionPipeline",),
    "sd1": ("StableDiffusionPipeline",),
    "sd2": ("StableDiffusionPipeline",),
    "sdxl": ("StableDiffusionXLPipeline",),
    "flux1": ("FluxPipeline",),
}
_WIDTHS = {"tinybase": 96, "sd1": 768, "sd2": 1024, "sdxl": 2048}  # of the text that a published UNet reads


def load_base(ref: BaseRef, config: TrainConfig, place: Place) -> Pipeline:
    """The pipeline, every weight frozen; the autoencoder in float32, since SDXL's overflows in half precision.

    Raises TrainingError where the base cannot be had or is of another family.
    """
    quiet()
    pipe = _from_pretrained(ref, config, place)
    _check_family(ref, pipe)
    pipe.set_progress_bar_config(disable=True)
    for name, part in pipe.components.items():
        if isinstance(part, nn.Module):
            _settle(name, part.requires_grad_(False).eval(), place)
    if config.optim.gradient_checkpointing:
        _checkpoint_gradients(pipe, config)
    return pipe


def _settle(name: str, part: Any, place: Place) -> None:
    """Onto the device. Convolutions run faster with the channels last, on processors and GPUs alike."""
    if name == "vae":
        part.float()
    if name in {"vae", "unet"}:
        part.to(memory_format=torch.channels_last)
    if not getattr(part, "is_loaded_in_4bit", False):
        part.to(place.device)


def quiet() -> None:
    """Keep the libraries' progress bars and advice out of the log; errors still show."""
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def denoiser_of(pipe: Pipeline) -> Any:
    """The UNet or the transformer."""
    return getattr(pipe, "unet", None) or pipe.transformer


def encoders_of(pipe: Pipeline) -> dict[str, Any]:
    """The text encoders there are, by their names in the pipeline."""
    found = {name: getattr(pipe, name, None) for name in ENCODERS}
    return {name: part for name, part in found.items() if part is not None}


def _from_pretrained(ref: BaseRef, config: TrainConfig, place: Place) -> Pipeline:
    options: dict[str, Any] = {"dtype": place.dtype, "use_safetensors": True, "local_files_only": ref.local_files_only}
    if config.optim.quantisation == Quantisation.NF4:
        options["quantization_config"] = _nf4(ref, place)
    folder = Path(ref.location).expanduser()
    if folder.is_dir():
        options["local_files_only"] = True
        if (variant := _only_variant(folder)) is not None:
            options["variant"] = variant
    try:
        return DiffusionPipeline.from_pretrained(str(folder if folder.is_dir() else ref.location), **options)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise TrainingError(
            f"The base model {ref.location} could not be loaded.",
            f"{first}.",
            "Check its location and that all its files are there, in diffusers layout with safetensors weights.",
            "base-missing",
        ) from error


def _only_variant(folder: Path) -> str | None:
    """The variant ("fp16") of a folder that holds its denoiser in no other."""
    names = [path.name for part in ("unet", "transformer") for path in (folder / part).glob("*.safetensors")]
    named = sorted({name.split(".")[1] for name in names if name.count(".") > 1 and "-of-" not in name.split(".")[1]})
    plain = any(name.count(".") == 1 for name in names)
    return named[0] if named and not plain else None


def _nf4(ref: BaseRef, place: Place) -> Any:
    """QLoRA's four-bit normal floats for the denoiser (Dettmers et al. 2023, arXiv 2305.14314)."""
    if place.device.type != "cuda":
        raise _no_bitsandbytes("nf4", "it needs an NVIDIA GPU, and the run is on a CPU")
    try:
        import bitsandbytes  # noqa: F401  (optional: it is of use with a GPU alone)
        from diffusers import PipelineQuantizationConfig
    except ImportError as error:
        raise _no_bitsandbytes("nf4", "the package bitsandbytes is not installed") from error
    settings: dict[str, Any] = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": place.dtype,
        "bnb_4bit_use_double_quant": True,
    }
    return PipelineQuantizationConfig(
        quant_backend="bitsandbytes_4bit",
        quant_kwargs=settings,
        components_to_quantize=["transformer" if ref.family == "flux1" else "unet"],
    )


def _no_bitsandbytes(what: str, why: str) -> TrainingError:
    return TrainingError(
        f"The base cannot be held in {what}.",
        f"Quantisation by bitsandbytes was asked for, but {why}.",
        "Choose a worker with a GPU and bitsandbytes, or no quantisation.",
        "quantisation-unavailable",
    )


def _check_family(ref: BaseRef, pipe: Pipeline) -> None:
    name = type(pipe).__name__
    width = getattr(getattr(getattr(pipe, "unet", None), "config", None), "cross_attention_dim", None)
    others = {known for family, known in _WIDTHS.items() if family != ref.family}
    if ref.family not in _CLASSES or name not in _CLASSES[ref.family] or width in others:
        raise TrainingError(
            "The base model is not what the recipe says.",
            f"{ref.location} is a {name} (text of width {width or 'unknown'}); the recipe is for “{ref.family}”.",
            f"Choose a recipe and a base of one family, of {', '.join(_CLASSES)}.",
            "base-family",
        )


def _checkpoint_gradients(pipe: Pipeline, config: TrainConfig) -> None:
    """Compute activations again in the backward pass instead of keeping them."""
    denoiser_of(pipe).enable_gradient_checkpointing()
    if config.adapter.text_encoders:
        for encoder in encoders_of(pipe).values():
            if type(encoder).__name__.startswith("CLIP"):  # T5 is not trained, and its dropout has to stay off
                encoder.activation_checkpointing_enable({"use_reentrant": False})
                encoder.train()  # without it, transformers keeps the activations all the same


def encoder_digest(pipe: Pipeline, names: Iterable[str]) -> str:
    """SHA-256 over the weights of some parts: what a cached latent or text embedding rests on."""
    digest = hashlib.sha256()
    for name in names:
        for key, tensor in sorted(getattr(pipe, name).state_dict().items()):
            digest.update(f"{name}.{key} {tensor.dtype} {list(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
