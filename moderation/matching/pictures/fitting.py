"""Local features that agree on one position, turn and scale.

Each pair of features that look alike proposes a similarity (place, size and turn of a single keypoint give one); the
proposals that most other pairs agree with are refined to an affine map. Nothing is drawn at random, so the same two
pictures always give the same fit. Source: spatial verification by single correspondences, Philbin et al. 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from moderation.matching.pictures.keypoints import Features

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]  # indices into the work's and the picture's features
Affine = NDArray[np.float64]  # [2, 3]
RATIO = 0.85  # of the second-best distance; Lowe's .8, loosened because position, turn and size are checked as well
NEAR = 0.012  # of the work's longer side: how far a feature may lie from where the map puts it
TURN = np.deg2rad(25)  # how far a keypoint's turn may differ from the map's
STRETCH = np.log(1.6)  # and its size, as a factor
PROPOSALS = 5  # refined, best first
SHEAR = 1.6  # the most that a map may stretch one direction more than the other
ZOOM = 10.0  # the most that a map may enlarge or reduce


@dataclass(frozen=True)
class Fit:
    """An affine map [2, 3] from raster to raster, and the distinct places [n, 2] of the work that agree with it.

    shared: which part of the work the picture lies on, 0 to 1. coverage: which part of that the hull of the places is.
    """

    transform: Affine
    places: NDArray[np.float32]
    shared: float
    coverage: float

    @property
    def inliers(self) -> int:
        return len(self.places)

    @property
    def stretch(self) -> float:
        """How much more the map enlarges one direction than the other; 1 for a mere turn and enlargement."""
        large, small = np.linalg.svd(self.transform[:, :2], compute_uv=False)
        return float(large / small)


def fit_features(work: Features, picture: Features) -> Fit | None:
    """The map from the picture's raster to the work's that most pairs of features agree with; None without any."""
    pairs = alike(work, picture)
    if len(pairs[0]) < 4:
        return None
    fits = [_refined(work, picture, pairs, agreeing) for agreeing in _proposals(work, picture, pairs)]
    return max((fit for fit in fits if fit), key=lambda fit: (fit.inliers, fit.coverage), default=None)


def alike(work: Features, picture: Features) -> Pairs:
    """Features that are each other's nearest, and clearly nearer than the second."""
    if len(work) < 2 or len(picture) < 2:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    similarity = work.descriptors @ picture.descriptors.T
    rows = np.arange(len(work))
    nearest, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    best = similarity[rows, nearest]
    similarity[rows, nearest] = -1.0
    second = similarity.max(axis=1)
    kept = (back[nearest] == rows) & (1 - best < RATIO**2 * (1 - second))
    return rows[kept], nearest[kept]


def _proposals(work: Features, picture: Features, pairs: Pairs) -> list[NDArray[np.bool_]]:
    """For the proposals with the most support: which pairs [m] agree."""
    there, here = work.points[pairs[0]], picture.points[pairs[1]]
    turns = work.frames[pairs[0]] / picture.frames[pairs[1]]  # how each pair alone would turn and enlarge
    predicted = turns[:, None] * (here[None, :] - here[:, None]) + there[:, None]
    # A single keypoint's turn and size are rough, so this first look allows four times the final distance.
    close = np.abs(predicted - there[None, :]) < 4 * NEAR * max(work.frame)
    agreeing = close & _same_turn(turns[None, :] / turns[:, None])
    order = np.argsort(-agreeing.sum(axis=1), kind="stable")[:PROPOSALS]
    return [agreeing[index] for index in order]


def _same_turn(ratio: NDArray[np.complex128]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (np.abs(np.angle(ratio)) < TURN) & (np.abs(np.log(np.abs(ratio))) < STRETCH)
    return same


def _refined(work: Features, picture: Features, pairs: Pairs, agreeing: NDArray[np.bool_]) -> Fit | None:
    """Least squares over the agreeing pairs, again with those that it brings near; None where it degenerates."""
    there, here = work.points[pairs[0]], picture.points[pairs[1]]
    turns = work.frames[pairs[0]] / picture.frames[pairs[1]]
    transform: Affine | None = None
    for tightness in (3.0, 2.0, 1.0, 1.0):
        transform = _least_squares(here[agreeing], there[agreeing])
        if transform is None:
            return None
        mapped = _apply(transform, here)
        rotation = complex(transform[0, 0] + transform[1, 1], transform[1, 0] - transform[0, 1]) / 2
        agreeing = (np.abs(mapped - there) < tightness * NEAR * max(work.frame)) & _same_turn(turns / rotation)
    assert transform is not None
    places = _distinct(there[agreeing], here[agreeing])
    return _fit(transform, _rows(places), work, picture) if len(places) >= 4 else None


def _least_squares(here: NDArray[np.complex128], there: NDArray[np.complex128]) -> Affine | None:
    """The map [2, 3] that brings `here` nearest to `there`: affine, or a similarity where the points are too few or too
    close together to tell a shear; None where no copying would make either."""
    if len(here) < 4:
        return None
    source = np.stack([here.real, here.imag, np.ones(len(here))], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(source, np.stack([there.real, there.imag], axis=1), rcond=None)
    affine: Affine = solution.T
    if rank == 3 and _is_sound(affine):
        return affine
    start, end = here - here.mean(), there - there.mean()
    turn = complex(np.vdot(start, end) / max(float(np.vdot(start, start).real), 1e-9))
    shift = complex(there.mean() - turn * here.mean())
    similar = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return similar if _is_sound(similar) else None


def _is_sound(transform: Affine) -> bool:
    large, small = np.linalg.svd(transform[:, :2], compute_uv=False)
    upright = float(np.linalg.det(transform[:, :2])) > 0
    return upright and bool(1 / ZOOM < small <= large < ZOOM and large < SHEAR * small)


def _apply(transform: Affine, points: NDArray[np.complex128]) -> NDArray[np.complex128]:
    x, y = transform[:, :2] @ np.stack([points.real, points.imag]) + transform[:, 2:]
    mapped: NDArray[np.complex128] = x + 1j * y
    return mapped


def _distinct(there: NDArray[np.complex128], here: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """One place of the work for each 4-pixel cell in either picture: a corner with three keypoints is one witness."""
    once = _one_per_cell(there)
    return there[once][_one_per_cell(here[once])]


def _one_per_cell(points: NDArray[np.complex128]) -> NDArray[np.intp]:
    cells = np.rint(points.real / 4) * 65536 + np.rint(points.imag / 4)
    return np.unique(cells, return_index=True)[1]


def _fit(transform: Affine, places: NDArray[np.float32], work: Features, picture: Features) -> Fit:
    import cv2

    corners = _apply(transform, np.array(_corners(picture.frame)))
    common, _ = cv2.intersectConvexConvex(_rows(corners), _rows(np.array(_corners(work.frame))))
    hull = float(cv2.contourArea(cv2.convexHull(places)))
    area = work.frame[0] * work.frame[1]
    return Fit(transform, places, min(1.0, common / area), min(1.0, hull / common) if common > 0 else 0.0)


def _corners(frame: tuple[int, int]) -> list[complex]:
    width, height = frame
    return [0j, complex(width, 0), complex(width, height), complex(0, height)]


def _rows(points: NDArray[np.complex128]) -> NDArray[np.float32]:
    return np.stack([points.real, points.imag], axis=1).astype(np.float32)
