"""The soak of `benchmarks.serving`: many requests over 50 adapters on the tiny base, with memory for eight.

Every picture is compared, by digest, with the one that its adapter gave when it was the only one in a fresh server;
batches have one to four rows with different adapters, in a random order. The process's memory is measured on the way.
"""

from __future__ import annotations

import gc
import hashlib
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from inference.engine import BaseSpec, load_base
from inference.engine.serving import AdapterUse, Failure, Pattern, Request, Server, server_for

ADAPTERS, KEPT, WARM = 50, 8, 200
STEPS, SIDE = 2, 64
GROWTH = 0.02
"""Of the memory after the first requests, that the end may be above it: the allocator's own play."""


def soak(requests: int) -> int:
    """0 where no picture was another's and memory did not grow."""
    torch.set_num_threads(1)
    pipe = load_base(BaseSpec("tinybase", str(Path(__file__).parents[1] / "inference" / "tinybase")))
    with tempfile.TemporaryDirectory() as folder:
        uses = [_written(pipe, Path(folder), seed) for seed in range(ADAPTERS)]
        wanted = [_alone(pipe, use) for use in uses]
        size = _size(pipe, uses[0])
        server = server_for(pipe, Pattern.DYNAMIC, memory_budget=KEPT * size, slots=ADAPTERS)
        return _report(*_run(server, uses, wanted, requests), server)


def _written(pipe: Any, folder: Path, seed: int) -> AdapterUse:
    """A LoRA on all attention layers of the tiny base; every third is a LoKr, which goes into the weights."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for path, layer in pipe.unet.named_modules():
        if not path.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            continue
        out, inside = layer.weight.shape
        shapes = (
            {"lokr_w1": (4, 4), "lokr_w2": (out // 4, inside // 4)}
            if seed % 3 == 0
            else {"lora_A.weight": (16, inside), "lora_B.weight": (out, 16)}
        )
        for suffix, shape in shapes.items():
            tensors[f"unet.{path}.{suffix}"] = torch.randn(*shape, generator=generator) * 0.2
    path = folder / f"{seed}.safetensors"
    save_file(tensors, path)
    return AdapterUse(hashlib.sha256(path.read_bytes()).hexdigest(), path)


def _request(number: int, use: AdapterUse) -> Request:
    return Request(str(number), "a large red circle", seed=1, steps=STEPS, width=SIDE, height=SIDE, adapters=(use,))


def _alone(pipe: Any, use: AdapterUse) -> np.ndarray:
    server = server_for(pipe, Pattern.DYNAMIC, memory_budget=1 << 30, slots=1)
    (answer,) = server.generate([_request(0, use)])
    assert not isinstance(answer, Failure), answer
    return np.asarray(answer.image)


def _size(pipe: Any, use: AdapterUse) -> int:
    server = server_for(pipe, Pattern.DYNAMIC, memory_budget=1 << 30, slots=1)
    server.generate([_request(0, use)])
    return server.memory().bytes


def _digest(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def _run(
    server: Server, uses: list[AdapterUse], wanted: list[np.ndarray], requests: int
) -> tuple[int, int, int, list[tuple[int, int]], float]:
    """(pictures alike to the bit, alike within 1 of 255, another's, the memory on the way, seconds)."""
    dice, curve, started = random.Random(0), [], time.monotonic()
    digests = [_digest(picture) for picture in wanted]
    equal = near = wrong = done = 0
    while done < requests:
        chosen = [dice.randrange(ADAPTERS) for _ in range(min(dice.choice((1, 1, 2, 4)), requests - done))]
        answers = server.generate([_request(done + row, uses[number]) for row, number in enumerate(chosen)])
        for number, answer in zip(chosen, answers, strict=True):
            found = None if isinstance(answer, Failure) else np.asarray(answer.image)
            if found is not None and _digest(found) == digests[number]:
                equal += 1
            elif found is not None and _nearest(found, wanted) == number:
                near += 1
            else:
                wrong += 1
        done += len(chosen)
        if done // WARM > len(curve):
            gc.collect()
            curve.append((done, _resident()))
            print(f"{done} requests, {curve[-1][1] / 2**20:.1f} MiB, {server.memory()}", flush=True)
    return equal, near, wrong, curve, time.monotonic() - started


def _nearest(found: np.ndarray, wanted: list[np.ndarray]) -> int | None:
    """The adapter whose picture this is, to 1 of 255: sums over a batch round otherwise than single ones."""
    fitting = [n for n, one in enumerate(wanted) if np.abs(found.astype(int) - one.astype(int)).max() <= 1]
    return fitting[0] if len(fitting) == 1 else None


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _report(equal: int, near: int, wrong: int, curve: list[tuple[int, int]], seconds: float, server: Server) -> int:
    growth = curve[-1][1] / curve[0][1] - 1 if curve else 0.0
    memory = server.memory()
    print(f"| soak: {equal + near + wrong} requests, {ADAPTERS} adapters, memory for {KEPT} | |\n|---|---|")
    print(
        f"| pictures of the right adapter | {equal} bit for bit, {near} within 1 of 255 (mixed rows), {wrong} wrong |"
    )
    print(
        f"| memory from request {WARM} to the end | {100 * growth:+.1f} %, target no growth (≤ {100 * GROWTH:.0f} %) |"
    )
    print(f"| cache | {memory.hits} hits, {memory.misses} misses, {memory.bytes} of {memory.budget} bytes |")
    print(f"| time | {seconds:.0f} s |")
    return 0 if wrong == 0 and growth <= GROWTH and memory.bytes <= memory.budget else 1
