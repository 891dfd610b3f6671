"""What its user sees of a generation: access, history, and the pages' values. Nobody else sees any of it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from inference.generation_states import DRAWN_NEXT, OPEN, GenerationState, PictureState
from inference.models import Generation, GenerationBatch, GenerationPicture
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import Actor, adapter_permissions
from registry.states import TOMBSTONES

BADGES = {
    GenerationState.QUEUED: "muted",
    GenerationState.RUNNING: "info",
    GenerationState.DONE: "allow",
    GenerationState.WITHHELD: "review",
    GenerationState.FAILED: "deny",
    GenerationState.CANCELLED: "muted",
}


def generations_of(actor: Actor) -> QuerySet[Generation]:
    if not isinstance(actor, User):
        return Generation.objects.none()
    related = ("base_model", "hosting_decision", "purpose_decision", "batch")
    return Generation.objects.filter(user=actor).select_related(*related)


def access_generation(*, actor: Actor, pk: uuid.UUID) -> Generation:
    """The generation, if it is the actor's; absent and another's give the same NotFound."""
    found = generations_of(actor).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such generation that you may see.")
    return found


def access_generated(*, actor: Actor, pk: uuid.UUID) -> GenerationPicture:
    """The picture, under the same rule."""
    mine = GenerationPicture.objects.filter(pk=pk, generation__in=generations_of(actor))
    found = mine.select_related("generation__base_model", "generation__user").first()
    if found is None:
        raise NotFound("There is no such picture that you may see.")
    return found


def access_batch(*, actor: Actor, pk: uuid.UUID) -> GenerationBatch:
    """The batch, under the same rule."""
    found = GenerationBatch.objects.filter(pk=pk, user=actor).first() if isinstance(actor, User) else None
    if found is None:
        raise NotFound("There is no such batch that you may see.")
    return found


def picture_file(picture: GenerationPicture, *, preview: bool = False) -> str:
    """Where its file lies; raises NotFound while there is none that its user may see."""
    if preview and picture.preview_key and picture.state == PictureState.RUNNING:
        return picture.preview_key
    if not preview and picture.state == PictureState.DONE:
        return picture.storage_key
    raise NotFound("There is no such picture that you may see.")


def watched(generation: Generation) -> None:
    """Somebody looks at its page: intermediate pictures are worth making for a while."""
    Generation.objects.filter(pk=generation.pk, finished_at=None).update(watched_at=timezone.now())


@dataclass(frozen=True)
class Grid:
    """Pictures as the page has them: rows with labels, under columns with theirs."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[GenerationPicture | None, ...]], ...]

    @property
    def is_table(self) -> bool:
        return any(self.columns) or any(label for label, _ in self.rows)


def grid_of(pictures: Sequence[GenerationPicture]) -> Grid:
    by_place = {(picture.row, picture.column): picture for picture in pictures}
    width = 1 + max((picture.column for picture in pictures), default=0)
    height = 1 + max((picture.row for picture in pictures), default=0)
    columns = {picture.column: picture.column_label for picture in pictures}
    labels = {picture.row: picture.row_label for picture in pictures}
    rows = tuple(
        (labels.get(row, ""), tuple(by_place.get((row, column)) for column in range(width))) for row in range(height)
    )
    return Grid(tuple(columns.get(column, "") for column in range(width)), rows)


def generation_page(*, actor: User, generation: Generation) -> dict[str, Any]:
    """Everything that the result's part of the page shows."""
    pictures = list(generation.pictures.select_related("sample"))
    for picture in pictures:
        picture.generation = generation
    adapters = list(generation.adapters.select_related("version__adapter__owner", "version__base_model"))
    decision = generation.purpose_decision
    return {
        "generation": generation,
        "badge": BADGES[GenerationState(generation.state)],
        "pictures": pictures,
        "grid": grid_of(pictures),
        "adapters": adapters,
        "galleries": galleries_of(actor, [one.version for one in adapters]),
        "share": share_of(pictures),
        "finished": sum(picture.state not in OPEN for picture in pictures),
        "can_cancel": any(picture.state in DRAWN_NEXT for picture in pictures),
        "can_delete": not any(picture.state in OPEN for picture in pictures),
        "ahead": ahead_of(generation) if generation.state == GenerationState.QUEUED else 0,
        "obligations": decision.obligations if decision else [],
    }


def galleries_of(actor: User, versions: Sequence[Version]) -> list[Version]:
    """Those of the versions to whose gallery the actor may add a picture."""
    found = {version.pk: version for version in versions if version.state not in TOMBSTONES}
    return [
        version
        for version in found.values()
        if AdapterPermission.CONTRIBUTE in adapter_permissions(actor, version.adapter)
    ]


def share_of(pictures: Sequence[GenerationPicture]) -> float:
    """How much is done, 0 to 1; what ended without a picture counts as done."""
    if not pictures:
        return 0.0
    done = sum(1.0 if picture.state not in DRAWN_NEXT else picture.share for picture in pictures)
    return done / len(pictures)


def ahead_of(generation: Generation) -> int:
    """Pictures of anybody that were asked for earlier and are not drawn yet."""
    earlier = GenerationPicture.objects.filter(state__in=DRAWN_NEXT, created_at__lt=generation.created_at)
    return earlier.exclude(generation=generation).count()


def history_of(actor: User) -> QuerySet[Generation]:
    """The actor's generations, newest first, with their first pictures."""
    return generations_of(actor).prefetch_related("pictures")


def generations_kept(user: User) -> list[dict[str, Any]]:
    """What is kept about an account here, as plain values, for its export."""
    names = ("id", "prompt", "negative", "settings", "purpose", "base_model__slug", "state", "created_at")
    rows = Generation.objects.filter(user=user).order_by("created_at")
    pictures = GenerationPicture.objects.filter(generation__user=user)
    seen = ("id", "generation_id", "prompt", "seed", "state", "sha256", "checks", "created_at")
    by_generation: dict[Any, list[dict[str, Any]]] = {}
    for picture in pictures.values(*seen):
        by_generation.setdefault(picture.pop("generation_id"), []).append(picture)
    return [{**row, "pictures": by_generation.get(row["id"], [])} for row in rows.values(*names)]


def batch_page(batch: GenerationBatch) -> dict[str, Any]:
    generations = list(
        batch.generations.select_related("base_model").prefetch_related("pictures").order_by("created_at")
    )
    counts = dict(
        GenerationPicture.objects.filter(generation__batch=batch)
        .values_list("state")
        .annotate(n=Count("pk"))
        .order_by()
    )
    total = sum(counts.values())
    over = total - sum(counts.get(state.value, 0) for state in OPEN)
    rows = [
        {"generation": one, "badge": BADGES[GenerationState(one.state)], "thumbs": thumbs_of(one)}
        for one in generations
    ]
    return {"batch": batch, "rows": rows, "total": total, "over": over, "share": over / total if total else 0.0}


def thumbs_of(generation: Generation, most: int = 4) -> list[GenerationPicture]:
    done = [picture for picture in generation.pictures.all() if picture.state == PictureState.DONE]
    return done[:most]
