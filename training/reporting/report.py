"""The dataset report: what a set of pictures and captions will do to a run, told before the run costs anything.

Thresholds are rules of thumb of the field's trainers (kohya-ss documentation, the Hub's DreamBooth guides), each named
at its constant. They warn; nothing here refuses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import sqrt
from statistics import median
from typing import Any

from training.reporting.buckets import WIDEST, BucketCount, buckets_of
from training.reporting.captions import TOKENS_MAX, has_word, least_tokens, likely_tokens
from training.reporting.near import Look, colour_distance

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
class _Looked:
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


def dataset_report(pictures: Sequence[PictureFacts], aim: Aim) -> DatasetReport:
    """Judge the pictures that are not left out. An empty set has a report too."""
    own = [one for one in pictures if not one.is_prior]
    training = [one for one in own if not one.is_validation]
    looked = _Looked(
        aim=aim,
        training=training,
        validation=[one for one in own if one.is_validation],
        prior=[one for one in pictures if one.is_prior],
        diversity=diversity(own),
    )
    for look_at in (_count, _sizes, _sharpness, _duplicates, _balance, _captions, _trigger, _length, _priors):
        look_at(looked)
    return _figures(looked)


def _figures(looked: _Looked) -> DatasetReport:
    own = looked.own
    sides = sorted(_side(one) for one in own) or [0]
    captions = [one.caption for one in own if one.caption.strip()]
    return DatasetReport(
        side=looked.aim.side,
        pictures=len(looked.training),
        validation=len(looked.validation),
        prior=len(looked.prior),
        shown_in_an_epoch=sum(one.repeats for one in looked.training),
        side_least=sides[0],
        side_median=int(median(sides)),
        side_most=sides[-1],
        buckets=buckets_of([(one.width, one.height) for one in own], side=looked.aim.side, step=looked.aim.bucket_step),
        near_duplicates=sum(one.near_group is not None for one in own),
        diversity=looked.diversity,
        captioned=len(captions),
        captions_distinct=len({caption.lower() for caption in captions}),
        with_trigger=sum(has_word(caption, looked.aim.trigger) for caption in captions),
        longest_tokens=max((likely_tokens(caption) for caption in captions), default=0),
        advice=tuple(sorted(looked.advice, key=lambda one: list(Level).index(one.level))),
        forecast=_forecast(looked),
    )


def _n(count: int, noun: str = "picture") -> str:
    """1 picture, 2 pictures."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _side(one: PictureFacts) -> int:
    """The side of the square with the picture's area, which is what its bucket is made of."""
    return round(sqrt(one.width * one.height))


def diversity(pictures: Sequence[PictureFacts]) -> float:
    """0 to 1: half how far the hashes are apart (32 of 64 bits are unrelated), half the colours (60 of 255)."""
    every = -(-len(pictures) // DIVERSITY_PAIRS) or 1
    some = [Look(one.phash, one.colours) for one in pictures[::every]]
    apart = [
        min((one.phash ^ other.phash).bit_count() / 32, 1) / 2
        + min(colour_distance(one.colours, other.colours) / 60, 1) / 2
        for place, one in enumerate(some)
        for other in some[:place]
    ]
    return round(sum(apart) / len(apart), 2) if apart else 0.0


def _count(looked: _Looked) -> None:
    least, good = WANTED.get(looked.aim.purpose, WANTED["style"])
    count = len(looked.training)
    if count < least:
        what = f"Left to train on: {_n(count)}. For a {looked.aim.purpose}, {least} are the least and {good} are good."
        why = "From few pictures a model learns their poses and backgrounds together with what was meant."
        remedy = "Add pictures that differ in everything but what is to be learned, or set fewer aside for validation."
        looked.say("few-pictures", Level.SERIOUS, what, why, remedy)
    if count and not looked.validation:
        what = "No picture is set aside for validation."
        why = "Whether the run learns or memorises can then only be guessed from its samples."
        looked.say("no-validation", Level.WARNING, what, why, "Set a share aside; 20 % is usual.")


def _sizes(looked: _Looked) -> None:
    small = [one for one in looked.own if _side(one) < SMALL * looked.aim.side]
    if small:
        what = f"Fewer pixels than the {looked.aim.side} × {looked.aim.side} that are trained: {_n(len(small))}."
        why = "They are enlarged, and the adapter learns the blur of the enlargement."
        remedy = "Send them larger, or train at a smaller resolution."
        looked.say("too-small", Level.WARNING, what, why, remedy, small)
    odd = [one for one in looked.own if max(one.width, one.height) > WIDEST * min(one.width, one.height)]
    if odd:
        what = f"More than {WIDEST:g} times as long as wide: {_n(len(odd))}."
        looked.say(
            "very-long", Level.NOTE, what, "The longest bucket cuts a part of them off.", "Crop them by hand.", odd
        )
    sizes = [(one.width, one.height) for one in looked.training]
    counts = buckets_of(sizes, side=looked.aim.side, step=looked.aim.bucket_step)
    lonely = [bucket for bucket in counts if bucket.pictures == 1]
    if len(lonely) > 3:
        what = f"{len(lonely)} aspect-ratio buckets have one picture each."
        why = "A batch has pictures of one bucket only, so these come alone and weigh more."
        looked.say("lonely-buckets", Level.NOTE, what, why, "Crop pictures to a few common shapes, or use batch 1.")


def _sharpness(looked: _Looked) -> None:
    soft = [one for one in looked.own if one.sharpness < SOFT]
    if soft:
        what = f"Soft or blurred, as it measures: {_n(len(soft))}."
        why = "Softness is learned like any other look. Smooth art and plain grounds measure low too: look yourself."
        looked.say("soft", Level.WARNING, what, why, "Replace them, or leave them out.", soft)


def _duplicates(looked: _Looked) -> None:
    near = [one for one in looked.own if one.near_group is not None]
    if near:
        groups = len({one.near_group for one in near})
        what = f"Near-duplicates: {_n(len(near))}, in {_n(groups, 'group')}."
        why = "Each group counts as one picture that is shown several times as often, and is memorised first."
        looked.say("near-duplicates", Level.WARNING, what, why, "Keep one of each group, leave the others out.", near)
    if len(looked.own) > 2 and looked.diversity < ALIKE:
        what = f"The pictures are much alike (diversity {looked.diversity:.2f} of 1)."
        why = "What all of them share – a ground, a pose, a light – becomes part of what is learned."
        looked.say("alike", Level.WARNING, what, why, "Add pictures with other grounds, poses and light.")


def _balance(looked: _Looked) -> None:
    total = sum(one.repeats for one in looked.training)
    by_unit: dict[object, int] = {}
    for one in looked.training:
        unit: object = one.near_group if one.near_group is not None else one.path
        by_unit[unit] = by_unit.get(unit, 0) + one.repeats
    most = max(by_unit.values(), default=0)
    if len(by_unit) > 1 and most >= LOPSIDED * total:
        what = (
            f"One picture, with its repeats and near-duplicates, is {round(100 * most / total)} % of all that is shown."
        )
        why = "The run learns that picture, and little of the others."
        looked.say("lopsided", Level.SERIOUS, what, why, "Give it fewer repeats.")


def _captions(looked: _Looked) -> None:
    missing = [one for one in looked.own if not one.caption.strip()]
    if missing:
        what = f"Without a caption: {_n(len(missing))}."
        why = "What no caption names is taken for part of what is learned, and a prompt cannot take it away again."
        looked.say(
            "caption-missing", Level.WARNING, what, why, "Write captions, or let a captioner propose them.", missing
        )
    written = [one for one in looked.own if one.caption.strip()]
    counts: dict[str, list[PictureFacts]] = {}
    for one in written:
        counts.setdefault(one.caption.strip().lower(), []).append(one)
    most = max(counts.values(), key=len, default=[])
    same = most if len(most) > 1 and len(most) >= IDENTICAL * len(written) else []
    if same:
        what = f"One and the same caption for {_n(len(same))}: “{same[0].caption[:80]}”."
        why = "A caption that fits every picture teaches nothing of what differs between them."
        looked.say("captions-identical", Level.WARNING, what, why, "Say in each what is particular to it.", same)
    short = [one for one in written if len(one.caption.split()) < CAPTION_SHORT and one not in same]
    if short:
        what = f"Fewer than {CAPTION_SHORT} words: {_n(len(short), 'caption')}."
        looked.say(
            "caption-short", Level.NOTE, what, "Little is told apart by them.", "Name ground, pose, light.", short
        )


def _trigger(looked: _Looked) -> None:
    trigger = looked.aim.trigger.strip()
    if not trigger:
        why = "Without one, what is learned comes up in every picture, or cannot be called for."
        looked.say(
            "no-trigger", Level.WARNING, "There is no trigger word.", why, "Choose a short word without a meaning."
        )
        return
    without = [one for one in looked.own if one.caption.strip() and not has_word(one.caption, trigger)]
    if without:
        what = f"The trigger word “{trigger}” is missing in {_n(len(without), 'caption')}."
        why = "What these pictures teach is not tied to it, so it leaks into prompts that do not use it."
        looked.say("trigger-missing", Level.SERIOUS, what, why, "Put the trigger word first in every caption.", without)


def _length(looked: _Looked) -> None:
    sure = [one for one in looked.own if least_tokens(one.caption) > TOKENS_MAX]
    maybe = [one for one in looked.own if one not in sure and likely_tokens(one.caption) > TOKENS_MAX]
    why = f"CLIP's text encoders read {TOKENS_MAX} tokens; what comes after them is cut off without a word."
    remedy = "Shorten them, or bring what matters to the front."
    if sure:
        what = f"More than {TOKENS_MAX} tokens: {_n(len(sure), 'caption')}."
        looked.say("caption-overflow", Level.WARNING, what, why, remedy, sure)
    if maybe:
        what = (
            f"Perhaps more than {TOKENS_MAX} tokens: {_n(len(maybe), 'caption')} (estimated; rare words take several)."
        )
        looked.say("caption-overflow-likely", Level.NOTE, what, why, remedy, maybe)


def _priors(looked: _Looked) -> None:
    needs = looked.aim.purpose in {"person", "object", "product"}
    if needs and looked.training and not looked.prior:
        word = looked.aim.class_word or "its class"
        what = f"There are no class pictures of “{word}”."
        why = "Without prior preservation the class itself drifts: every dog becomes this dog."
        remedy = "Add a folder reg/1_" + (looked.aim.class_word or "class") + " with ordinary pictures of the class."
        looked.say("no-class-pictures", Level.NOTE, what, why, remedy)


def _forecast(looked: _Looked) -> Forecast:
    over, under = _over(looked), _under(looked)
    return Forecast(_risk([weight for weight, _ in over]), _risk([weight for weight, _ in under]),
                    tuple(reason for _, reason in [*over, *under]))  # fmt: skip


def _risk(weights: Sequence[int]) -> Risk:
    total = sum(weights)
    return Risk.HIGH if total >= 3 else Risk.MEDIUM if total else Risk.LOW


def _over(looked: _Looked) -> list[tuple[int, str]]:
    """What makes memorising likely, with how much it weighs and its fix."""
    codes = {one.code for one in looked.advice}
    least, _ = WANTED.get(looked.aim.purpose, WANTED["style"])
    count, found = len(looked.training), list[tuple[int, str]]()
    if count < least:
        weight = 3 if count <= least // 2 else 2
        found.append(
            (weight, f"Overfitting: {_n(count)} to train on is little. Lower rank and steps, or add pictures.")
        )
    if "alike" in codes or "near-duplicates" in codes:
        found.append((1, "Overfitting: many pictures are alike. Leave near-duplicates out and vary the rest."))
    if "captions-identical" in codes or "caption-missing" in codes:
        found.append((1, "Overfitting: captions do not tell the pictures apart. Describe what differs."))
    if "lopsided" in codes:
        found.append((2, "Overfitting: one picture outweighs the rest. Give it fewer repeats."))
    each = _shown_each(looked)
    if each is not None and each > STEPS_HIGH:
        found.append((3, f"Overfitting: each picture is shown {each} times; 100 to 200 is usual. Take fewer steps."))
    return found


def _under(looked: _Looked) -> list[tuple[int, str]]:
    """What makes learning too little likely."""
    codes = {one.code for one in looked.advice}
    found = list[tuple[int, str]]()
    each = _shown_each(looked)
    if each is not None and each < STEPS_LOW:
        found.append((3, f"Underfitting: each picture is shown {each} times; 100 to 200 is usual. Take more steps."))
    small = next((len(one.pictures) for one in looked.advice if one.code == "too-small"), 0)
    if small * 2 > len(looked.own) > 0:
        found.append((1, "Underfitting: most pictures are enlarged, so fine detail is not in them. Send larger ones."))
    if "trigger-missing" in codes or "no-trigger" in codes:
        found.append(
            (1, "Underfitting: the trigger word does not stand for all that is shown. Put it in every caption.")
        )
    if looked.aim.purpose in {"person", "object", "product"} and looked.diversity > 0.9 and len(looked.training) > 60:
        found.append((1, "Underfitting: the pictures have little in common for one thing. Leave out what is not it."))
    return found


def _shown_each(looked: _Looked) -> int | None:
    total = len(looked.training)
    return None if looked.aim.shown is None or not total else round(looked.aim.shown / total)
