"""Labelled faces for `benchmarks.faces`: taken at run time from packages that ship them, and what is done to them.

Nothing of it is kept. The packages and what they ship (their licences; the pictures themselves have their own rights):

- face_recognition 1.3.0, sdist (MIT): White House photographs, three of one man and one of another;
- insightface 2.1, sdist (MIT): one picture of the six people of a series, and one portrait;
- scikit-image, wheel (BSD): NASA's portrait of an astronaut;
- @vladmandic/face-api 1.7.15, npm (MIT), where npm is installed: six group pictures of its demonstration.

Who is on one group picture is not on it twice: its faces are of different people. Across the six pictures of the last
package nobody has said who is who, so those pairs are left out.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

UNKNOWN = "?"  # before the name: different from everybody else of the same picture, unknown across pictures


@dataclass(frozen=True)
class Source:
    """One package: how pip or npm names it, and who is on which of its pictures (None: a group picture)."""

    package: str
    pictures: dict[str, str | None]
    ecosystem: str = "pip-sdist"


SOURCES = (
    Source(
        "face_recognition==1.3.0",
        {
            "test_images/obama.jpg": "obama",
            "test_images/obama2.jpg": "obama",
            "test_images/obama3.jpg": "obama",
            "test_images/biden.jpg": "biden",
        },
    ),
    Source("insightface==2.1", {"images/t1.jpg": None, "images/Tom_Hanks_54745.png": "hanks"}),
    Source("scikit-image==0.26.0", {"data/astronaut.png": "collins"}, "pip-wheel"),
    Source("@vladmandic/face-api@1.7.15", {f"demo/sample{n}.jpg": None for n in range(1, 7)}, "npm"),
)


@dataclass(frozen=True)
class Labelled:
    """A picture, and who it shows; for group pictures nobody."""

    picture: Image.Image
    name: str
    person: str | None
    shared: bool  # people of this group picture may be on others of the same package


def package_pictures(folder: Path) -> Iterator[Labelled]:
    """The pictures of all packages that can be had here; what cannot is said on the error stream."""
    for source in SOURCES:
        archive = _archive(source, folder)
        if archive is None:
            print(f"{source.package} could not be downloaded and is left out.", file=sys.stderr)
            continue
        members = _members(archive)
        for ending, person in source.pictures.items():
            content = next(members[name] for name in members if name.endswith(ending))
            yield Labelled(Image.open(io.BytesIO(content)).convert("RGB"), ending, person, source.ecosystem == "npm")


def folder_pictures(folder: Path) -> Iterator[Labelled]:
    """Pictures of one's own: a folder for each person."""
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}:
            with Image.open(path) as picture:
                yield Labelled(picture.convert("RGB"), path.name, path.parent.name, False)


def _archive(source: Source, folder: Path) -> Path | None:
    target = folder / source.package.strip("@").replace("/", "-")
    target.mkdir(parents=True, exist_ok=True)
    if source.ecosystem == "npm":
        npm = shutil.which("npm")
        command = [npm or "npm", "pack", "--silent", source.package]
        if npm is None:
            return None
    else:
        binary = ["--no-binary", ":all:"] if source.ecosystem == "pip-sdist" else ["--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *binary, "-d", ".", source.package]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False, timeout=300)
    return next(target.iterdir(), None) if done.returncode == 0 else None


def _members(archive: Path) -> dict[str, bytes]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as zipped:
            return {name: zipped.read(name) for name in zipped.namelist() if name.endswith((".png", ".jpg"))}
    with tarfile.open(archive) as tarred:
        files = [member for member in tarred.getmembers() if member.isfile() and member.name.endswith((".png", ".jpg"))]
        return {member.name: (tarred.extractfile(member) or io.BytesIO()).read() for member in files}


# What is done to a cut-out of a face whose longer side is about 300 pixels.

Change = Callable[[Image.Image], Image.Image]


def _small(side: int) -> Change:
    """So that the face itself (about half of the cut-out) is `side` pixels wide."""
    return lambda picture: ImageOps.contain(picture, (2 * side, 2 * side))


def _jpeg(quality: int) -> Change:
    def change(picture: Image.Image) -> Image.Image:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        return Image.open(out).convert("RGB")

    return change


def _noise(sigma: float) -> Change:
    def change(picture: Image.Image) -> Image.Image:
        dice = np.random.default_rng(1)
        values = np.asarray(picture, dtype=np.float64) + dice.normal(0, sigma, (*picture.size[::-1], 3))
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    return change


def _turned(degrees: float) -> Change:
    return lambda picture: picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(127, 127, 127))


def _text(picture: Image.Image) -> Image.Image:
    shown = picture.copy()
    draw = ImageDraw.Draw(shown)
    for n in range(5):
        draw.text(
            (4, int(shown.height * (0.15 + 0.17 * n))), "SAMPLE SAMPLE SAMPLE", fill=(255, 255, 255), font_size=24
        )
    return shown


def _eyes_barred(picture: Image.Image) -> Image.Image:
    shown = picture.copy()
    width, height = shown.size
    ImageDraw.Draw(shown).rectangle((width * 0.2, height * 0.36, width * 0.8, height * 0.46), fill=(0, 0, 0))
    return shown


def _painted(picture: Image.Image) -> Image.Image:
    """Patches of colour, as with oil paint."""
    return picture.filter(ImageFilter.ModeFilter(11)).filter(ImageFilter.SMOOTH)


def _comic(picture: Image.Image) -> Image.Image:
    """Few flat colours and black outlines."""
    flat = ImageOps.posterize(picture.filter(ImageFilter.MedianFilter(7)), 2)
    lines = picture.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    return Image.composite(Image.new("RGB", picture.size), flat, lines.point(lambda value: 255 if value > 22 else 0))


def _pencil(picture: Image.Image) -> Image.Image:
    """Lines alone: the grey picture divided by its own blurred negative ("colour dodge")."""
    grey = np.asarray(picture.convert("L"), dtype=np.float64)
    soft = np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(7)), dtype=np.float64)
    return Image.fromarray((255 * grey / np.maximum(soft, 1)).clip(0, 255).astype(np.uint8)).convert("RGB")


CHANGES: dict[str, Change] = {
    "face 64 px": _small(64),
    "face 48 px": _small(48),
    "face 32 px": _small(32),
    "JPEG q30": _jpeg(30),
    "JPEG q10": _jpeg(10),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "noise σ 25": _noise(25),
    "blur 2 px": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "darker × 0.4": lambda picture: ImageEnhance.Brightness(picture).enhance(0.4),
    "mirrored": ImageOps.mirror,
    "turned 15°": _turned(15),
    "turned 30°": _turned(30),
    "turned 90°": _turned(90),
    "text over it": _text,
    "bar over the eyes": _eyes_barred,
    "stylised: painted": _painted,
    "stylised: comic": _comic,
    "stylised: pencil": _pencil,
}
