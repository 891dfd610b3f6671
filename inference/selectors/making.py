"""What people read of making: their own jobs, and how a version that they may read was made."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.errors import NotFound
from accounts.models import User
from inference.models import Making, MakingJob
from registry.models import Version
from registry.selectors.access import Actor, adapters_visible_to
from registry.selectors.visibility import versions_readable_by

NOT_SHOWN = "an adapter that you may not see"
SHOWN = 50


@dataclass(frozen=True)
class ShownPart:
    """A part as one reader sees it: without its name where they may not know of it."""

    name: str
    weight: float
    proposed: float | None
    version: Version | None


def makings_of(*, actor: User) -> QuerySet[MakingJob]:
    """The actor's own jobs, newest first; other forms of files are on the pages of their receipts."""
    mine = MakingJob.objects.filter(created_by=actor).exclude(kind=Making.FORM)
    return mine.select_related("base_model", "version__adapter__owner", "owner")


def access_making(*, actor: Actor, pk: uuid.UUID, kind: Making | None = None) -> MakingJob:
    """A job of the actor's own; anybody else's is absent (NotFound)."""
    found = MakingJob.objects.filter(pk=pk, created_by=actor) if isinstance(actor, User) else MakingJob.objects.none()
    if kind is not None:
        found = found.filter(kind=kind)
    job = found.select_related(
        "base_model", "decision", "owner", "organisation__namespace", "version__adapter__owner", "created_by", "upload"
    ).first()
    if job is None:
        raise NotFound("There is no such job of yours.")
    return job


def making_of(*, version: Version) -> MakingJob:
    """How a version was made here, for a reader who was authorised; NotFound for one that came otherwise."""
    job = MakingJob.objects.filter(version=version).select_related("base_model", "created_by").first()
    if job is None:
        raise NotFound(f"{version} was not made here.")
    return job


def parts_shown(*, job: MakingJob, actor: Actor) -> list[ShownPart]:
    """The parts as this reader may see them."""
    parts = list(job.parts.select_related("version__adapter__owner"))
    readable = set(
        versions_readable_by(actor).filter(pk__in=[part.version_id for part in parts]).values_list("pk", flat=True)
    )
    proposed = job.report.get("proposed") or [None] * len(parts)
    return [
        ShownPart(
            str(part.version) if part.version_id in readable else NOT_SHOWN,
            part.weight,
            proposed[place] if place < len(proposed) else None,
            part.version if part.version_id in readable else None,
        )
        for place, part in enumerate(parts)
    ]


def blocks_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The error of each block of a result, as a share of what was wanted there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for layer in report.get("layers", ()):
        found.setdefault(layer["block"] or "EDGE", []).append(layer)
    rows = []
    for block, layers in found.items():
        norm = sum(layer["norm"] ** 2 for layer in layers) ** 0.5
        error = sum(layer["error"] ** 2 for layer in layers) ** 0.5
        rows.append({"block": block, "layers": len(layers), "error": error / norm if norm else 0.0})
    return sorted(rows, key=lambda row: block_place(row["block"]))


_ORDER = ("BASE", "CLIP", "T5", "EDGE", "IN", "D", "M", "S", "OUT")


def block_place(block: str) -> tuple[int, str]:
    """Blocks as they follow each other through the model."""
    name = block.rstrip("0123456789")
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), block)


def suggestions(actor: User) -> list[str]:
    """Addresses to offer while somebody types: their own adapters, then those that they downloaded, then others."""
    visible = adapters_visible_to(actor).filter(latest__isnull=False).select_related("owner")
    mine = visible.filter(created_by=actor)[:SHOWN]
    taken = visible.filter(versions__acceptances__user=actor).distinct()[:SHOWN]
    others = visible.order_by("-download_count", "pk")[:SHOWN]
    return list(dict.fromkeys(str(adapter) for rows in (mine, taken, others) for adapter in rows))[: 2 * SHOWN]
