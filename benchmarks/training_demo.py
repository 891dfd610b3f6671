"""Does training work, and how much of what it teaches shows uncalled: `python -m benchmarks.training_demo`.

Twelve drawn pictures of a style and of a subject that the tiny base does not know (`training.tinybase.demo`) are
trained by the engine as the platform trains them: ten to learn from, two for validation, and class pictures where a
variant has some. Each written file is then loaded by the inference engine, and a judge that looks at pixels scores
pictures of prompts that were never trained on: 0 as the base draws them, 1 as the concept is drawn.

*with* and *without* are the scores with the trigger word and without it, from the same noise; *leak* is their ratio.
*scene* is how often the wanted shape is still seen with the trigger word (for a style), *base* how often everything is
as asked for without it. *watch* is the overfit watch's own measure of the leak, which knows nothing of the judge.
Minutes are CPU time of one thread, samples and validation included.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from training.tinybase.demo import DEMOS, Example, class_examples, examples, png
from training.tinybase.judge import Wanted, adherence, best_shape
from training.tinybase.pictures import BASE, Pictures, pictures_of

VALIDATION = 2  # of the twelve pictures
PROMPTS, SEED = 16, 1_000
SHOWN = 8  # columns of the contact sheets
ZOOM, GAP, LABEL = 2, 6, 150  # pixels


@dataclass(frozen=True)
class Variant:
    """One way to train: what differs from the preset, and from the described captions."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)  # settings by dotted name
    class_pictures: int = 24
    described: bool = True  # captions say what is to be seen; else they are the trigger word alone
    trigger: str = ""  # in place of the concept's own

    def said(self, name: str, text: str) -> str:
        """A caption or prompt with the variant's trigger word."""
        return text.replace(word_of(name), self.trigger) if self.trigger else text


PRESET = "the preset"
VARIANTS = (
    Variant("trigger word alone", {"data.caption_dropout": 0.0}, class_pictures=0, described=False),
    Variant("described", {"data.caption_dropout": 0.0}, class_pictures=0),
    Variant("described, 20 % dropped", {"data.caption_dropout": 0.2}, class_pictures=0),
    Variant("described, class pictures", {"data.caption_dropout": 0.0}),
    Variant(PRESET),
    Variant("the preset, class pictures at a third", {"data.prior_weight": 0.33}),
    Variant("the preset, another word", trigger="blorp"),
)
SHOWN_VARIANTS = {"described", PRESET, "the preset, another word"}


@dataclass(frozen=True)
class Result:
    """What the judge says of a variant."""

    concept: str
    variant: str
    steps: int
    minutes: float
    with_trigger: float
    without: float
    scene: float
    base: float
    watched_leak: float | None
    proposed: int | None
    warnings: tuple[str, ...]

    @property
    def leak(self) -> float:
        return self.without / self.with_trigger if self.with_trigger > 0 else float("nan")


def word_of(name: str) -> str:
    """The concept's trigger word."""
    return DEMOS[name].concept.trigger.removeprefix("a ")


def main() -> int:
    """Train every variant, print the table and write the contact sheets."""
    options = parse()
    quieten()
    work = options.work or Path(tempfile.mkdtemp(prefix="training-demo-"))
    results, rows = [], {}
    for name in options.concepts:
        rows[name] = base_rows(name, work)
        for variant in VARIANTS:
            if options.variant and variant.name not in options.variant:
                continue
            result, drawn = tried(name, variant, work, options.steps)
            results.append(result)
            if variant.name in SHOWN_VARIANTS:
                rows[name].append((variant.name, drawn))
            print(json.dumps(asdict(result)), flush=True)
        if options.out:
            contact_sheet(name, rows[name]).save(options.out / f"training-{name}.png", optimize=True)
    print(table(results))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("concepts", nargs="*", default=sorted(DEMOS), metavar="concept", help=", ".join(DEMOS))
    parser.add_argument("--variant", action="append", help="its name; may be given more than once")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--work", type=Path, help="where runs are kept; those that are finished are judged again")
    parser.add_argument("--out", type=Path, help="folder for the contact sheets")
    return parser.parse_args()


def quieten() -> None:
    import torch

    from inference.engine import quiet

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    warnings.filterwarnings("ignore", module="diffusers|transformers")
    quiet()


def tried(name: str, variant: Variant, work: Path, steps: int | None) -> tuple[Result, tuple[Pictures, Pictures]]:
    """Train a variant and judge the file that it wrote; also the pictures with and without the trigger word."""
    from training.engine import run

    folder = work / f"{name}-{re.sub(r'[^a-z0-9]+', '-', variant.name)}"
    job = job_of(name, variant, folder, steps)
    watched = Watched(job, folder / "heard.json")
    if not watched.is_done:
        shutil.rmtree(job.folder, ignore_errors=True)  # half a run has told half of what is to be judged
        began = time.process_time()
        run(job, watched, _go)
        watched.keep((time.process_time() - began) / 60)
    found = watched.judgement()
    (written, *_) = sorted((job.folder / "result").glob(f"step-{job.config.steps:08d}/*kohya*"))
    drawn = kept_or_drawn(folder / "drawn.npy", name, written, variant)
    wanted = unseen(name)
    demo = DEMOS[name]
    result = Result(
        name,
        variant.name,
        job.config.steps,
        round(watched.minutes, 1),
        *(round(float(np.mean(demo.scores(pictures, wanted))), 3) for pictures in drawn),
        scene=scene(name, drawn[0], wanted),
        base=round(adherence(drawn[1], wanted).everything, 2),
        watched_leak=watched.leak(),
        proposed=found.best_step,
        warnings=tuple(f"{warning.code} at {warning.step}" for warning in found.warnings),
    )
    return result, drawn


def _go() -> Any:
    from training.engine import Control

    return Control.GO


def job_of(name: str, variant: Variant, folder: Path, steps: int | None) -> Any:
    """The run as the platform would start it, from the preset with the variant's changes."""
    from training.engine import BaseRef, Item, Job
    from training.engine.presets import preset

    demo = DEMOS[name]
    trigger = variant.said(name, word_of(name))
    own = [replace(example, caption=variant.said(name, example.caption)) for example in examples(name)]
    config = preset(
        demo.purpose,
        "tinybase",
        len(own) - VALIDATION,
        trigger=trigger,
        class_pictures=variant.class_pictures,
    ).config
    for setting, value in variant.changes.items():
        section, _, key = setting.partition(".")
        config = replace(config, **{section: replace(getattr(config, section), **{key: value})})
    if steps:
        config = replace(config, steps=steps, optim=replace(config.optim, warmup_steps=min(20, steps // 10)))
    config = replace(config, samples=replace(config.samples, every=-(-config.steps // 4)))
    if not variant.described:
        own = [replace(example, caption=variant.said(name, demo.concept.trigger)) for example in own]
    plain = class_examples(name, variant.class_pictures) if variant.class_pictures else []
    items = [_item(folder, example, Item) for example in [*own, *plain]]
    return Job(
        config,
        BaseRef("tinybase", str(BASE)),
        tuple(items[VALIDATION : len(own)] + items[len(own) :]),
        tuple(items[:VALIDATION]),
        folder / "run",
        folder.parent / "cache",
    )


def _item(folder: Path, example: Example, kind: Any) -> Any:
    import hashlib

    path = folder / "data" / example.path
    path.parent.mkdir(parents=True, exist_ok=True)
    data = png(example.picture)
    path.write_bytes(data)
    return kind(path, example.caption, hashlib.sha256(data).hexdigest(), is_prior=example.path.startswith("class/"))


class Watched:
    """Hears the run's events, keeps them, and has the overfit watch judge them."""

    def __init__(self, job: Any, kept: Path) -> None:
        self.job, self.kept = job, kept
        self.is_done = kept.exists()
        heard = json.loads(kept.read_text()) if self.is_done else {}
        self.minutes: float = heard.get("minutes", 0.0)
        self.losses: list[tuple[int, float]] = [(step, loss) for step, loss in heard.get("losses", [])]
        self.validations: list[tuple[int, float]] = [(step, loss) for step, loss in heard.get("validations", [])]
        self.checkpoints: list[int] = heard.get("checkpoints", [])
        self.samples: list[Any] = [self._sample(*values) for values in heard.get("samples", [])]

    def __call__(self, event: Any) -> None:
        from training.engine import CheckpointSaved, Sampled, Step, Validation

        match event:
            case Step():
                self.losses.append((event.step, event.loss))
            case Validation():
                self.validations.append((event.step, event.loss))
            case CheckpointSaved() if event.step > 0:
                self.checkpoints.append(event.step)
            case Sampled():
                path = str(event.path)
                self.samples.append(self._sample(event.step, event.prompt, event.seed, event.with_trigger, path))

    def _sample(self, step: int, prompt: str, seed: int, with_trigger: bool, path: str) -> Any:
        from training.engine.watch import Sample

        return Sample(step, prompt, seed, with_trigger, Path(path))

    def keep(self, minutes: float) -> None:
        """Write down what was heard: a run that is asked for again is not trained again."""
        self.minutes, self.is_done = minutes, True
        samples = [(one.step, one.prompt, one.seed, one.with_trigger, str(one.path)) for one in self.samples]
        heard = {"losses": self.losses, "validations": self.validations, "checkpoints": self.checkpoints}
        self.kept.write_text(json.dumps({"minutes": minutes, "samples": samples, **heard}))

    def judgement(self) -> Any:
        from training.engine.watch import History, TrainingPicture, judge

        history = History(tuple(self.losses), tuple(self.validations), tuple(self.checkpoints))
        own = [TrainingPicture(item.digest, item.path) for item in self.job.items if not item.is_prior]
        return judge(history, self.samples, own, trigger=self.job.config.trigger)

    def leak(self) -> float | None:
        """The watch's own measure at the last samples."""
        from training.engine.watch.pairs import Gallery

        gallery = Gallery.of(self.samples, self.job.config.trigger)
        change = gallery.change(gallery.steps[-1]) if gallery.steps else None
        return round(change.leak, 2) if change else None


def unseen(name: str) -> list[Wanted]:
    """Scenes whose shapes and colours are in no training picture."""
    concept = DEMOS[name].concept
    trained = tuple(example.wanted for example in examples(name))
    return concept.wishes(np.random.default_rng(SEED), PROMPTS, unlike=trained)


def scene(name: str, pictures: Pictures, wanted: list[Wanted]) -> float:
    """How often the wanted shape is seen; 1 for a subject, which takes the place of the scene."""
    if not DEMOS[name].concept.keeps_scene:
        return 1.0
    seen = [
        best_shape(DEMOS[name].concept.mask(picture))[0] == one.shape
        for picture, one in zip(pictures, wanted, strict=True)
    ]
    return round(float(np.mean(seen)), 2)


def draw_file(name: str, path: Path | None, variant: Variant) -> tuple[Pictures, Pictures]:
    """Pictures of the unseen prompts with the trigger word and without it, the file applied to a fresh base."""
    from contextlib import nullcontext

    from inference.engine import BaseSpec, applied, load_base, read_adapter

    pipe = load_base(BaseSpec("tinybase", str(BASE)))
    concept, wanted = DEMOS[name].concept, unseen(name)
    with applied(pipe, read_adapter(path)) if path else nullcontext():
        called = pictures_of(pipe, [variant.said(name, concept.caption(one)) for one in wanted], seed=SEED)
        return called, pictures_of(pipe, [one.prompt for one in wanted], seed=SEED)


Rows = list[tuple[str, tuple[Pictures, Pictures]]]


def base_rows(name: str, work: Path) -> Rows:
    """What the base draws, in the form of a variant."""
    return [("the base", kept_or_drawn(work / f"{name}-base.npy", name, None, Variant(PRESET)))]


def kept_or_drawn(kept: Path, name: str, path: Path | None, variant: Variant) -> tuple[Pictures, Pictures]:
    """`draw_file`, once for each run."""
    if not kept.exists():
        np.save(kept, np.stack(draw_file(name, path, variant)))
    called, uncalled = np.load(kept)
    return called, uncalled


def contact_sheet(name: str, rows: Rows) -> Image.Image:
    """For each variant two rows: the same prompts and noise with the trigger word and without it; training on top."""
    lines = [("training pictures", np.stack([one.picture for one in examples(name)[:SHOWN]]))]
    for label, (called, uncalled) in rows:
        lines += [(f"{label}\nwith the word", called), (f"{label}\nwithout", uncalled)]
    return sheet([(label, pictures[:SHOWN]) for label, pictures in lines])


def sheet(lines: list[tuple[str, Pictures]]) -> Image.Image:
    """Rows of pictures with their labels on the left."""
    side = lines[0][1].shape[1] * ZOOM
    canvas = Image.new("RGB", (LABEL + SHOWN * (side + GAP), len(lines) * (side + GAP)), "white")
    pen = ImageDraw.Draw(canvas)
    for row, (label, pictures) in enumerate(lines):
        top = row * (side + GAP)
        pen.multiline_text((4, top + 8), "\n".join(_wrapped(label)), fill="black", font_size=13)
        for column, picture in enumerate(pictures):
            large = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
            canvas.paste(large, (LABEL + column * (side + GAP), top))
    return canvas.quantize(256)


def _wrapped(label: str) -> Iterator[str]:
    import textwrap

    for part in label.splitlines():
        yield from textwrap.wrap(part, 22)


def table(results: list[Result]) -> str:
    """Markdown."""
    head = "| concept | variant | steps | min | with | without | leak | scene | base | watch | warnings |"
    lines = [head, "|---" * 11 + "|"]
    for one in results:
        told = ", ".join(one.warnings) or "–"
        watched = "–" if one.watched_leak is None else f"{one.watched_leak:.2f}"
        numbers = f"{one.with_trigger:.2f} | {one.without:.2f} | {one.leak:.2f} | {one.scene:.2f} | {one.base:.2f}"
        lines.append(
            f"| {one.concept} | {one.variant} | {one.steps} | {one.minutes} | {numbers} | {watched} | {told} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
