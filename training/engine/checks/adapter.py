"""Rules of the adapter: kinds, ranks and modules."""

from __future__ import annotations

from collections.abc import Iterator

from training.engine.checks.families import FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.config import Kind, Targets, TrainConfig

RANKED = {Kind.LORA, Kind.LOCON, Kind.DORA, Kind.LOHA, Kind.LOKR}
DROPPED = {Kind.LORA, Kind.LOCON, Kind.LOHA, Kind.LOKR}
MOST_VECTORS = 32  # of the 75 places that a CLIP prompt has


def ranks(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Rank and alpha, for the kinds that have them."""
    adapter = config.adapter
    if adapter.kind not in RANKED:
        return
    if adapter.rank < 1:
        why = f"A {adapter.kind} adapter of rank {adapter.rank} has no weights to learn."
        yield Problem("adapter.rank", "The rank is below 1.", why, "Choose 4 to 64; 16 suits most.")
    elif adapter.rank > family.narrowest:
        why = (
            f"The narrowest layer of {family.title} has {family.narrowest} channels; more rank than that adds nothing."
        )
        yield Problem("adapter.rank", f"Rank {adapter.rank} is too high.", why, f"Choose {family.narrowest} at most.")
    if adapter.alpha <= 0:
        why = "The adapter is multiplied by alpha / rank, so it would do nothing, or the opposite of what it learned."
        yield Problem("adapter.alpha", "Alpha is not above 0.", why, "Choose half of the rank.")
    elif adapter.alpha > 4 * max(adapter.rank, 1):
        why = "The adapter is multiplied by alpha / rank, which acts like a learning rate that much higher."
        yield Problem(
            "adapter.alpha", "Alpha is over four times the rank.", why, "Choose half of the rank.", Severity.ADVICE
        )


def convolutions(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Convolutions need a base that has some, and their own rank needs them."""
    adapter = config.adapter
    wide = adapter.targets is Targets.CONVOLUTIONS
    if adapter.kind is Kind.TEXTUAL_INVERSION:
        return
    if wide and not family.convolutions:
        why = f"{family.title} is a transformer and has no convolutions."
        yield Problem("adapter.targets", "There are no convolutions to adapt.", why, "Choose attention+feed-forward.")
    if adapter.kind is Kind.LOCON and not wide:
        why = "LoCon is LoRA that also adapts convolutions; without them it is LoRA under another name."
        yield Problem("adapter.targets", "LoCon without convolutions.", why, "Add convolutions, or choose LoRA.")
    if adapter.conv_rank is None:
        return
    if adapter.kind not in RANKED:
        why = f"{adapter.kind} has no rank, on convolutions or elsewhere."
        yield Problem("adapter.conv_rank", "A rank for convolutions has no meaning here.", why, "Leave it empty.")
    elif not wide:
        why = "No convolutions are adapted, so this rank would be ignored."
        yield Problem(
            "adapter.conv_rank",
            "A rank for convolutions that are not adapted.",
            why,
            "Add convolutions to the modules, or leave it empty.",
        )
    elif not 1 <= adapter.conv_rank <= max(family.narrowest_conv, 1):
        why = f"The narrowest convolution of {family.title} has {family.narrowest_conv} channels."
        yield Problem(
            "adapter.conv_rank", f"Rank {adapter.conv_rank} does not fit.", why, f"Choose 1 to {family.narrowest_conv}."
        )


def own_options(config: TrainConfig, _: Situation, __: FamilyFacts) -> Iterator[Problem]:
    """Options that only one kind has."""
    adapter = config.adapter
    if adapter.lokr_factor != -1 and adapter.kind is not Kind.LOKR:
        yield _ignored("adapter.lokr_factor", "LoKr", adapter.kind, "-1")
    elif adapter.lokr_factor != -1 and adapter.lokr_factor < 2:
        why = "A weight's sides are split into this many blocks, and one block is no split."
        yield Problem(
            "adapter.lokr_factor",
            f"{adapter.lokr_factor} is no factor.",
            why,
            "Choose 2 or more, or -1 for the most even split.",
        )
    if adapter.vectors != 1 and adapter.kind is not Kind.TEXTUAL_INVERSION:
        yield _ignored("adapter.vectors", "Textual Inversion", adapter.kind, "1")
    elif not 1 <= adapter.vectors <= MOST_VECTORS:
        why = f"Each vector takes one of a prompt's places; over {MOST_VECTORS} leave too few for the rest."
        yield Problem(
            "adapter.vectors", f"{adapter.vectors} vectors.", why, f"Choose 1 to {MOST_VECTORS}; 1 to 4 are usual."
        )
    if not 0 <= adapter.dropout < 1:
        why = "It is the share of the adapter's inputs that is left out at a step; all of them would leave nothing."
        yield Problem("adapter.dropout", f"A dropout of {adapter.dropout}.", why, "Choose 0, or up to 0.3.")
    elif adapter.dropout and adapter.kind not in DROPPED:
        yield _ignored("adapter.dropout", "LoRA, LoCon, LoHa or LoKr", adapter.kind, "0")


def textual_inversion(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Textual Inversion learns words and nothing else."""
    adapter = config.adapter
    if adapter.kind is not Kind.TEXTUAL_INVERSION:
        return
    if adapter.targets is not Targets.ATTENTION:
        why = "Textual Inversion learns vectors for a new word and leaves every module of the base as it is."
        yield Problem(
            "adapter.targets",
            "Modules to adapt.",
            why,
            "Leave the modules at attention, which means nothing here, or choose LoRA.",
        )
    if adapter.text_encoders:
        why = "Textual Inversion adds a word to the text encoder's table and does not change the encoder."
        yield Problem("adapter.text_encoders", "Text encoders to adapt.", why, "Turn it off, or choose LoRA.")
    if family.flow:
        why = "Its pictures follow T5, whose table of words tools do not load from Textual Inversion files."
        yield Problem("adapter.kind", f"Textual Inversion for {family.title}.", why, "Choose LoRA.")
    if not config.trigger.strip():
        why = "The trigger word is the word that is learned."
        yield Problem("trigger", "There is no trigger word.", why, "Give a new word, such as <my-cat>.")
    elif len(config.trigger.split()) > 1:
        why = "It becomes one entry of the tokenizer, which cannot hold a space."
        yield Problem("trigger", "The trigger word has a space in it.", why, "Join its parts, such as <my-cat>.")


def _ignored(field: str, owner: str, kind: Kind, default: str) -> Problem:
    why = f"Only {owner} has it; a {kind} adapter would ignore it."
    return Problem(field, "An option of another kind of adapter.", why, f"Set it to {default}.")
