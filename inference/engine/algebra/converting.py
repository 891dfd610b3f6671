"""From one layout to another with nothing lost: the way back gives every bit, name and metadata entry again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from inference.engine.algebra.origin import KEY, Origin, origin_of
from inference.engine.algebra.regrouping import Entry, Ranks
from inference.engine.algebra.writing import Written, layout_named, scalar, written
from inference.engine.deltas import ModuleDelta
from inference.engine.errors import AdapterError
from inference.engine.factors import Hadamard, LowRank
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from inference.engine.names import LAYOUTS, Layout, NameIndex
from inference.engine.placing import place
from inference.engine.reading import interpret
from registry.artifacts.keys import grouped
from registry.artifacts.layouts import layout_of

ORIGINAL = "original"


@dataclass(frozen=True)
class Conversion:
    """A file in another layout, and how it came about."""

    file: AdapterFile
    lineage: Lineage
    source: str
    """The layout it had."""
    modules: int
    notes: tuple[str, ...]
    """What a person should know: where programs will treat the result otherwise."""


def convert(file: AdapterFile, layout: str, index: NameIndex) -> Conversion:
    """The adapter in the layout kohya, comfyui, diffusers or peft, or (ORIGINAL) in the one it had first.

    Only names, the place of alpha and the grouping of rows change, never a number. The metadata gets a record by which
    converting back gives the very same file; that is tried before the result is returned. Raises AdapterError where the
    layout cannot express a part of it.
    """
    modules = grouped(tuple(file.tensors)).modules
    source = layout_of(tuple(key for slots in modules.values() for key in slots.values())) if modules else ""
    before = _before(file, index)
    first = origin_of(file).source if before is not None else source
    if not modules or layout in {ORIGINAL, first}:
        result = before or file
    else:
        result = _converted(before or file, first, layout_named(layout), index)
    lineage = Lineage("convert", (file.parent,), {"from": source, "to": first if layout == ORIGINAL else layout})
    return Conversion(result, lineage, source, len(grouped(tuple(result.tensors)).modules), _notes(result))


def _before(file: AdapterFile, index: NameIndex) -> AdapterFile | None:
    """The file that this one was made from, where it says so."""
    if KEY not in file.metadata:
        return None
    origin = origin_of(file)
    plain = replace(file, metadata={key: value for key, value in file.metadata.items() if key != KEY})
    back = _rewritten(plain, layout_named(origin.layout), index, origin.ranks)
    return origin.restored(back.file, plain)


def _converted(file: AdapterFile, source: str, layout: Layout, index: NameIndex) -> AdapterFile:
    result = _rewritten(file, layout, index, {})
    nearest = LAYOUTS.get(source, LAYOUTS["kohya"])
    back = _rewritten(result.file, nearest, index, result.ranks)
    origin = Origin.between(file, result, back, source, nearest.slug)
    if not origin.restored(back.file, result.file).same_as(file):
        raise AdapterError(
            f"The adapter cannot be converted to the layout of {layout.slug} without a loss.",
            "Converting it back did not give the same file.",
            "Keep the layout it has.",
        )
    return result.file.described({KEY: origin.text()})


def _rewritten(file: AdapterFile, layout: Layout, index: NameIndex, ranks: Mapping[str, Ranks]) -> Written:
    """The file in this layout, by rule alone."""
    adapter = interpret(file)
    placed, report = place(adapter, index)
    if lost := [name for name, _ in report.skipped if name not in _others(file)]:
        raise AdapterError(
            "The adapter cannot be converted for this base model.",
            f"{len(lost)} of its entries have no layer there (the first: “{lost[0]}”), so their new names are unknown.",
            "Choose the base model it was trained for.",
        )
    deltas = {entry.delta.name: entry for entry in reversed(placed)}
    modules = grouped(tuple(file.tensors)).modules
    entries = []
    for name, entry in reversed(deltas.items()):
        slots = {slot: file.tensors[key] for slot, key in modules[name].items()}
        entries.append(Entry(entry.target, _with_alpha(slots, entry.delta, layout), ranks.get(name)))
    kinds = frozenset(entry.delta.kind for entry in placed)
    kept = {key: value for key, value in file.metadata.items() if key != "lora_adapter_metadata"}
    result = written(entries, kinds, layout, index, kept)
    others = {key: file.tensors[key] for key in _others(file)}
    return replace(result, file=replace(result.file, tensors={**result.file.tensors, **others}, name=file.name))


def _others(file: AdapterFile) -> tuple[str, ...]:
    """Tensors of no module, which keep their names: Textual Inversion vectors and what belongs to no kind."""
    modules = grouped(tuple(file.tensors)).modules
    used = {key for slots in modules.values() for key in slots.values()}
    return tuple(key for key in file.tensors if key not in used)


def _with_alpha(slots: dict[str, Tensor], delta: ModuleDelta, layout: Layout) -> dict[str, Tensor]:
    """A tensor for an alpha that stood in a configuration; without one, a scale of 1 needs none."""
    if "alpha" in slots or not isinstance(delta.factor, LowRank | Hadamard) or delta.factor.scale == 1:
        return slots
    inner = delta.factor.down if isinstance(delta.factor, LowRank) else delta.factor.w1_b
    rank = inner.shape[0] if "embedding_down" not in slots else slots["embedding_down"].shape[0]
    return {**slots, "alpha": scalar(delta.factor.scale * rank)}


def _notes(file: AdapterFile) -> tuple[str, ...]:
    if not grouped(tuple(file.tensors)).modules:
        return ("Textual Inversion files have no layout: all programs read the same one.",)
    if any("magnitude" in key or "dora_scale" in key for key in file.tensors):
        return (
            "DoRA acts the same in all programs at strength 1; at other strengths PEFT and LyCORIS differ by design.",
        )
    return ()
