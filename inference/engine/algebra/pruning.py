"""Taking parts out of an adapter: components, blocks, layers that hardly act; the rest stays bit for bit."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from inference.engine.algebra.spread import difference, needs_base
from inference.engine.blocks import block_of
from inference.engine.deltas import ModuleDelta
from inference.engine.errors import AdapterError
from inference.engine.files import AdapterFile
from inference.engine.lineage import Lineage
from inference.engine.names import Target
from inference.engine.placing import place
from inference.engine.reading import interpret
from inference.engine.weights import BaseWeights
from registry.artifacts.keys import grouped


@dataclass(frozen=True)
class Cut:
    """What to take out. Anything that one of these names goes."""

    components: Collection[str] = ()
    """"text_encoder", "unet", …"""
    blocks: Collection[str] = ()
    """By the names of `block_of`: IN04, M00, D03."""
    below: float = 0.0
    """Layers whose change is smaller than this share of the largest layer's, by Frobenius norm."""
    absent: bool = False
    """Entries for which this base model has no layer."""


@dataclass(frozen=True)
class Pruned:
    """The adapter without what was cut."""

    file: AdapterFile
    lineage: Lineage
    removed: tuple[tuple[str, str], ...]
    """(entry, why)"""
    error: float
    """The norm of what was removed as a share of the whole adapter's, over the layers whose norm is known."""


def prune(file: AdapterFile, base: BaseWeights, cut: Cut) -> Pruned:
    """Take parts out. Raises AdapterError where nothing would be left."""
    placed, report = place(interpret(file), base.index)
    norms = {entry.target: _norm(entry.delta, entry.target, base) for entry in placed}
    known = [norm for norm in norms.values() if norm is not None]
    threshold = cut.below * max(known, default=0.0)
    removed: dict[str, str] = {}
    for entry in placed:
        why = _why(entry.target, norms[entry.target], cut, threshold, base)
        if why is not None:
            removed[entry.delta.name] = why
    if cut.absent:
        modules = grouped(tuple(file.tensors)).modules
        removed |= {name: why for name, why in report.skipped if name in modules}
    gone = [norms[entry.target] or 0.0 for entry in placed if entry.delta.name in removed]
    whole = sum(norm**2 for norm in known)
    error = (sum(norm**2 for norm in gone) / whole) ** 0.5 if whole else 0.0
    return _without(file, removed, cut, error)


def _norm(delta: ModuleDelta, target: Target, base: BaseWeights) -> float | None:
    if needs_base(delta):
        return None
    return float(difference((delta,), target, base).norm())


def _why(target: Target, norm: float | None, cut: Cut, threshold: float, base: BaseWeights) -> str | None:
    if target.component in cut.components:
        return f"It is part of {target.component}."
    block = block_of(base.index, target)
    if block in cut.blocks:
        return f"It lies in the block {block}."
    if norm is not None and norm < threshold:
        return f"Its norm of {norm:.3g} is below the threshold of {threshold:.3g}."
    return None


def _without(file: AdapterFile, removed: dict[str, str], cut: Cut, error: float) -> Pruned:
    modules = grouped(tuple(file.tensors)).modules
    gone = {key for name in removed for key in modules[name].values()}
    kept = {key: tensor for key, tensor in file.tensors.items() if key not in gone}
    if not grouped(tuple(kept)).modules:
        raise AdapterError(
            "Nothing would be left of the adapter.", "All of its entries would be cut.", "Cut less of it."
        )
    parameters = {
        "components": sorted(cut.components),
        "blocks": sorted(cut.blocks),
        "below": cut.below,
        "absent": cut.absent,
    }
    lineage = Lineage("prune", (file.parent,), parameters)
    result = replace(file, tensors=kept, sha256="").described(lineage.as_metadata())
    return Pruned(result, lineage, tuple(removed.items()), error)
