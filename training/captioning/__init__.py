"""Captions and tags proposed by a model or by rules: pure engines, for workers, without Django.

`captioner(kind, location, device)` makes one; each answers a picture with a text.
"""

from importlib import import_module
from typing import Protocol

from PIL import Image

KINDS = {
    "rules": "training.captioning.rules",
    "transformers": "training.captioning.image_to_text",
    "wd-tagger": "training.captioning.wd_tagger",
}


class CaptionerUnusable(Exception):
    """The captioner cannot be made or used here; the message says why, `remedy` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class Captioner(Protocol):
    """Says what a picture shows: a sentence, or tags joined by commas; empty where it has nothing to say."""

    def caption(self, picture: Image.Image) -> str: ...


def parsed(setting: str) -> tuple[str, str]:
    """(kind, folder or hub id) of a setting such as `transformers:/models/blip`. Raises CaptionerUnusable."""
    kind, _, location = setting.partition(":")
    if kind not in KINDS:
        raise CaptionerUnusable(
            f"{kind!r} is no kind of captioner.",
            f"Name one of {', '.join(KINDS)}, and a folder or hub id after a colon.",
        )
    if kind != "rules" and not location:
        raise CaptionerUnusable(f"The captioner {kind!r} has no model.", f"Write {kind}:folder-or-hub-id.")
    return kind, location


def captioner(setting: str, *, device: str = "cpu") -> Captioner:
    """The captioner of a setting; raises CaptionerUnusable where its model cannot be loaded."""
    kind, location = parsed(setting)
    made: Captioner = import_module(KINDS[kind]).load(location, device=device)
    return made
