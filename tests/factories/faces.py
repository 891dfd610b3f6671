"""Faces for tests: photographs in the public domain, and faces of numbers alone."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from moderation.matching.faces import LOOK, MATCH, Descriptor, Face

FACES = Path(__file__).resolve().parents[1] / "data" / "faces"


def face_bytes(name: str) -> bytes:
    """A JPEG of `collins`, `obama-1` or `obama-2`."""
    return (FACES / f"{name}.jpg").read_bytes()


def face_picture(name: str) -> Image.Image:
    return Image.open(io.BytesIO(face_bytes(name)))


def encoded(picture: Image.Image, form: str) -> bytes:
    """The picture as a file of that format."""
    out = io.BytesIO()
    picture.save(out, form)
    return out.getvalue()


def descriptor_at(*, seed: int, away: float = 0.0) -> Descriptor:
    """The descriptor of an imagined person, or one `away` from it in a direction of its own."""
    person = np.random.default_rng(seed).normal(size=128)
    person *= 0.7 / np.linalg.norm(person)
    direction = np.random.default_rng(seed + 10_000).normal(size=128)
    return (person + direction * (away / np.linalg.norm(direction))).astype(np.float32)


def made_face(*, seed: int, away: float = 0.0, size: int = 200) -> Face:
    return Face((0, 0, size, size), descriptor_at(seed=seed, away=away), size, 100.0)


@dataclass(frozen=True)
class OtherReader:
    """A reader of an operator's own: it answers with the faces that it was given."""

    faces: tuple[Face, ...] = ()
    model: str = "other-1"
    match: float = MATCH
    look: float = LOOK

    def read(self, picture: Image.Image) -> tuple[Face, ...]:
        return self.faces
