"""Rules of the run: steps, checkpoints, validation, samples and the trigger word."""

from __future__ import annotations

from collections.abc import Iterator

from moderation.matching.ordinary import is_ordinary
from training.engine.checks.families import FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.config import Kind, TrainConfig

MOST_STEPS = 100_000
MOST_SAMPLES = 64  # pictures at one time
TRIGGER = "{trigger}"


def counts(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """Steps, and what happens every so many of them."""
    if not 1 <= config.steps <= MOST_STEPS:
        why = "A run has at least one step, and adapters are learned long before a hundred thousand."
        yield Problem("steps", f"{config.steps} steps.", why, "Choose 100 to 200 for each picture.")
        return
    if not 1 <= config.checkpoint_every <= config.steps:
        why = f"The run has {config.steps} steps: there would be no checkpoint to go back to before its end."
        remedy = f"Choose {max(1, min(500, config.steps // 4))}."
        yield Problem("checkpoint_every", f"A checkpoint every {config.checkpoint_every} steps.", why, remedy)
    if config.keep_checkpoints < 1:
        why = "Without one a run that breaks off starts again from nothing."
        yield Problem("keep_checkpoints", "No checkpoint is kept.", why, "Choose 10.")
    if config.validate_every < 1:
        why = "It is a number of steps."
        yield Problem("validate_every", f"Validation every {config.validate_every} steps.", why, "Choose 100.")
    elif around.validation and config.validate_every > config.steps:
        why = f"The run has {config.steps} steps, so the {around.validation} validation pictures would never be asked."
        yield Problem(
            "validate_every",
            f"Validation every {config.validate_every} steps.",
            why,
            f"Choose {max(1, config.steps // 10)}.",
        )
    if not around.validation and around.pictures > 0:
        why = "Without them nobody sees by numbers whether it learns or memorises; the samples remain."
        yield Problem(
            "validate_every",
            "There are no validation pictures.",
            why,
            "Set a fifth of the pictures aside.",
            Severity.ADVICE,
        )
    if not 0 <= config.seed < 2**63:
        why = "It starts the random numbers, which take whole numbers from 0 on."
        yield Problem("seed", f"A seed of {config.seed}.", why, "Choose 0.")


def samples(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """The pictures that are drawn on the way."""
    asked = config.samples
    if asked.every < 1:
        why = "It is a number of steps."
        yield Problem("samples.every", f"Samples every {asked.every} steps.", why, "Choose 250.")
    if not asked.prompts:
        why = "The overfit watch cannot see leakage, lost diversity or copies without pictures."
        yield Problem("samples.prompts", "There are no sample prompts.", why, "Add one or more.", Severity.ADVICE)
        return
    if asked.every > config.steps > 0:
        why = f"The run has {config.steps} steps; samples would be drawn at its end alone."
        yield Problem(
            "samples.every",
            f"Samples every {asked.every} steps.",
            why,
            f"Choose {max(1, config.steps // 8)}.",
            Severity.ADVICE,
        )
    if not asked.seeds:
        why = "Each prompt is drawn once for each seed, and there is none."
        yield Problem("samples.seeds", "There is no seed.", why, "Add one.")
    elif any(not 0 <= seed < 2**63 for seed in asked.seeds):
        why = "They start the noise, which takes whole numbers from 0 on."
        yield Problem("samples.seeds", "A seed is out of range.", why, "Choose 1.")
    if 2 * len(asked.prompts) * len(asked.seeds) > MOST_SAMPLES:
        why = "Each is drawn with and without the trigger word; so many would take longer than the training."
        yield Problem("samples.prompts", f"Over {MOST_SAMPLES} samples at a time.", why, "Take fewer prompts or seeds.")
    yield from _drawing(config, family)
    yield from _prompts(config)


def _drawing(config: TrainConfig, family: FamilyFacts) -> Iterator[Problem]:
    asked = config.samples
    for name in ("width", "height"):
        side = getattr(asked, name)
        if side % family.multiple or not family.smallest <= side <= family.largest:
            why = (
                f"{family.title} draws sides of {family.smallest} to {family.largest} that divide by {family.multiple}."
            )
            yield Problem(f"samples.{name}", f"{side} pixels.", why, f"Choose {family.native}.")
    if not 1 <= asked.steps <= 200:
        why = "It is how many steps the noise is removed in."
        yield Problem("samples.steps", f"{asked.steps} steps.", why, "Choose 20.")
    if not 0 <= asked.guidance <= 50:
        why = "Guidance outside 0 to 50 draws nothing but glaring colours."
        yield Problem("samples.guidance", f"A guidance of {asked.guidance:g}.", why, "Choose 3 to 7.")
    if not 0 < asked.strength <= 2:
        why = "At 0 the samples would show the base, and above 2 no adapter draws soundly."
        yield Problem("samples.strength", f"A strength of {asked.strength:g}.", why, "Choose 1.")


def _prompts(config: TrainConfig) -> Iterator[Problem]:
    with_trigger = [prompt for prompt in config.samples.prompts if TRIGGER in prompt]
    if with_trigger and not config.trigger.strip():
        why = f"{TRIGGER} stands for the trigger word, and the recipe has none."
        yield Problem(
            "samples.prompts",
            "A prompt asks for the trigger word.",
            why,
            f"Give a trigger word, or take {TRIGGER} out.",
        )
    elif config.trigger.strip() and not with_trigger:
        why = "No sample would show what the adapter learned, nor whether it shows without being called."
        yield Problem(
            "samples.prompts",
            "No prompt has the trigger word.",
            why,
            f"Put {TRIGGER} into the prompts.",
            Severity.ADVICE,
        )


def trigger(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """A trigger word is a word that means nothing yet."""
    word = config.trigger
    if word != word.strip() or not word.isprintable() or "{" in word or len(word) > 80:
        why = "It is typed in prompts: a word or a few, without line breaks, braces or spaces around them."
        yield Problem("trigger", "The trigger word cannot be typed.", why, "Choose one short word.")
    elif not word:
        if config.adapter.kind is not Kind.TEXTUAL_INVERSION:  # there it is refused, by its own rule
            why = "Without a word that calls it, the concept shows in every picture."
            yield Problem(
                "trigger", "There is no trigger word.", why, "Choose a short word without a meaning.", Severity.ADVICE
            )
    elif all(is_ordinary(part) for part in word.replace(",", " ").split()):
        why = "The base already draws something when it reads this, and that would be mixed with what is learned."
        yield Problem(
            "trigger", f"“{word}” is made of ordinary words.", why, "Add a word without a meaning.", Severity.ADVICE
        )
    elif around.tokens and config.adapter.kind is not Kind.TEXTUAL_INVERSION:
        yield from _long_word(word, around)


def _long_word(word: str, around: Situation) -> Iterator[Problem]:
    """An invented word of many tokens is read as syllables, which all have meanings of their own."""
    assert around.tokens is not None
    new = [part for part in word.replace(",", " ").split() if not is_ordinary(part)]
    longest = max(new, key=around.tokens)
    if (count := around.tokens(longest)) > 3:
        why = f"The base reads it as {count} pieces, each with a meaning of its own, and takes longer to learn it."
        yield Problem(
            "trigger",
            f"“{longest}” is {count} tokens.",
            why,
            "Choose a shorter word, of three tokens at most.",
            Severity.ADVICE,
        )
