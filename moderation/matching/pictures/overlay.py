"""Two pictures laid over each other: how far their details agree, pixel by pixel.

Small grey rasters are compared after their local mean is taken away, so that brightness, contrast and a common gradient
count for nothing, and edges and details for all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.views import Window, box

SIDE = 64  # pixels of a thumbnail, whatever the proportions of the picture
_AROUND = (9, 9)  # pixels over which mean and strength are taken
_FAINTEST = 0.5  # grey levels of detail; below that there is only the encoder's noise to compare
_NOISE = 1.5  # grey levels that details of a thumbnail may be off after recompression
_FEWEST = 300  # pixels that both pictures must show


def thumbnail(raster: Grey) -> Grey:
    """A grey raster [height, width] as [64, 64]."""
    import cv2

    small: Grey = np.asarray(cv2.resize(raster, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return small


def window(thumb: Grey, part: Window) -> Grey:
    """A crop window of a thumbnail, enlarged to [64, 64] again."""
    from PIL import Image

    return np.asarray(Image.fromarray(thumb).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box(part, SIDE, SIDE)))


def mapped(raster: Grey, transform: NDArray[np.float64], frame: tuple[int, int]) -> tuple[Grey, NDArray[np.bool_]]:
    """A picture's raster as the thumbnail [64, 64] of the work that `transform` [2, 3] lays it on, and where it does.

    frame: width and height of the work's raster, which the transform leads to.
    """
    import cv2

    pitch = np.array(frame) / SIDE
    inverse = cv2.invertAffineTransform(transform)
    inverse = np.column_stack([inverse[:, :2] * pitch, inverse[:, 2] + inverse[:, :2] @ (pitch / 2)])
    # Bilinear sampling looks at four pixels; so what lies between two samples is averaged first.
    reach = max(1, round(float(np.sqrt(abs(np.linalg.det(inverse[:, :2]))))))
    smooth = cv2.blur(raster, (reach, reach)) if reach > 1 else raster
    size, flags = (SIDE, SIDE), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(smooth, inverse, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.full_like(raster, 255), inverse, size, flags=flags, borderValue=(0.0,))
    return np.asarray(laid, np.uint8), np.asarray(shown == 255)


def beside(points: NDArray[np.float32], frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels [64, 64] of a work's thumbnail lie outside the hull of `points` [n, 2].

    frame: width and height of the raster that the points lie in.
    """
    import cv2

    inside = np.zeros((SIDE, SIDE), np.uint8)
    hull = cv2.convexHull(points * (SIDE / np.array(frame, np.float32)))
    cv2.fillConvexPoly(inside, np.rint(hull).astype(np.int32), (1.0,))
    return np.asarray(cv2.dilate(inside, np.ones((3, 3), np.uint8)) == 0)  # the width of a letter's edge more


def agreement(work: Grey, picture: Grey, shown: NDArray[np.bool_] | None = None, otherwise: float = 0.0) -> float:
    """Correlation of a picture's details with those of the work, -1 to 1, where it is `shown` and the work has details.

    Details are measured by how strong those around them are: a caption that both have counts by the area that it
    covers, not by its contrast; what is written over an empty part of the work is not looked at. `otherwise` where
    there is too little to compare.
    """
    import cv2

    where = np.ones(work.shape, np.float32) if shown is None else shown.astype(np.float32)
    # Next to a border the local mean is one-sided, and a mere gradient would look like a detail.
    inside = cv2.blur(where, _AROUND, borderType=cv2.BORDER_CONSTANT) > 0.999
    expected, strength = _details(work, inside)
    told = inside & (strength >= _FAINTEST)
    if told.sum() < _FEWEST:
        return otherwise
    first, second = expected[told], _details(picture, inside)[0][told]
    energy = float((first * first).sum()) * float((second * second).sum())
    return float((first * second).sum()) / float(np.sqrt(energy)) if energy > 0 else 0.0


def _details(thumb: Grey, inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The thumbnail less its local mean, over its local strength; and that strength in grey levels. 0 elsewhere."""
    import cv2

    levels = thumb.astype(np.float32)
    details = np.where(inside, levels - cv2.blur(levels, _AROUND), np.float32(0))
    strength = np.sqrt(np.maximum(cv2.blur(details * details, _AROUND), 0)).astype(np.float32)
    return (details / np.hypot(strength, np.float32(_NOISE))).astype(np.float32), strength
