"""Captions by an image-to-text model of transformers: BLIP, BLIP-2, Florence-2, GIT and what else generates text.

Weights are safetensors from a local folder or hub id; no code of a repository is run.
"""

import threading
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoProcessor

from training.captioning import CaptionerUnusable

NEW_TOKENS = 60
SIDE = 1024  # pixels of the longer side of what is handed over; processors make it smaller still
# What Florence-2 is told to do; other models are told nothing.
TASKS = {"florence2": "<DETAILED_CAPTION>"}
_running = threading.Lock()


class ImageToText:
    """One loaded model. Greedy search: the same picture gives the same caption."""

    def __init__(self, model: Any, processor: Any, *, device: str, task: str) -> None:
        self._model, self._processor, self._device, self._task = model, processor, device, task

    @torch.inference_mode()
    def caption(self, picture: Image.Image) -> str:
        seen = picture.convert("RGB")
        seen.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        asked = {"images": seen, "return_tensors": "pt", **({"text": self._task} if self._task else {})}
        with _running:
            inputs = self._processor(**asked).to(self._device)
            made = self._model.generate(**inputs, max_new_tokens=NEW_TOKENS, num_beams=1, do_sample=False)
        text = self._processor.batch_decode(made, skip_special_tokens=True)[0]
        return " ".join(str(text).replace(self._task, " ").split())


def load(location: str, *, device: str) -> ImageToText:
    """Load a model by its folder or hub id. Raises CaptionerUnusable."""
    try:
        config = AutoConfig.from_pretrained(location, trust_remote_code=False)
        model_class = _class_of(config)
        model = model_class.from_pretrained(location, trust_remote_code=False, use_safetensors=True)
        processor = AutoProcessor.from_pretrained(location, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        remedy = "Name a folder or hub id with an image-to-text model in safetensors, and its processor."
        raise CaptionerUnusable(f"The model {location!r} cannot be loaded ({error}).", remedy) from error
    model.eval().to(device)
    return ImageToText(model, processor, device=device, task=TASKS.get(config.model_type, ""))


def _class_of(config: Any) -> Any:
    """The class that the model itself names, when it can generate text; nothing is guessed."""
    import transformers

    for name in config.architectures or ():
        found = getattr(transformers, name, None)
        if found is not None and hasattr(found, "generate"):
            return found
    raise ValueError(f"none of its architectures {config.architectures!r} generates text")
