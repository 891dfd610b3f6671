"""Adapters merged into a base model for good (static serving): shard by shard, each tensor computed by itself."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from inference.engine.blocks import block_of
from inference.engine.checkpoints.checkpoint import WEIGHTS, Checkpoint, Slot
from inference.engine.checkpoints.tensors import TYPES, TensorStore, copy_other_files, rewrite
from inference.engine.deltas import ModuleDelta
from inference.engine.errors import AdapterError, EngineError
from inference.engine.files import AdapterFile, sha256_of
from inference.engine.lineage import Lineage, Parent
from inference.engine.names import Target
from inference.engine.placing import place
from inference.engine.reading import interpret
from inference.engine.strengths import Strengths, strengths_of
from inference.engine.weights import fused

_WORD = "A Textual Inversion word changes no layer; use its file beside the merged model."


@dataclass(frozen=True)
class Ingredient:
    """One adapter, and how strongly it goes in."""

    file: AdapterFile
    strength: float | Strengths = 1.0


@dataclass(frozen=True)
class MergedCheckpoint:
    """A merged base model on disk."""

    path: Path
    lineage: Lineage
    layers: int
    """How many layers changed."""
    digests: Mapping[str, str]
    """rewritten file → SHA256"""
    left_out: tuple[tuple[str, str], ...]


@dataclass
class _Plan:
    """Which changes each layer gets, in order, and which layers have to be computed together."""

    steps: list[tuple[ModuleDelta, Target, float]] = field(default_factory=list)
    of_module: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, delta: ModuleDelta, target: Target, strength: float) -> None:
        for module in target.modules:
            self.of_module.setdefault((target.component, module), []).append(len(self.steps))
        self.steps.append((delta, target, strength))

    def together(self, target: Target) -> tuple[list[str], list[int]]:
        """The modules that a target's new values depend on, and the steps that change them."""
        modules, numbers = list(target.modules), set[int]()
        for module in modules:  # grows while it is walked
            for number in self.of_module.get((target.component, module), []):
                numbers.add(number)
                modules.extend(other for other in self.steps[number][1].modules if other not in modules)
        return modules, sorted(numbers)


def merge_into_checkpoint(
    checkpoint: Checkpoint, ingredients: Sequence[Ingredient], out: Path, *, digests: bool = True
) -> MergedCheckpoint:
    """Write the base model with the adapters in it to `out` (a new folder or file, as the source is one).

    The numbers are those of `applied`, one adapter inside the other. A layer's tensors are in memory while they are
    computed, nothing else. Raises AdapterError where an adapter does not fit or nothing changes, EngineError where
    `out` exists or the weights are quantised.
    """
    if out.exists():
        raise EngineError("The merged model cannot be written.", f"{out.name} exists already.", "Choose another name.")
    plan, left_out = _plan(checkpoint, ingredients)
    lineage = _lineage(checkpoint, ingredients)
    partial = out.with_name(f".{out.name}.partial")
    try:
        written = _write(checkpoint, plan, partial, lineage)
        partial.rename(out)
    finally:
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
    found = {name: sha256_of(out / name if out.is_dir() else out) for name in written} if digests else {}
    return MergedCheckpoint(out, lineage, len(plan.of_module), found, tuple(left_out))


def _plan(checkpoint: Checkpoint, ingredients: Sequence[Ingredient]) -> tuple[_Plan, list[tuple[str, str]]]:
    plan, left_out = _Plan(), []
    for ingredient in ingredients:
        adapter = interpret(ingredient.file)
        placed, report = place(adapter, checkpoint.index)
        strengths = strengths_of(ingredient.strength)
        left_out += [*report.skipped, *((word, _WORD) for word in adapter.tokens)]
        for entry in placed:
            _check(checkpoint, entry.delta, entry.target)
            strength = strengths.of(entry.target, block_of(checkpoint.index, entry.target))
            if strength:
                plan.add(entry.delta, entry.target, strength)
    if not plan.steps:
        raise AdapterError(
            "The merged model would be the base model.",
            "No layer is changed: the strengths are 0, or the adapters hold only Textual Inversion words.",
            "Choose other adapters or strengths.",
        )
    return plan, left_out


def _check(checkpoint: Checkpoint, delta: ModuleDelta, target: Target) -> None:
    """Every layer has its tensor, and a bias where the entry moves one: refused before anything is written."""
    for module in target.modules:
        slot = checkpoint.slot(target.component, module)
        if slot is None or slot.store.tensors[slot.key].dtype not in TYPES:
            why = "the file does not hold it" if slot is None else "it is quantised there"
            raise EngineError(
                "The adapter cannot be merged into this checkpoint.",
                f"It changes {target.component}.{module}, and {why}.",
                "Use the complete base model in float32, float16 or bfloat16.",
            )
        if delta.bias is not None and checkpoint.slot(target.component, module, "bias") is None:
            raise AdapterError(
                f"The adapter's entry “{delta.name}” cannot be applied exactly.",
                f"It moves the bias of {target}, which has none in this base model.",
                "Choose the base model it was trained for.",
            )


def _lineage(checkpoint: Checkpoint, ingredients: Sequence[Ingredient]) -> Lineage:
    base = [
        Parent(str(store.path.relative_to(checkpoint.source.parent)), sha256_of(store.path))
        for store in checkpoint.stores
    ]
    strengths = [strengths_of(ingredient.strength) for ingredient in ingredients]
    facts = [
        {
            "denoiser": one.denoiser,
            "text": dict(one.text) if isinstance(one.text, Mapping) else one.text,
            "blocks": dict(one.blocks),
        }
        for one in strengths
    ]
    parents = (*base, *(ingredient.file.parent for ingredient in ingredients))
    return Lineage("merge-into-checkpoint", parents, {"strengths": facts})


def _write(checkpoint: Checkpoint, plan: _Plan, out: Path, lineage: Lineage) -> list[str]:
    """The names of the files that were written anew."""
    metadata = lineage.as_metadata()
    if checkpoint.is_file:
        _rewrite(checkpoint, checkpoint.stores[0], plan, out, metadata)
        return [checkpoint.source.name]
    used = {store.path.parent for store in checkpoint.stores}
    copy_other_files(checkpoint.source, out, lambda path: path.suffix in WEIGHTS and _is_replaced(path, used))
    written = []
    for store in checkpoint.stores:
        name = store.path.relative_to(checkpoint.source)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        _rewrite(checkpoint, store, plan, out / name, metadata)
        written.append(str(name))
    return written


def _is_replaced(path: Path, used: set[Path]) -> bool:
    """Weights of components that are written anew, in any format; the others only if they are no safetensors."""
    return path.parent in used or path.suffix != ".safetensors"


def _rewrite(checkpoint: Checkpoint, store: TensorStore, plan: _Plan, out: Path, metadata: Mapping[str, str]) -> None:
    computed = _Computed(checkpoint, plan)

    def changed(key: str) -> Tensor | None:
        slot = checkpoint.slots.get((store.path, key))
        return computed.tensor(slot) if slot is not None else None

    rewrite(store, out, changed, metadata)


class _Computed:
    """New tensors; those of the layers that were computed together last are kept for the next question."""

    def __init__(self, checkpoint: Checkpoint, plan: _Plan) -> None:
        self.checkpoint = checkpoint
        self.plan = plan
        self._key: tuple[str, str, tuple[str, ...]] | None = None
        self._values: dict[str, Tensor] = {}

    def tensor(self, slot: Slot) -> Tensor | None:
        modules, numbers = self.plan.together(slot.target)
        if slot.parameter == "bias":
            numbers = [number for number in numbers if self.plan.steps[number][0].touches_bias]
        if not numbers:
            return None
        key = (slot.target.component, slot.parameter, tuple(sorted(modules)))
        if key != self._key:
            self._values = {}
            self._values = self._compute(slot, modules, numbers)
            self._key = key
        return self.checkpoint.whole(slot, [self._values[module] for module in slot.target.modules])

    def _compute(self, slot: Slot, modules: list[str], numbers: list[int]) -> dict[str, Tensor]:
        component, parameter = slot.target.component, slot.parameter
        values = {module: self.checkpoint.part(component, module, parameter) for module in modules}
        dtype = TYPES[slot.store.tensors[slot.key].dtype]
        for number in numbers:
            delta, target, strength = self.plan.steps[number]
            whole = fused([values[module] for module in target.modules], swapped=target.swapped)
            whole = delta.weight(whole, strength) if parameter == "weight" else delta.moved_bias(whole, strength)
            if target.swapped:
                whole = fused([whole], swapped=True)
            pieces = whole.split([values[module].shape[0] for module in target.modules])
            # Rounded after each adapter, as weights in memory are: merged and dynamic give the same bits.
            values |= {module: piece.to(dtype).float() for module, piece in zip(target.modules, pieces, strict=True)}
        return values
