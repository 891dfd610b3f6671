"""How an attached picture was made, where an app above knows it: that app says so when it is ready."""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class UsedAdapter:
    """A version that had a part in the picture, and how strongly."""

    name: str
    version: int
    weight: float


@dataclass(frozen=True)
class PictureSettings:
    """The settings of a picture that was made here; "" for a sampler is the base model's own."""

    prompt: str
    negative: str
    seed: int
    steps: int
    sampler: str
    guidance: float
    width: int
    height: int
    adapters: tuple[UsedAdapter, ...] = ()


SettingsOf = Callable[[Collection[uuid.UUID]], Mapping[uuid.UUID, PictureSettings]]
_source: list[SettingsOf] = []


def settings_known_by(source: SettingsOf) -> None:
    """Where to ask how pictures were made, by the keys of SamplePicture."""
    _source[:] = [source]


def settings_of(pictures: Collection[uuid.UUID]) -> Mapping[uuid.UUID, PictureSettings]:
    """The settings of those of the pictures that were made here; the others have no entry."""
    return _source[0](pictures) if _source and pictures else {}
