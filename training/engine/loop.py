"""The loop: one for every family and kind."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.engine.config import Precision
from training.engine.errors import TrainingError
from training.engine.events import MemoryHalved, Message, NotFinite, Phase, Sampled, Step
from training.engine.jobs import Control
from training.engine.memory import first_line, is_out_of_memory, memory_error, memory_told
from training.engine.optimizers import set_rates
from training.engine.sampler import Batch, Slot
from training.engine.sampling import Wish, sample, wishes
from training.engine.session import Session, save_checkpoint
from training.engine.validation import validate


def train(run: Session) -> Control:
    """Take steps until all are done or something else is asked for; says which (`GO`: all are done)."""
    run.tell(Phase("train", run.step, run.config.steps))
    if run.step == 0:
        save_checkpoint(run)
    cut = not complete_samples(run)  # of step 0 the base's own, to stand beside; else what a pause has cut off
    while True:
        cut = bool(run.place.agreed(int(cut)))
        if run.step >= run.config.steps and not cut:
            return Control.GO
        if (asked := run.asked()) is not Control.GO:
            return asked
        if cut:  # a pause was taken back
            cut = not complete_samples(run)
            continue
        take_step(run)
        if _due(run, run.config.validate_every) and run.validation:
            measure(run)
        if _due(run, run.config.samples.every):
            cut = not draw_samples(run, wishes(run.config))
        if _due(run, run.config.checkpoint_every):
            save_checkpoint(run)


def _due(run: Session, every: int) -> bool:
    """Each so many steps, and at the end."""
    return run.step == run.config.steps or (every > 0 and run.step % every == 0)


def take_step(run: Session) -> None:
    """One step of the optimizer: gradients of all micro-batches, their sum over all processes, clipped, applied."""
    began = time.monotonic()
    batches, after = run.sampler.step(run.position, run.config.data.accumulation)
    rate = set_rates(run.optimizer, run.config.optim, run.step, run.config.steps)
    loss = _gradients(run, batches)
    norm = _apply(run, loss)
    run.step, run.position = run.step + 1, after
    if run.average is not None:
        run.average.update(run.network.parameters().values(), run.step)
    run.tell(Step(run.step, loss, rate, norm, time.monotonic() - began))


def _gradients(run: Session, batches: Sequence[Batch]) -> float:
    """The gradients of a step, and its loss; in smaller micro-batches where the memory does not suffice.

    A step that failed halfway is computed again from its start, with the same noise.
    """
    while True:
        run.optimizer.zero_grad(set_to_none=True)
        try:
            loss, why = _backward(run, batches), ""
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            loss, why = torch.zeros((), device=run.place.device), first_line(error)
        if not run.place.agreed(int(bool(why))):
            run.place.add_up([loss])
            return float(loss)
        _halve(run, why)


def _backward(run: Session, batches: Sequence[Batch]) -> Tensor:
    """Add up the gradients of the mean loss over all pictures of the step; this process takes its share of each."""
    total = sum(len(batch) for batch in batches)
    found = torch.zeros((), device=run.place.device)
    for batch in batches:
        for start in range(0, len(batch), run.micro):
            own = batch[start : start + run.micro][run.place.rank :: run.place.world]
            if own:
                loss = _loss(run, own) / total
                run.scaler.scale(loss).backward()
                found += loss.detach()
    return found


def _loss(run: Session, slots: Sequence[Slot]) -> Tensor:
    lessons = run.lessons
    examples = [lessons.example(run.pictures[slot.index], slot, run.step) for slot in slots]
    return lessons.losses(examples, run.step).sum()


def _halve(run: Session, why: str) -> None:
    """Half the micro-batch, twice the accumulation: the same step in less memory."""
    run.optimizer.zero_grad(set_to_none=True)
    run.place.forget()
    if run.micro <= 1:
        raise memory_error("in a step, even with one picture at a time", why)
    run.micro //= 2
    times = math.ceil(run.config.data.batch / run.micro)
    run.tell(MemoryHalved(run.step, run.micro, times * run.config.data.accumulation, why))


def _apply(run: Session, loss: float) -> float:
    """Clip the gradients and move the weights; returns the norm before that, 0 where fp16's scaler skips the step."""
    parameters = list(run.network.parameters().values())
    run.scaler.unscale_(run.optimizer) if run.scaler.is_enabled() else None
    run.place.add_up([value.grad for value in parameters if value.grad is not None])
    limit = run.config.optim.max_grad_norm or math.inf
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
    skipped = math.isfinite(loss) and not math.isfinite(norm) and run.scaler.is_enabled()
    if skipped and run.scaler.get_scale() <= 1:
        skipped = False
    if not (math.isfinite(loss) and (math.isfinite(norm) or skipped)):
        _stop_at_last_good(run, loss, norm)
    with memory_told("where the optimizer moves the weights, after which no step can be repeated"):
        run.scaler.step(run.optimizer)
    run.scaler.update()
    return 0.0 if skipped else norm


def _stop_at_last_good(run: Session, loss: float, norm: float) -> None:
    """Leave the weights as they are and say what happened; the checkpoint stays."""
    broken = f"The loss became {loss}" if not math.isfinite(loss) else f"The gradient's norm became {norm}"
    why = f"{broken} at step {run.step + 1}."
    run.tell(NotFinite(run.step + 1, run.saved, why))
    raise TrainingError(
        "The training diverged.",
        f"{why} The weights of step {run.saved} are kept as a checkpoint.",
        _advice(run),
        "not-finite",
    )


def _advice(run: Session) -> str:
    optim = run.config.optim
    parts = [f"Lower the learning rate (it is {optim.learning_rate:g}; try {optim.learning_rate / 4:g})"]
    if optim.precision == Precision.FP16:
        parts.insert(0, "Use bf16 or fp32 instead of fp16, whose numbers end at 65504")
    if not 0 < optim.max_grad_norm <= 1:
        parts.append("clip gradients at 1.0")
    if not optim.warmup_steps:
        parts.append("warm up over the first 100 steps")
    return f"{', '.join(parts)}; or go on with the checkpoint that is kept."


def measure(run: Session) -> None:
    """The validation loss with the weights that count; in smaller batches where the memory does not suffice."""
    micro = run.micro
    while True:
        try:
            with run.averaged(), run.network.at(1.0):
                found = validate(run.lessons, run.validation, run.step, micro)
            break
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            run.place.forget()
        if micro <= 1:
            run.tell(Message("warning", f"There was too little memory for the validation of step {run.step}."))
            return
        micro //= 2
    if math.isfinite(found.loss):
        run.tell(found)
    else:
        run.tell(
            Message("warning", f"The validation loss of step {run.step} is NaN or infinite; the training loss is not.")
        )


def complete_samples(run: Session) -> bool:
    """The samples of the step that a run begins or goes on at: told again where they are drawn, else drawn now.

    False where something else was asked for before all were there.
    """
    if not run.place.is_main or not (run.step == 0 or _due(run, run.config.samples.every)):
        return True
    missing = []
    for wish in wishes(run.config):
        path = samples_folder(run) / wish.file_name
        if path.exists():
            run.tell(Sampled(run.step, wish.prompt, wish.seed, wish.with_trigger, path))
        else:
            missing.append(wish)
    return draw_samples(run, missing)


def samples_folder(run: Session) -> Path:
    return run.job.folder / "samples" / f"step-{run.step:08d}"


def draw_samples(run: Session, wanted: Sequence[Wish]) -> bool:
    """Sample pictures, told one by one; False where something else was asked for before all were drawn.

    They are there to look at: too little memory for them ends no run.
    """
    if not wanted or not run.place.is_main:
        return True
    strength = run.config.samples.strength if run.step else 0.0
    try:
        with run.averaged(), run.network.at(strength), run.encoder.whole_pipeline():
            paths = sample(run.family, run.place, run.config, samples_folder(run), wanted)
            for wish in wanted:
                if run.control() is not Control.GO:
                    return False
                path = next(paths)
                run.tell(Sampled(run.step, wish.prompt, wish.seed, wish.with_trigger, path))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        run.place.forget()
        run.tell(Message("warning", f"There was too little memory for the sample pictures of step {run.step}."))
    return True
