"""Rules of the pictures, the captions and the batches."""

from __future__ import annotations

from collections.abc import Iterator

from training.engine.checks.families import FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.config import Kind, TrainConfig

FEW, MANY_LOOKS = 5, 600  # pictures; looks at each picture
MOST_BATCH, MOST_ACCUMULATION = 64, 256


def sizes(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Resolution and buckets fit the base."""
    data, step = config.data, family.multiple
    if data.resolution % step or data.resolution < 1:
        why = f"The sides of a picture must divide by {step} for {family.title}."
        near = max(family.smallest, round(data.resolution / step) * step)
        yield Problem(
            "data.resolution",
            f"{data.resolution} is no multiple of {step}.",
            why,
            f"Choose {min(near, family.largest)}.",
        )
    elif not family.smallest <= data.resolution <= family.largest:
        why = f"{family.title} was trained at {family.native} pixels and draws soundly only"
        why += f" from {family.smallest} to {family.largest}."
        yield Problem("data.resolution", f"{data.resolution} pixels.", why, f"Choose {family.native}.")
    if data.bucket_step < 1 or data.bucket_step % step:
        why = f"Every bucket's sides must divide by {step} for {family.title}."
        yield Problem("data.bucket_step", f"Steps of {data.bucket_step}.", why, f"Choose {max(64 // step, 1) * step}.")
    elif data.bucket_step > data.resolution:
        why = "The first bucket would already be larger than the resolution."
        yield Problem("data.bucket_step", f"Steps of {data.bucket_step}.", why, f"Choose {data.resolution} at most.")


def batches(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """A batch has pictures to be filled with."""
    data = config.data
    if around.pictures < 1:
        why = "Training learns from pictures, and none is left after validation and screening."
        yield Problem("pictures", "There are no training pictures.", why, "Add pictures to the dataset.")
    elif around.pictures < FEW:
        why = f"With {around.pictures} an adapter learns the pictures and not what they have in common."
        yield Problem(
            "pictures", "Very few pictures.", why, f"Add pictures, {FEW} at least and better 15 to 30.", Severity.ADVICE
        )
    if not 1 <= data.batch <= MOST_BATCH:
        why = "It is how many pictures are looked at together."
        yield Problem("data.batch", f"A batch of {data.batch}.", why, f"Choose 1 to {MOST_BATCH}; 1 to 4 are usual.")
    elif data.batch > around.pictures > 0:
        why = f"There are only {around.pictures} training pictures; the same ones would be in it twice."
        yield Problem("data.batch", f"A batch of {data.batch}.", why, f"Choose {around.pictures} at most.")
    if not 1 <= data.accumulation <= MOST_ACCUMULATION:
        why = "It is how many batches make one step."
        yield Problem(
            "data.accumulation", f"An accumulation of {data.accumulation}.", why, f"Choose 1 to {MOST_ACCUMULATION}."
        )


def captions(config: TrainConfig, _: Situation, __: FamilyFacts) -> Iterator[Problem]:
    """Dropped and shuffled captions."""
    share = config.data.caption_dropout
    if not 0 <= share <= 1:
        why = "It is the share of pictures whose caption is left empty."
        yield Problem("data.caption_dropout", f"{share} is no share.", why, "Choose 0 to 0.2.")
    elif share == 1 and config.trigger:
        why = "With every caption empty the trigger word is never seen, and could not call the concept."
        yield Problem("data.caption_dropout", "All captions are dropped.", why, "Choose 0 to 0.2.")
    elif share > 0.3:
        why = "What is learned without captions shows without the trigger word."
        yield Problem(
            "data.caption_dropout",
            f"{share:.0%} of the captions are dropped.",
            why,
            "Choose 0 to 0.2.",
            Severity.ADVICE,
        )


def caches(config: TrainConfig, _: Situation, __: FamilyFacts) -> Iterator[Problem]:
    """What is cached must not change during the run. Dropped captions do not: the empty caption is cached too."""
    data, adapter = config.data, config.adapter
    if data.cache_text and (adapter.text_encoders or adapter.kind is Kind.TEXTUAL_INVERSION):
        why = "The text encoder's output changes as it learns; the cached one would be that of the base for ever."
        yield Problem(
            "data.cache_text", "Cached text with a text encoder that learns.", why, "Turn the text cache off."
        )
    if data.cache_text and data.tag_shuffle:
        why = "Each order of the tags is another text; the cache holds one."
        yield Problem(
            "data.cache_text", "Cached text with shuffled tags.", why, "Turn the text cache or the shuffling off."
        )


def prior(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """Prior preservation needs class pictures, and class pictures need it."""
    weight = config.data.prior_weight
    if weight < 0:
        why = "A negative weight would teach the adapter to draw the class badly."
        yield Problem("data.prior_weight", "The weight is below 0.", why, "Choose 0, or 1 with class pictures.")
    elif weight and not around.class_pictures:
        why = "Prior preservation keeps the base's own pictures by showing it some, and the dataset has none."
        yield Problem(
            "data.prior_weight", "There are no class pictures.", why, "Add class pictures, or set the weight to 0."
        )
    elif around.class_pictures and not weight:
        why = "With a weight of 0 they are not looked at."
        yield Problem(
            "data.prior_weight",
            f"{around.class_pictures} class pictures are not used.",
            why,
            "Set the weight to 1.",
            Severity.ADVICE,
        )
    elif weight > 2:
        why = "The class pictures then count more than the concept, which may not be learned at all."
        yield Problem("data.prior_weight", f"A weight of {weight:g}.", why, "Choose 0.5 to 1.", Severity.ADVICE)


def looks(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """How often each picture is looked at."""
    together = config.data.batch * config.data.accumulation
    seen = config.steps * together / max(around.pictures, 1)
    if config.steps > 0 < around.pictures and seen > MANY_LOOKS:
        why = f"Each picture is looked at {seen:.0f} times; 100 to 200 are usual, and far more are learned by heart."
        steps = max(1, round(150 * around.pictures / together))
        yield Problem(
            "steps",
            f"{config.steps} steps are many for {around.pictures} pictures.",
            why,
            f"Try {steps}.",
            Severity.ADVICE,
        )
