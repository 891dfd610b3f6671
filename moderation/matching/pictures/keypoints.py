"""Local features of a picture: where they are, how they are turned, and what they look like, in 72 bytes each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from moderation.matching.pictures.raster import Grey

CONTRAST = 0.01  # a quarter of OpenCV's default: soft paintings have few strong corners
CODE = 64  # bytes of a descriptor: 128 values of 4 bits
_PLACE = 64  # steps per pixel
_OCTAVE = 16  # steps per doubling of the size
_LEVELS = 40.0  # codes per unit of the root descriptor; 15 is reached at .375
_CELLS = 8  # features are spread over 8 × 8 cells of the picture
_MIRROR = np.arange(128).reshape(4, 4, 8)[::-1][:, :, (8 - np.arange(8)) % 8].reshape(-1)


@dataclass(frozen=True)
class Features:
    """SIFT keypoints of a picture, the most telling first, quantised.

    frame: width and height in pixels of the raster they were found in. places: uint16 [n, 2], x and y in 1/64 pixel.
    angles: uint8 [n], 256 to the turn. sizes: uint8 [n], 16 · log2 of the diameter in pixels.
    codes: uint8 [n, 64], RootSIFT (Arandjelović and Zisserman, 2012) in 4 bits a value.
    """

    frame: tuple[int, int]
    places: NDArray[np.uint16]
    angles: NDArray[np.uint8]
    sizes: NDArray[np.uint8]
    codes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def points(self) -> NDArray[np.complex128]:
        """Places [n] in pixels, x + iy."""
        pixels = self.places.astype(np.float64) / _PLACE
        return pixels[:, 0] + 1j * pixels[:, 1]

    @cached_property
    def frames(self) -> NDArray[np.complex128]:
        """Size and turn [n] of each keypoint as one complex number: |·| the diameter in pixels, arg the angle."""
        turned: NDArray[np.complex128] = np.exp2(self.sizes / _OCTAVE) * np.exp(2j * np.pi * self.angles / 256)
        return turned

    @cached_property
    def levels(self) -> NDArray[np.int16]:
        """Descriptor values [n, 128], 0 to 15."""
        values = np.empty((len(self), 2 * CODE), np.int16)
        values[:, 0::2], values[:, 1::2] = self.codes >> 4, self.codes & 15
        return values

    @cached_property
    def descriptors(self) -> NDArray[np.float32]:
        """Descriptors [n, 128] of unit length."""
        values = self.levels.astype(np.float32)
        unit: NDArray[np.float32] = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
        return unit

    def first(self, count: int) -> Features:
        """The `count` most telling ones."""
        return replace(
            self,
            places=self.places[:count],
            angles=self.angles[:count],
            sizes=self.sizes[:count],
            codes=self.codes[:count],
        )

    def mirrored(self) -> Features:
        """The features that the picture has when its left and right are exchanged, without looking at it again."""
        places = self.places.copy()
        places[:, 0] = self.frame[0] * _PLACE - places[:, 0]
        angles = (128 - self.angles.astype(np.int16)).astype(np.uint8)
        return replace(self, places=places, angles=angles, codes=_packed(self.levels[:, _MIRROR]))


def find(raster: Grey, limit: int) -> Features:
    """At most `limit` features of a grey raster [height, width], the strongest of every part of it first."""
    import cv2

    sift: Any = cv2.SIFT_create(contrastThreshold=CONTRAST)  # type: ignore[attr-defined]
    found = sift.detect(raster, None)
    chosen = [found[index] for index in _spread(found, raster.shape, limit)]
    kept, descriptors = sift.compute(raster, chosen) if chosen else ((), None)
    if descriptors is None:
        descriptors = np.zeros((0, 128), np.float32)
    height, width = raster.shape
    return _quantised(kept, descriptors, (width, height))


def _spread(found: Any, shape: tuple[int, ...], limit: int) -> NDArray[np.intp]:
    """Indices of the features to keep: the four strongest of every cell, then the next four of every cell, …"""
    if not found:
        return np.zeros(0, np.intp)
    places = np.array([keypoint.pt for keypoint in found])
    # Large details survive reduction and recompression better than small ones of the same contrast.
    strength = np.array([keypoint.response * keypoint.size for keypoint in found])
    cell = (places // (np.array(shape[::-1]) / _CELLS)).clip(0, _CELLS - 1).astype(np.intp) @ np.array([1, _CELLS])
    order = np.lexsort((-strength, cell))
    starts = np.searchsorted(cell[order], np.arange(_CELLS**2))
    rank = np.empty(len(found), np.intp)
    rank[order] = np.arange(len(found)) - starts[cell[order]]
    return np.lexsort((-strength, rank // 4))[:limit]


def _quantised(keypoints: Any, descriptors: NDArray[np.float32], frame: tuple[int, int]) -> Features:
    places = np.array([keypoint.pt for keypoint in keypoints], np.float64).reshape(-1, 2)
    angles = np.array([keypoint.angle for keypoint in keypoints], np.float64)
    sizes = np.array([keypoint.size for keypoint in keypoints], np.float64)
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    return Features(
        frame=frame,
        places=np.rint(places * _PLACE).clip(0, 65535).astype(np.uint16),
        angles=(np.rint(angles * (256 / 360)).astype(np.int64) % 256).astype(np.uint8),
        sizes=np.rint(np.log2(np.maximum(sizes, 1)) * _OCTAVE).clip(0, 255).astype(np.uint8),
        codes=_packed(np.rint(root * _LEVELS).clip(0, 15).astype(np.int16)),
    )


def _packed(levels: NDArray[np.int16]) -> NDArray[np.uint8]:
    return (levels[:, 0::2] << 4 | levels[:, 1::2]).astype(np.uint8)
