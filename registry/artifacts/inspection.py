"""Inspection: what an adapter file is, found without reading the tensors it does not need."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

from registry.artifacts.containers import check_container
from registry.artifacts.contradictions import all_warnings
from registry.artifacts.embeddings import Vectors, split_embeddings
from registry.artifacts.errors import ArtifactWarning, refuse, shown
from registry.artifacts.families import Family, embedding_family, family_of, is_text_encoder
from registry.artifacts.foreign import check_foreign
from registry.artifacts.hashing import FileHashes
from registry.artifacts.header import Header, read_header, read_scalar
from registry.artifacts.keys import Grouped, grouped
from registry.artifacts.layouts import layout_of
from registry.artifacts.metadata import Claims, read_claims
from registry.artifacts.modules import Module, read_modules

MAX_ALPHA = 1e6  # trainers write at most a few thousand
LEFTOVER_SHARE = 0.1  # more tensors of no known kind than this, and the file is not understood
EMBEDDING = "textual-inversion"
TRANSFORMERS = {"flux1", "flux2", "sd3", "qwen-image", "z-image", "wan"}
Spread = Mapping[str, float]


@dataclass(frozen=True)
class Inspection:
    """The facts of one adapter file. `rank` and `alpha` are min, median and max over its modules, or empty."""

    kind: str
    kinds: Mapping[str, int]
    layout: str
    family: str
    family_evidence: tuple[str, ...]
    rank: Spread
    alpha: Spread
    modules: Mapping[str, int]
    per_module: tuple[Mapping[str, Any], ...]
    dtypes: Mapping[str, int]
    parameter_count: int
    tensor_count: int
    header_bytes: int
    data_bytes: int
    trigger_words: tuple[str, ...]
    training: Mapping[str, str]
    tag_frequency: Mapping[str, int]
    claimed_licence: str
    embedded_hashes: Mapping[str, str]
    warnings: tuple[ArtifactWarning, ...]

    def with_warnings(self, more: Iterable[ArtifactWarning]) -> "Inspection":
        return replace(self, warnings=(*self.warnings, *more))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the database keeps them."""
        return asdict(self)


def inspect_file(path: Path, *, declared_family: str | None = None, filename: str | None = None) -> Inspection:
    """Inspect an adapter file by its header; raises ArtifactRefused with the reason and what to do instead."""
    check_container(path, filename or path.name)
    header = read_header(path)
    check_foreign(tuple(header.tensors))
    vectors, rest = split_embeddings(header.tensors, header.metadata)
    names = grouped(tuple(rest))
    with path.open("rb") as file:
        modules = _all_modules(file.fileno(), header, names)
    _refuse_strange(names.others, len(header.tensors), found=bool(modules or vectors))
    family = family_of(modules) if modules else embedding_family(_widths(vectors))
    claims = read_claims(header.metadata)
    return _facts(header, modules, vectors, family, claims).with_warnings(
        all_warnings(header, modules, names.others, family, claims, declared_family)
    )


def _all_modules(handle: int, header: Header, names: Grouped) -> list[Module]:
    if any(info.dtype == "BOOL" for info in header.tensors.values()):
        _check_bools(handle, header, names)
    tensors, found = header.tensors, list[Module]()
    for name, slots in names.modules.items():
        alpha = _alpha(handle, header, slots["alpha"]) if "alpha" in slots else None
        found += read_modules(name, {slot: tensors[key].shape for slot, key in slots.items()}, alpha)
    return found


def _alpha(handle: int, header: Header, key: str) -> float | None:
    """The module's scale; None where it is in a number format that programs do not read either."""
    value = read_scalar(handle, header, key)
    if value is not None and not abs(value) <= MAX_ALPHA:  # "not" catches NaN
        elements = header.tensors[key].elements
        refuse(
            "alpha-value",
            f"The alpha {shown(key)} is {f'{elements:,} numbers' if elements > 1 else value}.",
            "The module is scaled by it, so it has to be one number of a sane size.",
            "Save the adapter again from an earlier checkpoint of the training.",
        )
    return value


def _check_bools(handle: int, header: Header, names: Grouped) -> None:
    """IA³'s `on_input` is the only truth value in adapters; programs disagree on bytes other than 0 and 1."""
    for slot, key in chain.from_iterable(slots.items() for slots in names.modules.values()):
        info = header.tensors[key]
        if info.dtype != "BOOL":
            continue
        if slot != "on_input" or info.elements != 1:
            refuse("bool-tensor", f"The tensor {shown(key)} holds truth values.", "No adapter kind has such weights.")
        if read_scalar(handle, header, key) not in {0.0, 1.0}:
            refuse(
                "bool-value",
                f"The truth value {shown(key)} is neither 0 nor 1.",
                "Programs disagree on what such a byte means.",
            )


def _refuse_strange(others: Sequence[str], total: int, *, found: bool) -> None:
    if found and len(others) <= LEFTOVER_SHARE * total:
        return
    examples = ", ".join(shown(key) for key in others[:3])
    refuse(
        "not-an-adapter",
        "The file is no adapter of a kind known here.",
        f"{len(others)} of its {total} tensors have names of no known kind, among them {examples}.",
        "If it is a checkpoint, extract an adapter from it; if it is a new kind of adapter, tell us how it is made.",
    )


def _widths(vectors: Sequence[Vectors]) -> dict[str, int]:
    return {vector.encoder: vector.width for vector in vectors}


def _facts(
    header: Header, modules: Sequence[Module], vectors: Sequence[Vectors], family: Family, claims: Claims
) -> Inspection:
    kinds = Counter(module.kind for module in modules)
    if vectors:
        kinds[EMBEDDING] = len(vectors)
    dtypes = Counter([info.dtype for info in header.tensors.values()])
    shapes = Counter([info.shape for info in header.tensors.values()])
    tokens = tuple(dict.fromkeys(vector.token for vector in vectors if vector.token))
    return Inspection(
        kind=_main_kind(kinds),
        kinds=dict(kinds),
        layout=layout_of(tuple(header.tensors)) if modules else "embedding",
        family=family.name,
        family_evidence=family.evidence,
        rank=_spread([module.rank for module in modules if module.rank is not None]),
        alpha=_spread([module.alpha for module in modules if module.alpha is not None]),
        modules=_parts(modules, vectors, family.name),
        per_module=tuple({"name": m.name, "kind": m.kind, "rank": m.rank, "alpha": m.alpha} for m in modules),
        dtypes=dict(dtypes),
        parameter_count=sum(count * prod(shape) for shape, count in shapes.items()),
        tensor_count=len(header.tensors),
        header_bytes=header.data_start - 8,
        data_bytes=header.data_bytes,
        trigger_words=tokens or claims.trigger_words,
        training=claims.training,
        tag_frequency=claims.tag_frequency,
        claimed_licence=claims.licence,
        embedded_hashes=claims.hashes,
        warnings=(),
    )


def _main_kind(kinds: Mapping[str, int]) -> str:
    """The kind that names the file: the telling ones before plain LoRA, else the commonest."""
    for telling in ("dora", "locon"):
        if telling in kinds and set(kinds) <= {"lora", "locon", "dora", "norm", "full"}:
            return telling
    return max(kinds, key=lambda kind: (kind not in {"norm", "full"}, kinds[kind]))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)} if values else {}


def _parts(modules: Sequence[Module], vectors: Sequence[Vectors], family: str) -> dict[str, int]:
    """How many modules lie in each part of the pipeline, and how many are convolutions."""
    denoiser = "transformer" if family in TRANSFORMERS else "unet"
    found = Counter([_part(module, denoiser) for module in {module.name: module for module in modules}.values()])
    if kernels := len({module.name for module in modules if module.kernel}):
        found["convolution"] = kernels
    if vectors:
        found["embedding"] = len(vectors)
    return dict(found)


def _part(module: Module, denoiser: str) -> str:
    if not is_text_encoder(module):
        return denoiser
    for number in ("2", "3"):
        if f"te{number}_" in module.flat or f"text_encoder_{number}_" in module.flat:
            return f"text_encoder_{number}"
    if "t5xxl_" in module.flat:
        return "text_encoder_3"
    return "text_encoder_2" if "clip_g_" in module.flat else "text_encoder"


def compare_embedded_hashes(inspection: Inspection, hashes: FileHashes) -> list[ArtifactWarning]:
    """Where a hash that the trainer embedded is not that of the tensors."""
    found = []
    computed = {
        "sshs_model_hash": (hashes.autov3,),
        "modelspec.hash_sha256": (hashes.autov3,),
        "sshs_legacy_hash": hashes.legacy,
    }
    for key, right in computed.items():
        embedded = inspection.embedded_hashes.get(key)
        if embedded and right and embedded not in right:
            found.append(
                ArtifactWarning(
                    "embedded-hash",
                    f"The hash in its metadata ({key} {embedded[:12]}…) is not that of its tensors.",
                    "The tensors were changed after the training, or the metadata come from another file.",
                )
            )
    return found
