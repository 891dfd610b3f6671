"""What the report is made of: facts of pictures and of what is aimed at, and what is said of them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import sqrt
from typing import Any

from training.reporting.buckets import BucketCount

# Pictures that a purpose needs at least and wants, after the guides of the field's trainers.
WANTED: Mapping[str, tuple[int, int]] = {
    "style": (15, 30),
    "person": (10, 20),
    "object": (8, 15),
    "concept": (15, 30),
    "product": (8, 15),
}
SOFT = 40.0  # sharpness below which a picture looks soft at 512 pixels; sharp photographs have several hundred
SMALL = 0.9  # of the side that is trained at; below it the picture is enlarged
CAPTION_SHORT = 3  # words; below that a caption says no more than what it is
ALIKE = 0.25  # diversity below which the pictures show one scene over and over
DIVERSITY_PAIRS = 200  # pictures compared each with each; of more, evenly spaced ones
IDENTICAL = 0.5  # share of captions that are one and the same
STEPS_LOW, STEPS_HIGH = 50, 300  # of each picture in a run; the field's default is 100 to 200
LOPSIDED = 0.75  # share of all that is shown that one picture or its near-duplicates have


class Level(StrEnum):
    """How much a remark matters."""

    SERIOUS = "serious"
    WARNING = "warning"
    NOTE = "note"


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class PictureFacts:
    """What the report knows of a picture."""

    path: str
    width: int
    height: int
    sharpness: float
    phash: int
    colours: bytes
    caption: str = ""
    repeats: int = 1
    is_prior: bool = False
    is_validation: bool = False
    near_group: int | None = None


@dataclass(frozen=True)
class Aim:
    """What the set is for, and how it will be trained as far as that is known.

    `side` in pixels of the square whose area is trained at; `steps` pictures shown to the optimiser (steps × batch).
    """

    purpose: str = "style"
    trigger: str = ""
    class_word: str = ""
    side: int = 512
    bucket_step: int = 64
    shown: int | None = None


@dataclass(frozen=True)
class Advice:
    """A remark: what is so, why it matters, what to do; and the pictures that it is about."""

    code: str
    level: Level
    what: str
    why: str
    remedy: str
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """How likely the run learns the pictures by heart, or learns too little; with the reasons, each with its fix."""

    overfitting: Risk
    underfitting: Risk
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetReport:
    """Figures and remarks; `diversity` from 0 (one picture over and over) to 1 (nothing in common)."""

    side: int
    pictures: int
    validation: int
    prior: int
    shown_in_an_epoch: int
    side_least: int
    side_median: int
    side_most: int
    buckets: tuple[BucketCount, ...]
    near_duplicates: int
    diversity: float
    captioned: int
    captions_distinct: int
    with_trigger: int
    longest_tokens: int
    advice: tuple[Advice, ...]
    forecast: Forecast

    def to_json(self) -> dict[str, Any]:
        """Plain values for a page's context, the API and a record."""
        plain: dict[str, Any] = asdict(self)
        return plain


@dataclass
class Looked:
    """The training pictures, with what several remarks ask of them."""

    aim: Aim
    training: list[PictureFacts]
    validation: list[PictureFacts]
    prior: list[PictureFacts]
    diversity: float
    advice: list[Advice] = field(default_factory=list)

    def say(
        self, code: str, level: Level, what: str, why: str, remedy: str, about: Iterable[PictureFacts] = ()
    ) -> None:
        self.advice.append(Advice(code, level, what, why, remedy, tuple(one.path for one in about)))

    @property
    def own(self) -> list[PictureFacts]:
        return [*self.training, *self.validation]


def counted(count: int, noun: str = "picture") -> str:
    """1 picture, 2 pictures."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def side_of(one: PictureFacts) -> int:
    """The side of the square with the picture's area, which is what its bucket is made of."""
    return round(sqrt(one.width * one.height))
