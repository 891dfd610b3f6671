"""Putting a run together: base, adapter, pictures, caches, optimizer; and going on where it was left."""

from __future__ import annotations

from collections.abc import Callable

from training.engine.bases import load_base
from training.engine.buckets import Bucket, bucket_sizes
from training.engine.checkpoints import CheckpointFolder
from training.engine.config import TrainConfig
from training.engine.encoding import Encoder
from training.engine.errors import TrainingError
from training.engine.events import OnEvent, Phase
from training.engine.families import Family, family_of
from training.engine.jobs import Control, Item, Job
from training.engine.memory import memory_told
from training.engine.networks import build_network
from training.engine.optimizers import Average, make_optimizer
from training.engine.pictures import placed
from training.engine.places import find_place
from training.engine.sampler import Sampler
from training.engine.session import Session, Stopped, make_scaler, resume


def setup(job: Job, on_event: OnEvent, control: Callable[[], Control], *, at: int | None = None) -> Session:
    """A session, ready for its next step; with `at`, as its checkpoint of that step, and without caches.

    Raises TrainingError where the job cannot be run, Stopped where it may not.
    """
    config, items = job.config, _items(job)
    place = find_place(job.base.device, config.optim.precision)
    on_event(Phase("load", 0, 1)) if place.is_main else None
    with memory_told("while the base model was loaded"):
        family = family_of(load_base(job.base, config, place), job.base.family, config.loss)
    sizes = _sizes(family, config)
    network = build_network(family, config)
    network.install(place.device)
    parameters = network.parameters()
    run = Session(
        job=job,
        place=place,
        family=family,
        network=network,
        encoder=Encoder(job, family, place),
        pictures=(pictures := placed(items, sizes)),
        validation=placed(job.validation, sizes),
        sampler=Sampler(
            [one.bucket for one in pictures],
            [one.item.repeats for one in pictures],
            [one.item.is_prior for one in pictures],
            batch=config.data.batch,
            seed=config.seed,
        ),
        optimizer=make_optimizer(parameters, config.optim, place),
        scaler=make_scaler(place),
        average=None if config.optim.ema_decay is None else Average(parameters, config.optim.ema_decay),
        checkpoints=CheckpointFolder(job.folder / "checkpoints"),
        on_event=on_event,
        control=control,
        micro=config.data.batch,
    )
    run.tell(Phase("load", 1, 1))
    with memory_told("while it went back to its checkpoint"):
        resume(run, at)
    if at is None:
        with memory_told("while pictures and captions were encoded, one at a time"):
            _fill_caches(run)
    return run


def _items(job: Job) -> list[Item]:
    """The pictures to learn from: class pictures only where they count for something."""
    items = [one for one in job.items if job.config.data.prior_weight > 0 or not one.is_prior]
    if not any(not one.is_prior for one in items):
        raise TrainingError(
            "There is nothing to train on.",
            "The data set has no picture besides class pictures.",
            "Add pictures of what is to be learned.",
            "no-pictures",
        )
    return items


def _sizes(family: Family, config: TrainConfig) -> tuple[Bucket, ...]:
    step = config.data.bucket_step
    if step % family.multiple:
        raise TrainingError(
            f"Buckets in steps of {step} pixels do not fit this base.",
            f"Its pictures have sides that are multiples of {family.multiple}.",
            f"Set data.bucket_step to a multiple of {family.multiple}.",
            "bucket-step",
        )
    try:
        return bucket_sizes(config.data.resolution, step, many=config.data.buckets)
    except ValueError as error:
        raise TrainingError(
            f"A resolution of {config.data.resolution} pixels cannot be used.",
            f"With these settings {error}.",
            "Choose a larger resolution or a smaller data.bucket_step.",
            "resolution",
        ) from error


def _fill_caches(run: Session) -> None:
    def tell(phase: str, done: int, total: int) -> None:
        if (asked := run.control()) is not Control.GO and run.place.world == 1:
            raise Stopped(asked)
        run.tell(Phase(phase, done, total))

    everything = [*run.pictures, *run.validation]
    captions = ["", *(one.item.caption for one in everything)]
    run.encoder.prepare(everything, captions, flips=run.config.data.flip, tell=tell)
