"""Whether a picture shows a registered work: laid where features or hashes say, do the two agree?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from moderation.matching.pictures.description import Description, Query, examine
from moderation.matching.pictures.fitting import Affine, Fit, fit_features
from moderation.matching.pictures.hashes import distances
from moderation.matching.pictures.overlay import agreement, beside, mapped, window
from moderation.matching.pictures.views import WINDOWS

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Thresholds:
    """What counts as the same picture; `DEFAULT` is what the benchmark's figures were measured with.

    inliers: features that agree on one map from picture to work, at least.
    agreement: correlation of details, 0 to 1, that the pictures laid over each other must have then. Without it any
    caption that two pictures share would be a match, however many features it has.
    coverage, strong: where the features span less than `coverage` of what both pictures have in common (convex hull
    over overlap), as those of a caption do, there must be twice as many, the agreement must be `strong`, and
    where the work has details elsewhere, `agreement` there too: a caption on a plain picture is all its detail. And
    the picture must lie on `shared` of the work at least: a crop of 20 % off each side leaves .36.
    stretch: where fewer than twice `inliers` agree, a map that enlarges one direction by so much more than the other
    must bring a `strong` agreement too: an affine map has six free numbers, so four places that two grids of windows
    happen to share fit one, and copies are seldom squeezed.
    overlay: agreement that decides without features, where hashes within `near` (bits of 64) say how to lay them.
    phash, pdq: distances (bits of 64, of 256) at which a hash decides alone. For works with a picture only PDQ does;
    both are for list entries, of which no more is known. Plain pictures share pHashes: take that for a hint.
    """

    inliers: int = 4
    agreement: float = 0.5
    coverage: float = 0.12
    shared: float = 0.33
    strong: float = 0.75
    stretch: float = 1.2
    near: int = 12
    overlay: float = 0.75
    phash: int = 2
    pdq: int = 31


DEFAULT = Thresholds()


class Evidence(StrEnum):
    """What a match rests on: features that agree on one map, pictures laid over each other by hash, or hashes alone."""

    GEOMETRY = "geometry"
    OVERLAY = "overlay"
    HASH = "hash"
    NONE = "none"


@dataclass(frozen=True)
class Verdict:
    """The comparison of a picture with a work.

    phash, pdq: the smallest Hamming distances over windows and orientations. agreement: correlation of details, with
    the map of the features or, without one, with the nearest hash's. transform: float [2, 3], from the picture's pixels
    to the work's, of the upright (and, where `mirrored`, then mirrored) picture; None unless matched by geometry.
    """

    matched: bool
    evidence: Evidence
    phash: int
    pdq: int
    inliers: int = 0
    coverage: float = 0.0
    agreement: float = 0.0
    mirrored: bool = False
    transform: Affine | None = None


@dataclass(frozen=True)
class _Laid:
    """A fit with the agreement of the pictures laid over each other by it; `elsewhere`: beside its features."""

    fit: Fit
    agreement: float
    elsewhere: float
    mirrored: bool

    def suffices(self, thresholds: Thresholds) -> bool:
        many = self.fit.inliers >= 2 * thresholds.inliers
        if self.fit.coverage < thresholds.coverage:
            agreed = self.agreement >= thresholds.strong and self.elsewhere >= thresholds.agreement
            return many and agreed and self.fit.shared >= thresholds.shared
        sturdy = many or self.fit.stretch <= thresholds.stretch
        needed = thresholds.agreement if sturdy else thresholds.strong
        return self.fit.inliers >= thresholds.inliers and self.agreement >= needed


def verify(work: Description, picture: Query | Image.Image, thresholds: Thresholds = DEFAULT) -> Verdict:
    """Compare a picture with a registered work, mirrored too. Raises PictureUnusable for an unusable picture."""
    query = picture if isinstance(picture, Query) else examine(picture)
    apart = distances(work.phashes, query.phashes)
    phash, pdq = int(apart.min()), int(distances(work.pdqs, query.pdqs).min())
    laid = _laid_by_features(work, query, thresholds)
    if laid and laid.suffices(thresholds):
        inliers, coverage, mirrored = laid.fit.inliers, laid.fit.coverage, laid.mirrored
        transform = _to_pixels(laid.fit.transform, work, query)
        return Verdict(True, Evidence.GEOMETRY, phash, pdq, inliers, coverage, laid.agreement, mirrored, transform)
    evidence, agreed = Evidence.NONE, 0.0
    if phash <= thresholds.near:
        place, orientation = np.unravel_index(int(apart.argmin()), apart.shape)
        agreed = agreement(window(work.thumb, WINDOWS[place]), query.thumbs[orientation])
        evidence = Evidence.OVERLAY if agreed >= thresholds.overlay else Evidence.NONE
    if pdq <= thresholds.pdq and evidence is Evidence.NONE:
        evidence = Evidence.HASH
    inliers, coverage = (laid.fit.inliers, laid.fit.coverage) if laid else (0, 0.0)
    return Verdict(evidence is not Evidence.NONE, evidence, phash, pdq, inliers, coverage, agreed)


def _laid_by_features(work: Description, query: Query, thresholds: Thresholds) -> _Laid | None:
    """The best fit of the picture as it is or mirrored; a sufficient one ends the search."""
    best: _Laid | None = None
    for mirrored in (False, True):
        fit = fit_features(work.features, query.mirror if mirrored else query.features)
        if fit is None:
            continue
        raster = np.ascontiguousarray(query.raster[:, ::-1]) if mirrored else query.raster
        seen, shown = mapped(raster, fit.transform, work.features.frame)
        elsewhere = agreement(work.thumb, seen, shown & beside(fit.places, work.features.frame), otherwise=1.0)
        laid = _Laid(fit, agreement(work.thumb, seen, shown), elsewhere, mirrored)
        if laid.suffices(thresholds):
            return laid
        if best is None or fit.inliers > best.fit.inliers:
            best = laid
    return best


def _to_pixels(transform: Affine, work: Description, query: Query) -> Affine:
    """The same map between the pictures' own pixels instead of between the rasters."""
    pixels = transform * (work.size[0] / work.features.frame[0])
    pixels[:, :2] *= query.features.frame[0] / query.size[0]
    return pixels
