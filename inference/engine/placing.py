"""Where each entry of an adapter acts in a base model, with every entry accounted for."""

from dataclasses import dataclass, field

import torch

from inference.engine.deltas import ModuleDelta
from inference.engine.errors import AdapterError
from inference.engine.names import NameIndex, Target
from inference.engine.reading import Adapter


@dataclass
class Report:
    """What became of every module of an adapter."""

    applied: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Placed:
    """One entry of an adapter, and the layers that it changes."""

    delta: ModuleDelta
    target: Target


def place(adapter: Adapter, index: NameIndex) -> tuple[list[Placed], Report]:
    """Find the layers of every entry; the report says which have none, and why.

    Raises AdapterError where a shape does not fit, or no entry (and no embedding) has a place.
    """
    report = Report(skipped=[(skipped.module, skipped.why) for skipped in adapter.unread])
    placed = []
    for delta in adapter.deltas:
        candidates = index.candidates(delta.name)
        if not candidates:
            report.skipped.append((delta.name, index.why_absent(delta.name)))
            continue
        target = next((target for target in candidates if delta.fits(index.shape(target))), None)
        if target is None:
            raise _mismatch(delta, candidates[0], index.shape(candidates[0]))
        placed.append(Placed(delta, target))
        report.applied.append(str(target))
    if not placed and not adapter.embeddings:
        raise _nothing_applied(report)
    return placed, report


def _mismatch(delta: ModuleDelta, target: Target, shape: torch.Size) -> AdapterError:
    here = " × ".join(str(side) for side in shape)
    return AdapterError(
        "The adapter does not fit this base model.",
        f"Its entry “{delta.name}” was made for {delta.factor.shape_text()}, "
        f"but {target} has the shape {here}. It was probably trained for another base family.",
        "Choose the base model it was trained for.",
    )


def _nothing_applied(report: Report) -> AdapterError:
    name, why = report.skipped[0]
    return AdapterError(
        "The adapter does nothing on this base model.",
        f"None of its {len(report.skipped)} entries has a place there (the first: “{name}”. {why}).",
        "Choose the base model it was trained for.",
    )
