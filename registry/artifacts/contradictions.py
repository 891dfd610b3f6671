"""What the uploader is told: declaration, metadata and tensors contradict each other, or something is left out."""

from collections.abc import Sequence

from registry.artifacts.errors import ArtifactWarning, shown
from registry.artifacts.families import UNKNOWN, Family
from registry.artifacts.header import Header
from registry.artifacts.metadata import Claims, claim_warnings
from registry.artifacts.modules import Module
from registry.artifacts.tensors import misaligned


def all_warnings(
    header: Header,
    modules: Sequence[Module],
    others: Sequence[str],
    family: Family,
    claims: Claims,
    declared: str | None,
) -> list[ArtifactWarning]:
    ranks = tuple(module.rank for module in modules if module.rank is not None)
    alphas = tuple(module.alpha for module in modules if module.alpha is not None)
    found = _family_warnings(family, declared)
    found += claim_warnings(claims, family=family.name, ranks=ranks, alphas=alphas)
    found += _tensor_warnings(header, modules, others)
    return found


def _family_warnings(family: Family, declared: str | None) -> list[ArtifactWarning]:
    seen = " ".join(family.evidence)
    if family.name == UNKNOWN:
        return [
            ArtifactWarning(
                "family-unknown",
                f"The base family cannot be told from the tensors. {seen}",
                "The declared base model is believed; make sure that it is the right one.",
            )
        ]
    if declared and declared != family.name:
        return [
            ArtifactWarning(
                "declared-family",
                f"Declared for {declared}, but the tensors say {family.name}. {seen}",
                "Choose the base model that it was trained on: its licence is what counts.",
            )
        ]
    return []


def _tensor_warnings(header: Header, modules: Sequence[Module], others: Sequence[str]) -> list[ArtifactWarning]:
    found: list[ArtifactWarning] = []
    if others:
        examples = ", ".join(shown(key) for key in others[:3])
        found.append(
            ArtifactWarning(
                "tensors-unrecognised",
                f"{len(others)} tensors belong to no known kind and would not be applied: {examples}.",
                "Check whether the trainer wrote them on purpose.",
            )
        )
    without = [m for m in modules if m.alpha is None and m.rank is not None and m.kind not in {"oft", "boft", "glora"}]
    if without and any(module.alpha is not None for module in modules):
        found.append(
            ArtifactWarning(
                "alpha-missing",
                f"{len(without)} modules have no alpha while others do, among them {shown(without[0].name)}.",
                "Programs then use alpha = rank for them, which may be stronger than was trained.",
            )
        )
    if crooked := misaligned(header.tensors, header.data_start):
        found.append(
            ArtifactWarning(
                "misaligned",
                f"{len(crooked)} tensors do not start at a multiple of their number's size.",
                "Some programs cannot memory-map them; saving the file again with the safetensors library mends it.",
            )
        )
    return found
