"""Serving adapters against diffusers: `python -m benchmarks.serving`.

A UNet and a text encoder of SD 1.5's size with random weights, and files as kohya's trainer writes them: LoRA of rank
32 on all linear layers of the transformer blocks and of the text encoder, float16, 38 MB. Both sides work on the same
pipeline in the same process, ours first, because diffusers' loader changes the modules. What takes long (the UNet)
takes turns with and without adapter, and its processor time counts beside its wall time, since others may use the
machine.

`--device cuda --size sdxl` (or `flux`) makes the same table on a GPU, with a mixed batch of eight adapters against the
eight one after another. `--soak 2000` is another benchmark: so many requests over 50 adapters on the tiny base, with
memory for 8; every picture's digest is compared with that of its adapter, and the process's memory is watched.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import serving_bases as bases
from benchmarks.serving_soak import soak
from inference.engine import applied, quiet, read_adapter
from inference.engine.serving import AdapterUse, Pattern, Request, server_for
from inference.engine.serving.servers import DynamicServer, Ready

BUDGET = 2 << 30
RANK = 32


@dataclass(frozen=True)
class Options:
    device: str
    size: str
    side: int
    repeat: int
    files: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    theirs: str
    target: str
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {True: ": met", False: ": **missed**", None: ""}[self.met]
        return f"| {self.what} | {self.ours} | {self.theirs} | {self.target}{verdict} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--size", default="sd1", choices=tuple(bases.SIZES))
    parser.add_argument("--side", type=int, default=64, help="width and height of the latents")
    parser.add_argument("--repeat", type=int, default=5, help="forward passes of each kind that count")
    parser.add_argument("--files", type=int, default=5, help="adapter files that are loaded cold")
    parser.add_argument("--soak", type=int, default=0, help="requests on the tiny base, instead of the table")
    arguments = parser.parse_args()
    quiet()
    if arguments.soak:
        return soak(arguments.soak)
    options = Options(arguments.device, arguments.size, arguments.side, arguments.repeat, arguments.files)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = measure(Path(folder), options)
    print("| SD 1.5 size, random weights | ours | diffusers | target |\n|---|---|---|---|")
    print(*rows, sep="\n")
    return 1 if any(row.met is False for row in rows) else 0


@torch.inference_mode()
def measure(folder: Path, options: Options) -> list[Row]:
    pipe = bases.make(options.size, options.device)
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    uses = [bases.write_lora(pipe, folder, seed, RANK) for seed in range(options.files)]
    inputs = bases.inputs(pipe, options.size, options.side, rows=1)
    print(f"File: {uses[0].path.stat().st_size / 1e6:.1f} MB, load {os.getloadavg()[0]:.1f}", flush=True)
    before = digest(denoiser)
    plain = forward(denoiser, inputs)
    untouched = [spent(lambda: forward(denoiser, inputs)) for _ in range(options.repeat)]
    server = server_for(pipe, Pattern.DYNAMIC, memory_budget=BUDGET, slots=64)
    assert isinstance(server, DynamicServer)
    ours = _ours(server, denoiser, inputs, uses, options)
    ours["restored"] = torch.equal(forward(denoiser, inputs), plain) and digest(denoiser) == before
    ours["untouched"] = untouched
    print("Ours is measured.", flush=True)
    theirs = _theirs(pipe, denoiser, inputs, uses, options)
    rows = _table(ours, theirs)
    if options.device != "cpu":
        rows.append(_mixed(server, denoiser, options, uses))
    return rows


def _ours(
    server: DynamicServer, denoiser: Any, inputs: Any, uses: list[AdapterUse], options: Options
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["cold"] = [_cold(server, use) for use in uses]
    requests = [_request(use) for use in uses[:2]]
    found["warm"] = [timed(lambda number=number: _switch(server, [requests[number % 2]])) for number in range(200)]
    with _adapted(server, [requests[0]]):
        dynamic = forward(denoiser, inputs)
    with applied(server.pipe, read_adapter(uses[0].path)):
        merged = forward(denoiser, inputs)
    found["difference"] = float((dynamic - merged).abs().max() / merged.abs().max())
    found["effect"] = float((forward(denoiser, inputs) - merged).abs().max() / merged.abs().max())

    def with_one() -> Any:
        with _adapted(server, [requests[0]]):
            return spent(lambda: forward(denoiser, inputs))

    turns = [(spent(lambda: forward(denoiser, inputs)), with_one()) for _ in range(options.repeat)]
    found["turns"] = turns
    return found


def _theirs(pipe: Any, denoiser: Any, inputs: Any, uses: list[AdapterUse], options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {"cold": []}
    for number, use in enumerate(uses):
        found["cold"].append(timed(lambda use=use, number=number: _load(pipe, use, number)))
        if number > 1:
            pipe.delete_adapters(f"a{number}")
    found["warm"] = [timed(lambda number=number: pipe.set_adapters(f"a{number % 2}")) for number in range(6)]
    found["one"] = [spent(lambda: forward(denoiser, inputs)) for _ in range(max(1, options.repeat // 2))]
    pipe.unload_lora_weights()
    return found


def _load(pipe: Any, use: AdapterUse, number: int) -> None:
    pipe.load_lora_weights(str(use.path.parent), weight_name=use.path.name, adapter_name=f"a{number}")
    pipe.set_adapters(f"a{number}")


def _request(use: AdapterUse) -> Request:
    return Request(use.key[:8], "", adapters=(use,))


def _ready(server: DynamicServer, request: Request) -> Ready:
    answers: dict[str, Any] = {}
    ready = server._ready(request, lambda request_id: False, answers)
    assert ready is not None, answers
    return ready


@contextmanager
def _adapted(server: DynamicServer, requests: list[Request]) -> Iterator[None]:
    """As `generate` does it: adapters from the cache or their files, the denoiser with each row's own."""
    ready = [_ready(server, request) for request in requests]
    with server.adapted(ready):
        yield
    server.release()


def _switch(server: DynamicServer, requests: list[Request]) -> None:
    """Everything that comes before the first forward pass with these adapters, text encoder included, and after it."""
    (ready,) = (_ready(server, request) for request in requests)
    with server.text_adapted(ready), server.adapted([ready]):
        pass


def _cold(server: DynamicServer, use: AdapterUse) -> float:
    seconds = timed(lambda: _switch(server, [_request(use)]))
    server.release()  # as `generate` does after the pictures
    return seconds


def _mixed(server: DynamicServer, denoiser: Any, options: Options, uses: list[AdapterUse]) -> Row:
    requests = [_request(uses[number % len(uses)]) for number in range(8)]
    one, eight = (bases.inputs(server.pipe, options.size, options.side, rows=rows) for rows in (1, 8))

    def apart() -> None:
        for request in requests:
            with _adapted(server, [request]):
                forward(denoiser, one)

    def together() -> None:
        with _adapted(server, requests):
            forward(denoiser, eight)

    apart(), together()
    times = [(timed(apart), timed(together)) for _ in range(options.repeat)]
    ratio = median(first for first, _ in times) / median(second for _, second in times)
    return Row("eight adapters in one batch, against one after another", f"{ratio:.1f}×", "", "≥ 3×", ratio >= 3)


def _table(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Row]:
    warm, their_warm = median(ours["warm"]), median(theirs["warm"])
    cold, their_cold = median(ours["cold"]), median(theirs["cold"])
    base, one = (_best(ours["turns"], which) for which in (0, 1))
    before = [min(part[which] for part in ours["untouched"]) for which in (0, 1)]
    unused = [base[which] / before[which] for which in (0, 1)]
    their_one = [min(part[which] for part in theirs["one"]) for which in (0, 1)]
    speed = min(one[which] / base[which] for which in (0, 1))
    their_speed = [their_one[which] / base[which] for which in (0, 1)]
    return [
        Row(
            "warm switch",
            f"{warm * 1e3:.2f} ms, {their_warm / warm:.0f}× faster",
            f"{their_warm * 1e3:.0f} ms",
            "≥ 20×",
            their_warm / warm >= 20,
        ),
        Row(
            "cold load of the file, ready to run",
            f"{cold * 1e3:.0f} ms ({min(ours['cold']) * 1e3:.0f} to {max(ours['cold']) * 1e3:.0f}), "
            f"{their_cold / cold:.0f}× faster",
            f"{their_cold * 1e3:.0f} ms",
            "≥ 7× and ≤ 100 ms",
            their_cold / cold >= 7 and cold <= 0.1,
        ),
        Row(
            "denoiser's pass with one adapter, against the base (wall; processor)",
            f"{one[0] / base[0]:.3f}×; {one[1] / base[1]:.3f}×",
            f"{their_speed[0]:.3f}×; {their_speed[1]:.3f}×",
            "≤ 1.15×",
            speed <= 1.15,
        ),
        Row(
            "the base with the server open and no adapter, against before (wall; processor)",
            f"{unused[0]:.3f}×; {unused[1]:.3f}×",
            "",
            "≤ 1.01×",
            min(unused) <= 1.01,
        ),
        Row("the base after all that", "bit for bit" if ours["restored"] else "changed", "", "exact", ours["restored"]),
        Row(
            "merged against dynamic, of the largest number",
            f"{ours['difference']:.1e} (the adapter itself: {ours['effect']:.1e})",
            "",
            "≤ 1e-4",
            ours["difference"] <= 1e-4 < ours["effect"],
        ),
    ]


def _best(turns: list[tuple[tuple[float, float], tuple[float, float]]], which: int) -> tuple[float, float]:
    return min(turn[which][0] for turn in turns), min(turn[which][1] for turn in turns)


def forward(denoiser: Any, inputs: Mapping[str, Any]) -> Tensor:
    output: Tensor = denoiser(**inputs, return_dict=False)[0]
    if output.is_cuda:
        torch.cuda.synchronize()
    return output


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    return spent(work)[0]


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - processor


def digest(module: nn.Module) -> str:
    """Of all weights, byte for byte."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(value.cpu().contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
