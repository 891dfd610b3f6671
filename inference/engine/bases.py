"""Loading base models: one path for every family, from a local folder or a hub id, safetensors only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from safetensors import SafetensorError

from inference.engine.errors import EngineError
from inference.engine.families import FAMILIES, UNKNOWN, family_of

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class BaseSpec:
    """Which base model to load, from where, and onto what."""

    family: str
    location: str
    """A folder in diffusers layout, or an id on the hub."""
    revision: str | None = None
    device: str = "cpu"
    dtype: str = "auto"
    """float32, float16, bfloat16; auto: float32 on a CPU, the family's half precision on a GPU."""
    variant: str | None = None
    local_files_only: bool = False
    threads: int | None = None
    """Threads torch may use in this process; None leaves torch's own choice."""


def load_base(spec: BaseSpec) -> Any:
    """The diffusers pipeline, ready to render. Raises EngineError where it cannot be had."""
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    folder = _folder(spec.location)
    if folder is not None:
        _check_folder(folder)
    pipe = _from_pretrained(spec, folder)
    _check_family(spec, pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(spec.device)


def _folder(location: str) -> Path | None:
    """The local folder a location means; None for a hub id ("owner/name")."""
    path = Path(location).expanduser()
    looks_local = path.is_absolute() or location.startswith(".") or location.count("/") != 1
    return path if path.exists() or looks_local else None


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise EngineError(
            "The base model is missing.",
            f"There is no folder {folder}.",
            "Put the model there, or change its location in the settings.",
        )
    if folder.is_file() or not (folder / "model_index.json").is_file():
        raise EngineError(
            "The base model cannot be loaded.",
            f"{folder} is no model folder in diffusers layout (it has no model_index.json).",
            "Convert the checkpoint with diffusers' convert_original_stable_diffusion_to_diffusers.py first.",
        )
    if not any(folder.rglob("*.safetensors")):
        raise EngineError(
            "The base model has no usable weights.",
            f"{folder} holds no .safetensors file; pickle weights (.bin, .ckpt) are never opened.",
            "Download or convert the weights as safetensors.",
        )


def quiet() -> None:
    """Keep the libraries' progress bars and advice out of a server's log; errors still show."""
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def _from_pretrained(spec: BaseSpec, folder: Path | None) -> Any:
    options: dict[str, Any] = {"dtype": _dtype(spec), "use_safetensors": True}
    variant = spec.variant or (_only_variant(folder) if folder is not None else None)
    if variant is not None:
        options["variant"] = variant
    if folder is None:
        options |= {"revision": spec.revision, "local_files_only": spec.local_files_only}
    else:
        options["local_files_only"] = True
    try:
        return DiffusionPipeline.from_pretrained(str(folder or spec.location), **options)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise EngineError(
            f"The base model {spec.location} could not be loaded.",
            f"{_first_line(error)}.",
            "Check the location and that all its files are there, in diffusers layout with safetensors weights; "
            "without a connection to the hub, use a local folder.",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _dtype(spec: BaseSpec) -> torch.dtype:
    name = spec.dtype
    if name == "auto":
        name = "float32" if spec.device == "cpu" else FAMILIES.get(spec.family, UNKNOWN).half
    if name not in _DTYPES:
        raise EngineError(
            "The base model cannot be loaded.",
            f"{name!r} is no number format known here.",
            f"Use one of: auto, {', '.join(_DTYPES)}.",
        )
    return _DTYPES[name]


def _only_variant(folder: Path) -> str | None:
    """The variant ("fp16") of a folder that holds its weights in no other."""
    for component in ("unet", "transformer"):
        names = [file.name for file in (folder / component).glob("*.safetensors")]
        variants = {name.split(".")[1] for name in names if name.count(".") > 1 and "-of-" not in name.split(".")[1]}
        plain = any(name.count(".") == 1 for name in names)
        if variants and not plain:
            return sorted(variants)[0]
    return None


def _check_family(spec: BaseSpec, pipe: Any) -> None:
    found = family_of(pipe)
    if spec.family in FAMILIES and found is not UNKNOWN and found.slug != spec.family:
        raise EngineError(
            "The base model is not what the settings say.",
            f"{spec.location} holds a {found.slug} model; {spec.family} was declared.",
            "Correct the family or the location.",
        )
