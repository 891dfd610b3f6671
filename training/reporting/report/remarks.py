"""What is said of a set: each function looks at one thing, and says what, why, and what to do."""

from training.reporting.buckets import WIDEST, buckets_of
from training.reporting.captions import TOKENS_MAX, has_word, least_tokens, likely_tokens
from training.reporting.report.facts import (
    ALIKE,
    CAPTION_SHORT,
    IDENTICAL,
    LOPSIDED,
    SMALL,
    SOFT,
    WANTED,
    Level,
    Looked,
    PictureFacts,
    counted,
    side_of,
)


def _count(looked: Looked) -> None:
    least, good = WANTED.get(looked.aim.purpose, WANTED["style"])
    count = len(looked.training)
    if count < least:
        wanted = f"{least} are the least and {good} are good"
        what = f"Left to train on: {counted(count)}. For a {looked.aim.purpose}, {wanted}."
        why = "From few pictures a model learns their poses and backgrounds together with what was meant."
        remedy = "Add pictures that differ in everything but what is to be learned, or set fewer aside for validation."
        looked.say("few-pictures", Level.SERIOUS, what, why, remedy)
    if count and not looked.validation:
        what = "No picture is set aside for validation."
        why = "Whether the run learns or memorises can then only be guessed from its samples."
        looked.say("no-validation", Level.WARNING, what, why, "Set a share aside; 20 % is usual.")


def _sizes(looked: Looked) -> None:
    small = [one for one in looked.own if side_of(one) < SMALL * looked.aim.side]
    if small:
        what = f"Fewer pixels than the {looked.aim.side} × {looked.aim.side} that are trained: {counted(len(small))}."
        why = "They are enlarged, and the adapter learns the blur of the enlargement."
        remedy = "Send them larger, or train at a smaller resolution."
        looked.say("too-small", Level.WARNING, what, why, remedy, small)
    odd = [one for one in looked.own if max(one.width, one.height) > WIDEST * min(one.width, one.height)]
    if odd:
        what = f"More than {WIDEST:g} times as long as wide: {counted(len(odd))}."
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


def _sharpness(looked: Looked) -> None:
    soft = [one for one in looked.own if one.sharpness < SOFT]
    if soft:
        what = f"Soft or blurred, as it measures: {counted(len(soft))}."
        why = "Softness is learned like any other look. Smooth art and plain grounds measure low too: look yourself."
        looked.say("soft", Level.WARNING, what, why, "Replace them, or leave them out.", soft)


def _duplicates(looked: Looked) -> None:
    near = [one for one in looked.own if one.near_group is not None]
    if near:
        groups = len({one.near_group for one in near})
        what = f"Near-duplicates: {counted(len(near))}, in {counted(groups, 'group')}."
        why = "Each group counts as one picture that is shown several times as often, and is memorised first."
        looked.say("near-duplicates", Level.WARNING, what, why, "Keep one of each group, leave the others out.", near)
    if len(looked.own) > 2 and looked.diversity < ALIKE:
        what = f"The pictures are much alike (diversity {looked.diversity:.2f} of 1)."
        why = "What all of them share – a ground, a pose, a light – becomes part of what is learned."
        looked.say("alike", Level.WARNING, what, why, "Add pictures with other grounds, poses and light.")


def _balance(looked: Looked) -> None:
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


def _captions(looked: Looked) -> None:
    missing = [one for one in looked.own if not one.caption.strip()]
    if missing:
        what = f"Without a caption: {counted(len(missing))}."
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
        what = f"One and the same caption for {counted(len(same))}: “{same[0].caption[:80]}”."
        why = "A caption that fits every picture teaches nothing of what differs between them."
        looked.say("captions-identical", Level.WARNING, what, why, "Say in each what is particular to it.", same)
    short = [one for one in written if len(one.caption.split()) < CAPTION_SHORT and one not in same]
    if short:
        what = f"Fewer than {CAPTION_SHORT} words: {counted(len(short), 'caption')}."
        looked.say(
            "caption-short", Level.NOTE, what, "Little is told apart by them.", "Name ground, pose, light.", short
        )


def _trigger(looked: Looked) -> None:
    trigger = looked.aim.trigger.strip()
    if not trigger:
        why = "Without one, what is learned comes up in every picture, or cannot be called for."
        looked.say(
            "no-trigger", Level.WARNING, "There is no trigger word.", why, "Choose a short word without a meaning."
        )
        return
    without = [one for one in looked.own if one.caption.strip() and not has_word(one.caption, trigger)]
    if without:
        what = f"The trigger word “{trigger}” is missing in {counted(len(without), 'caption')}."
        why = "What these pictures teach is not tied to it, so it leaks into prompts that do not use it."
        looked.say("trigger-missing", Level.SERIOUS, what, why, "Put the trigger word first in every caption.", without)


def _length(looked: Looked) -> None:
    sure = [one for one in looked.own if least_tokens(one.caption) > TOKENS_MAX]
    maybe = [one for one in looked.own if one not in sure and likely_tokens(one.caption) > TOKENS_MAX]
    why = f"CLIP's text encoders read {TOKENS_MAX} tokens; what comes after them is cut off without a word."
    remedy = "Shorten them, or bring what matters to the front."
    if sure:
        what = f"More than {TOKENS_MAX} tokens: {counted(len(sure), 'caption')}."
        looked.say("caption-overflow", Level.WARNING, what, why, remedy, sure)
    if maybe:
        told = counted(len(maybe), "caption")
        what = f"Perhaps more than {TOKENS_MAX} tokens: {told} (estimated; rare words take several)."
        looked.say("caption-overflow-likely", Level.NOTE, what, why, remedy, maybe)


def _priors(looked: Looked) -> None:
    needs = looked.aim.purpose in {"person", "object", "product"}
    if needs and looked.training and not looked.prior:
        word = looked.aim.class_word or "its class"
        what = f"There are no class pictures of “{word}”."
        why = "Without prior preservation the class itself drifts: every dog becomes this dog."
        remedy = "Add a folder reg/1_" + (looked.aim.class_word or "class") + " with ordinary pictures of the class."
        looked.say("no-class-pictures", Level.NOTE, what, why, remedy)


REMARKS = (_count, _sizes, _sharpness, _duplicates, _balance, _captions, _trigger, _length, _priors)
