"""Rules of how the error is weighed."""

from __future__ import annotations

from collections.abc import Iterator

from training.engine.checks.families import FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.config import TrainConfig

SAMPLINGS = ("uniform", "logit-normal")


def weights(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """min-SNR and noise offset belong to bases that learned to remove noise in steps."""
    gamma, offset = config.loss.min_snr_gamma, config.loss.noise_offset
    if gamma is not None and family.flow:
        why = f"{family.title} is a rectified flow: its time steps have no signal-to-noise ratio to be weighed by."
        yield Problem("loss.min_snr_gamma", "min-SNR with flow matching.", why, "Leave it empty.")
    elif gamma is not None and gamma <= 0:
        why = "Every time step would weigh nothing, and nothing would be learned."
        yield Problem("loss.min_snr_gamma", f"A gamma of {gamma:g}.", why, "Choose 5, or leave it empty.")
    if offset and family.flow:
        why = f"{family.title} goes in a straight line from noise to picture, and offset noise is not on that line."
        yield Problem("loss.noise_offset", "Noise offset with flow matching.", why, "Set it to 0.")
    elif not 0 <= offset <= 1:
        why = "It is the strength of one more noise that is the same all over the picture."
        yield Problem("loss.noise_offset", f"An offset of {offset:g}.", why, "Choose 0, or 0.03 to 0.1.")
    elif offset and family.zero_snr:
        why = (
            f"{family.title} was trained to zero signal, which already lets it draw very dark and very bright pictures."
        )
        yield Problem("loss.noise_offset", "Noise offset is not needed.", why, "Set it to 0.", Severity.ADVICE)
    elif offset > 0.2:
        why = "Pictures become too dark or too bright all over."
        yield Problem("loss.noise_offset", f"An offset of {offset:g}.", why, "Choose 0.03 to 0.1.", Severity.ADVICE)


def timesteps(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Which time steps are looked at, and the guidance a distilled base is told."""
    sampling, guidance = config.loss.timestep_sampling, config.loss.guidance
    if sampling not in SAMPLINGS:
        why = "There is no other way of choosing time steps."
        yield Problem(
            "loss.timestep_sampling", f"“{sampling[:40]}” is not known.", why, f"Choose {' or '.join(SAMPLINGS)}."
        )
    if guidance < 0:
        why = "A guidance below 0 leads away from the prompt."
        yield Problem("loss.guidance", f"A guidance of {guidance:g}.", why, "Choose 1.")
    elif guidance != 1 and not family.distilled:
        why = f"{family.title} takes no guidance as input; only a distilled base such as FLUX.1-dev does."
        yield Problem(
            "loss.guidance", f"A guidance of {guidance:g}.", why, "Choose 1; the samples have a guidance of their own."
        )
