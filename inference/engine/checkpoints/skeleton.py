"""The layers of a base model by its configuration alone: real diffusers and transformers classes, without memory."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import torch
import transformers

from inference.engine.errors import EngineError
from inference.engine.names.index import DENOISER, ENCODERS

_LIBRARIES = {"diffusers": diffusers, "transformers": transformers}


def skeleton(folder: Path) -> SimpleNamespace:
    """What `NameIndex` needs of a pipeline: denoiser and text encoders on the meta device."""
    index = _json(folder / "model_index.json")
    parts = {
        name: _component(folder / name, *index[name])
        for name in (*DENOISER, *ENCODERS)
        if isinstance(index.get(name), list) and index[name][1]
    }
    return SimpleNamespace(**parts)


def _component(folder: Path, library: str, class_name: str) -> Any:
    kind = getattr(_LIBRARIES.get(library), class_name, None)
    if kind is None:
        raise _unknown(folder, f"{library}.{class_name} is no class known here")
    config = _json(folder / "config.json")
    try:
        with torch.device("meta"):
            if library == "diffusers":
                return kind.from_config(config)
            return kind(kind.config_class(**config))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise _unknown(folder, f"its config.json does not fit {class_name} ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unknown(path.parent, f"{path.name} is missing or no JSON") from error
    if not isinstance(content, dict):
        raise _unknown(path.parent, f"{path.name} is no JSON object")
    return content


def _unknown(folder: Path, why: str) -> EngineError:
    return EngineError(
        "The layers of the base model are not known.",
        f"In {folder.name}, {why}.",
        "Name a folder in diffusers layout with all its configurations.",
    )
