"""Entries as an adapter file of one layout: names, suffixes, alpha, magnitudes; refused where it cannot say them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.algebra.beside import diffusers_metadata, peft_config
from inference.engine.algebra.regrouping import Entry, Ranks, regrouped
from inference.engine.errors import AdapterError, EngineError
from inference.engine.files import AdapterFile
from inference.engine.names import LAYOUTS, Layout, NameIndex, Speller

_ONE_TYPE = "PEFT reads one kind of adapter from a folder, and this file holds several"
_PROGRAMS = {
    "kohya": "sd-scripts and LyCORIS have no name for it",
    "comfyui": "ComfyUI does not read it",
    "diffusers": "diffusers reads LoRA and DoRA only",
    "peft": "PEFT has no form for it that any file of this kind fits",
}
# Slots whose meaning no other tensor of the layout has.
_FOREIGN: Mapping[str, frozenset[str]] = {
    "kohya": frozenset({"up_bias", "embedding_up", "embedding_down", "ia3_l"}),
    "comfyui": frozenset({"up_bias", "embedding_up", "embedding_down", "ia3_l", "on_input"}),
    "diffusers": frozenset({"mid", "diff_b", "rescale", "b_norm", "w_norm"}),
    "peft": frozenset({"mid", "diff_b", "rescale", "b_norm", "w_norm"}),
}


@dataclass(frozen=True)
class Written:
    """A file, and what only its maker knows: ranks of parts that were put side by side, by module name."""

    file: AdapterFile
    ranks: Mapping[str, Ranks]
    names: Mapping[str, Entry]


def layout_named(slug: str) -> Layout:
    if slug not in LAYOUTS:
        raise EngineError(
            f"No adapter can be written in the layout “{slug}”.",
            "It is none of those known here.",
            f"Choose one of: {', '.join(LAYOUTS)}.",
        )
    return LAYOUTS[slug]


def written(
    entries: Sequence[Entry],
    kinds: frozenset[str],
    layout: Layout,
    index: NameIndex,
    metadata: Mapping[str, str],
) -> Written:
    """The entries in this layout. Raises AdapterError where the layout cannot express one of them."""
    _check_kinds(kinds, layout)
    speller = Speller(index, layout, frozenset(entry.target.component for entry in entries))
    fitted = [_fitted(entry, layout, index) for entry in regrouped(entries, speller)]
    _check_slots(fitted, layout)
    if layout.alpha_beside and "dora" in kinds:
        _check_dora(fitted, layout)
    by_name = {speller.name(entry.target): entry for entry in fitted}
    beside, described = _described(fitted, kinds, layout, speller) if layout.alpha_beside else ("", {})
    tensors = {
        f"{name}.{layout.suffix(slot)}": tensor
        for name, entry in by_name.items()
        for slot, tensor in entry.slots.items()
        if not (layout.alpha_beside and slot == "alpha")
    }
    ranks = {name: entry.ranks for name, entry in by_name.items() if entry.ranks is not None}
    return Written(AdapterFile(tensors, {**metadata, **described}, beside=beside), ranks, by_name)


def _check_kinds(kinds: frozenset[str], layout: Layout) -> None:
    if strange := sorted(kinds - layout.kinds):
        raise _refused(layout, f"It holds {', '.join(strange)}; {_PROGRAMS[layout.slug]}")
    if layout.slug == "peft" and "loha" in kinds and kinds - {"loha"}:
        raise _refused(layout, _ONE_TYPE)
    if layout.alpha_beside and "dora" in kinds and kinds - {"dora"}:
        raise _refused(layout, "Some of its layers are DoRA and others are not; here all of them have to be")


def _check_slots(entries: Sequence[Entry], layout: Layout) -> None:
    for entry in entries:
        if strange := sorted(_FOREIGN[layout.slug] & entry.slots.keys()):
            raise _refused(layout, f"Its entry for {entry.target} holds {', '.join(strange)}; {_PROGRAMS[layout.slug]}")


def _check_dora(entries: Sequence[Entry], layout: Layout) -> None:
    """PEFT's DoRA is one of plain LoRA; LyCORIS has it on LoHa and LoKr as well."""
    for entry in entries:
        if "down" not in entry.slots:
            raise _refused(layout, f"The magnitude of {entry.target} is on another kind than LoRA")


def _refused(layout: Layout, why: str) -> AdapterError:
    return AdapterError(
        f"The adapter cannot be written in the layout of {layout.slug} without a loss.",
        f"{why}.",
        "Keep its own layout, convert to kohya, or resize it to a plain LoRA and accept the error that is reported.",
    )


def _fitted(entry: Entry, layout: Layout, index: NameIndex) -> Entry:
    """The magnitude of a DoRA under the name and in the shape of this layout."""
    slots = dict(entry.slots)
    shape = index.shape(entry.target)
    if layout.alpha_beside and "dora_scale" in slots:
        values = slots.pop("dora_scale")
        if values.shape[0] != shape[0]:
            raise _refused(layout, f"The magnitude of {entry.target} is one for each input, not for each output")
        slots["magnitude"] = values.reshape([shape[0]] if len(shape) == 2 else [1, shape[0], *[1] * (len(shape) - 2)])
    elif not layout.alpha_beside and "magnitude" in slots:
        slots["dora_scale"] = slots.pop("magnitude").reshape([shape[0], *[1] * (len(shape) - 1)])
    return Entry(entry.target, slots, entry.ranks)


def _described(
    entries: Sequence[Entry], kinds: frozenset[str], layout: Layout, speller: Speller
) -> tuple[str, dict[str, str]]:
    """(adapter_config.json, further metadata)"""
    dora = "dora" in kinds
    by_component: dict[str, dict[str, tuple[int, float]]] = {}
    for entry in entries:
        path = speller.name(entry.target).removeprefix("base_model.model.").removeprefix(f"{entry.target.component}.")
        by_component.setdefault(entry.target.component, {})[path] = _scale(entry.slots)
    if layout.slug == "diffusers":
        return "", {"lora_adapter_metadata": diffusers_metadata(by_component, dora=dora)}
    several = len(by_component) > 1
    scales = {
        f"{component}.{path}" if several else path: scale
        for component, paths in by_component.items()
        for path, scale in paths.items()
    }
    return peft_config("loha" if "loha" in kinds else "lora", scales, dora=dora), {}


def _scale(slots: Mapping[str, Tensor]) -> tuple[int, float]:
    """(rank, alpha) of one entry; no alpha and an alpha of 0 mean a scale of 1."""
    inner = next(slots[slot] for slot in ("down", "embedding_down", "hada_w1_b") if slot in slots)
    rank = inner.shape[0]
    alpha = float(slots["alpha"].double().reshape(-1)[0]) if "alpha" in slots else 0.0
    return rank, alpha or float(rank)


def scalar(value: float) -> Tensor:
    """alpha as trainers write it."""
    return torch.tensor(float(value))
