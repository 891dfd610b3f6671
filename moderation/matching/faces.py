"""Faces in pictures, and how alike two of them are.

What a distance means, with the reader that ships (128 numbers of dlib's ResNet; Euclidean, 0 to about 1.6):

- up to `MATCH` (0.5): the same person. On labelled press photographs no two different people of about 3,200 pairs came
  so near, and 86 to 95 of 100 pairs of one person did;
- up to `LOOK` (0.6, the value that its author gives): perhaps the same person, so a moderator looks. 97 of 100 pairs of
  one person came so near, and 0.2 to 0.8 of 100 pairs of different people.

The sets were small and easy (`benchmarks.faces`): well-known adults, photographed well. The error is higher for
children and differs between groups of people, since the network has seen few of some and keeps their faces less apart.
A match is therefore a question to a moderator with both pictures side by side, never a verdict.

**Stylised art is not covered**: of drawn or painted versions of a photograph about every second one is recognised, and
a face that no detector takes for one is not compared at all. "No match" says nothing about drawings. Nor are faces
covered that lie on their side in the picture, are smaller than about 30 pixels, or stand behind text or a bar.

A stronger reader can be named by its dotted path: anything with the attributes and the one method of `FaceReader`.
"""

import importlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.matching.decoding import PartMissing, upright

Descriptor = NDArray[np.float32]  # one face; (128,) with the reader that ships

MATCH = 0.5
LOOK = 0.6
DEFAULT_READER = "moderation.matching.dlib_faces.DlibReader"

MIN_SIDE = 24  # pixels; less holds no face that could be told apart


@dataclass(frozen=True, eq=False)
class Face:
    """One face: where it is, what it looks like to the reader, and how well it can be seen.

    `box` is (left, top, right, bottom) in pixels of the upright picture (its EXIF orientation applied), and may reach
    over the border; `size` is its shorter side; `sharpness` the variance of the Laplacian of the aligned grey face at
    150 pixels. The descriptor is a biometric template: it is not shown with the face, and must not be logged or sent
    anywhere.
    """

    box: tuple[int, int, int, int]
    descriptor: Descriptor = field(repr=False)
    size: int
    sharpness: float


@runtime_checkable
class FaceReader(Protocol):
    """Finds faces and describes them. `model` names detector, network and edition: only equal ones are compared.

    `match` and `look` are the reader's own distances with the meaning of MATCH and LOOK.
    """

    model: str
    match: float
    look: float

    def read(self, picture: Image.Image) -> tuple[Face, ...]:
        """The faces of an upright RGB picture, the largest first."""
        ...


def find_faces(picture: Image.Image, *, reader: FaceReader | None = None) -> tuple[Face, ...]:
    """The faces in a picture, the largest first; PictureUnreadable where it is too large or broken."""
    return (reader or face_reader()).read(upright(picture))


@lru_cache(maxsize=4)
def face_reader(path: str = DEFAULT_READER) -> FaceReader:
    """The reader of that dotted path, made once in a process; PartMissing where there is none."""
    module, _, name = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise PartMissing(
            f"The face reader {path!r} cannot be loaded ({error}). Install it, or name another one in LIKENESS_READER."
        ) from error
    if not isinstance(made, FaceReader):
        raise PartMissing(f"{path!r} is no face reader: it needs model, match, look and read(picture).")
    return made


def distance(one: Descriptor, other: Descriptor) -> float:
    """The Euclidean distance of two descriptors of one reader."""
    return float(np.linalg.norm(one.astype(np.float64) - other.astype(np.float64)))
