"""Rules of the optimizer, the schedule and the number formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from training.engine.checks.families import FamilyFacts
from training.engine.checks.problem import Problem, Severity, Situation
from training.engine.config import Kind, OptimizerName, Precision, Quantisation, TrainConfig

# The highest rate at which a kind is known to learn; ten times above the usual one. IA³ and vectors start from one
# number a channel or token and take far more than factors do (Liu et al. 2022, arXiv 2205.05638; Gal et al. 2022).
HIGHEST: Mapping[Kind, float] = {Kind.IA3: 5e-2, Kind.TEXTUAL_INVERSION: 5e-2, Kind.LOHA: 1e-2, Kind.LOKR: 1e-2}
HIGH, HIGH_TINY = 1e-3, 1e-2  # for the other kinds; a base of 6 MB stands more
_KINDS = {"cpu": "a CPU", "mps": "an Apple GPU", "cuda": "a GPU without bitsandbytes"}
WHOLE = {Kind.DORA, Kind.FULL}  # the kinds that calculate with the base's own weights


def rates(config: TrainConfig, _: Situation, family: FamilyFacts) -> Iterator[Problem]:
    """Learning rates, which Prodigy finds by itself."""
    optim = config.optim
    prodigy = optim.optimizer is OptimizerName.PRODIGY
    if prodigy and optim.learning_rate != 1:
        why = "Prodigy finds the rate itself and takes this number as a factor on it."
        yield Problem(
            "optim.learning_rate", f"A learning rate of {optim.learning_rate:g} with Prodigy.", why, "Set it to 1."
        )
    elif optim.learning_rate <= 0:
        why = "Nothing would be learned."
        yield Problem("optim.learning_rate", "The learning rate is not above 0.", why, "Choose 0.0001.")
    elif not prodigy and optim.learning_rate > _highest(config, family):
        why = f"Above {_highest(config, family):g} the weights of a {config.adapter.kind} adapter run away."
        severity = Severity.REFUSED if optim.learning_rate > 0.1 else Severity.ADVICE
        yield Problem(
            "optim.learning_rate",
            f"A learning rate of {optim.learning_rate:g}.",
            why,
            "Choose 0.0001 to start with.",
            severity,
        )
    yield from _text_rate(config)


def _text_rate(config: TrainConfig) -> Iterator[Problem]:
    rate, adapter = config.optim.text_learning_rate, config.adapter
    if rate is None:
        return
    if not adapter.text_encoders:
        why = "No text encoder learns in this run."
        remedy = "Leave it empty, or have the text encoders adapted."
        yield Problem("optim.text_learning_rate", "A learning rate for text encoders that do not learn.", why, remedy)
    elif config.optim.optimizer is OptimizerName.PRODIGY and rate != 1:
        why = "Prodigy finds the rate itself and takes this number as a factor on it."
        yield Problem("optim.text_learning_rate", f"A learning rate of {rate:g} with Prodigy.", why, "Leave it empty.")
    elif rate <= 0:
        why = "The text encoders would be adapted and never move."
        yield Problem("optim.text_learning_rate", "The learning rate is not above 0.", why, "Leave it empty.")


def _highest(config: TrainConfig, family: FamilyFacts) -> float:
    usual = HIGH_TINY if family.native <= 64 else HIGH
    return max(HIGHEST.get(config.adapter.kind, usual), usual)


def movement(config: TrainConfig, _: Situation, __: FamilyFacts) -> Iterator[Problem]:
    """Weight decay, clipping, warm-up and the average."""
    optim = config.optim
    if not 0 <= optim.weight_decay < 1:
        why = "It is the share of a weight that is taken away, times the learning rate."
        yield Problem("optim.weight_decay", f"A weight decay of {optim.weight_decay:g}.", why, "Choose 0.01.")
    if optim.max_grad_norm < 0:
        why = "It is the longest a step's gradients may be together."
        yield Problem("optim.max_grad_norm", f"A limit of {optim.max_grad_norm:g}.", why, "Choose 1.")
    elif optim.max_grad_norm == 0:
        why = "At 0 gradients are not clipped, and one odd picture can throw the weights off."
        yield Problem("optim.max_grad_norm", "Gradients are not clipped.", why, "Choose 1.", Severity.ADVICE)
    if optim.warmup_steps < 0:
        why = "It is a number of steps."
        yield Problem("optim.warmup_steps", "The warm-up is below 0.", why, "Choose 0 to 100.")
    elif optim.warmup_steps and optim.warmup_steps >= config.steps:
        why = f"The run has {config.steps} steps and would end before the learning rate is reached."
        remedy = f"Choose {max(config.steps, 0) // 10}, a tenth of the run."
        yield Problem("optim.warmup_steps", f"A warm-up of {optim.warmup_steps} steps.", why, remedy)
    yield from _average(config)


def _average(config: TrainConfig) -> Iterator[Problem]:
    decay = config.optim.ema_decay
    if decay is None:
        return
    if not 0 < decay < 1:
        why = "It is the share of the average that is kept at each step."
        yield Problem("optim.ema_decay", f"A decay of {decay:g}.", why, "Choose 0.99, or leave it empty.")
    elif 1 / (1 - decay) > max(config.steps, 1):
        back = 1 / (1 - decay)
        why = f"The average looks back over {back:.0f} steps of a run of {config.steps}: it would remember the start."
        remedy = f"Choose {max(0.9, 1 - 10 / max(config.steps, 1)):.3g}, or leave it empty."
        yield Problem("optim.ema_decay", f"A decay of {decay:g}.", why, remedy)


def formats(config: TrainConfig, around: Situation, _: FamilyFacts) -> Iterator[Problem]:
    """Number formats that the worker or the kind cannot have."""
    optim, kind = config.optim, config.adapter.kind
    four_bit = optim.quantisation is Quantisation.NF4
    if four_bit and kind in WHOLE:
        why = f"{kind} calculates with the base's own weights, which a 4-bit base does not hold as numbers."
        remedy = "Choose LoRA, LoCon, LoHa, LoKr or IA³, or no quantisation."
        yield Problem("optim.quantisation", f"A quantised base with {kind}.", why, remedy)
    if four_bit and optim.precision is Precision.FP32:
        why = "4-bit weights are unpacked to half precision; in fp32 their memory would be lost again."
        yield Problem("optim.precision", "fp32 with a quantised base.", why, "Choose bf16.", Severity.ADVICE)
    if around.device is not None:
        yield from _on_device(config, around)


def _on_device(config: TrainConfig, around: Situation) -> Iterator[Problem]:
    optim, device = config.optim, around.device
    assert device is not None
    kind = _KINDS.get(device.kind, "another device")
    able = device.kind == "cuda" and device.bitsandbytes
    if optim.quantisation is Quantisation.NF4 and not able:
        why = f"4-bit weights need an NVIDIA GPU and bitsandbytes; the worker has {kind}."
        yield Problem("optim.quantisation", "A quantised base without such a GPU.", why, "Set quantisation to none.")
    if optim.optimizer is OptimizerName.ADAMW_8BIT and not able:
        why = f"The 8-bit optimizer needs an NVIDIA GPU and bitsandbytes; the worker has {kind}."
        yield Problem("optim.optimizer", "8-bit AdamW without such a GPU.", why, "Choose AdamW.")
    if optim.precision is Precision.FP16 and device.kind != "cuda":
        why = f"fp16 overflows without the loss scaling of a GPU, and is slower than fp32 on {kind}."
        yield Problem("optim.precision", "fp16 without a GPU.", why, "Choose fp32 or bf16.")
    if optim.precision is Precision.BF16 and not device.bf16:
        why = "The worker does not calculate in bfloat16, which NVIDIA's chips do from the Ampere generation on."
        yield Problem("optim.precision", "bf16 without hardware for it.", why, "Choose fp16 on a GPU, fp32 elsewhere.")
