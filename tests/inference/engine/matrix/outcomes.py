"""What becomes of one file: in the engine, and in diffusers' own loader."""

import copy
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.engine import applied, read_adapter
from tests.inference.engine.made import pipe as pristine
from tests.inference.engine.matrix.cells import Cell, example

EXACT = 1e-5
"""Largest difference to the reference forward, against the largest number, in float32."""
LOADED, NOTHING, WRONG, REFUSED = "loads", "nothing", "wrong", "refused"


def error_here(cell: Cell) -> float:
    """The largest difference to the reference forward, relative to its largest number."""
    pipe, reference = pristine(cell.family), cell.reference()
    layer = cell.layer(pipe)
    x = example(layer)
    wanted = reference.forward(x, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        adapter = read_adapter(cell.write(Path(folder), reference))
    with torch.no_grad():
        plain = layer(x)
        with applied(pipe, adapter) as report:
            found = layer(x)
    assert len(report.applied) == 1
    assert not report.skipped
    assert not _near(wanted, plain, 1e-3), "the reference itself changes nothing"
    assert torch.equal(layer(x).detach(), plain)
    return float((found - wanted).abs().max()) / float(wanted.abs().max())


def _near(found: Tensor, wanted: Tensor, tolerance: float) -> bool:
    return float((found - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


class Diffusers:
    """A pipeline for diffusers to load into; after a load that left traces, a fresh copy."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.pipe = self._fresh()

    def _fresh(self) -> Any:
        return copy.deepcopy(pristine(self.family))

    def outcome(self, cell: Cell) -> str:
        reference = cell.reference()
        x = example(cell.layer(pristine(self.family)))
        wanted = reference.forward(x, 1.0)
        with torch.no_grad():
            plain = cell.layer(pristine(self.family))(x)
        with tempfile.TemporaryDirectory() as folder, _silent():
            cell.write(Path(folder), reference)
            try:
                self.pipe.load_lora_weights(folder)
            except (ValueError, KeyError, RuntimeError, IndexError, AttributeError, TypeError, NotImplementedError):
                self.pipe = self._fresh()
                return REFUSED
            with torch.no_grad():
                found = cell.layer(self.pipe)(x)
            self.pipe = self._fresh()
        if _near(found, plain, 1e-6):
            return NOTHING
        return LOADED if _near(found, wanted, 1e-4) else WRONG


@contextmanager
def _silent() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("diffusers", "peft")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
