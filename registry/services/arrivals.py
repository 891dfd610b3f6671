"""Weights that commits brought: each becomes a version through the intake as soon as everything is declared.

What is missing is said with the page where it can be completed; a later README.md that states it does the same.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.errors import DomainError, NotFound
from accounts.models import User
from governance.services import audited
from registry.errors import DeclarationIncomplete
from registry.models import Adapter, Arrival, Revision, Upload, Version
from registry.permissions import AdapterPermission as P
from registry.selectors.access import adapter_permissions
from registry.services.cards import card_stored
from registry.services.declarations import Card, declared_by
from registry.services.intake import intake
from registry.services.policy import held_back
from registry.services.repositories import MAIN, branch_head, tree_of
from registry.services.uploads import clean_filename, upload_path
from registry.services.versions import Declaration
from registry.states import VersionState
from registry.storage import local_copy

MAX_DIGITS = 18  # of a number that the database can hold
FLAGS = ("credit_required", "allow_derivatives", "allow_different_licence")


@dataclass(frozen=True)
class Note:
    """What somebody has to know, and the path of the page where it is settled."""

    text: str
    path: str


def arrival_version(arrival: Arrival) -> Version | None:
    """The newest version of what arrived, however it came to be one."""
    made_of = Q(upload__arrival=arrival) | Q(files__blob=arrival.blob_id)
    return Version.objects.filter(made_of, adapter=arrival.adapter_id).order_by("-number").first()


@audited()
def arrivals_settle(
    *, actor: User, adapter: Adapter, revision: Revision, card: Card | None, corrected: bool
) -> list[Note]:
    """Make versions of what lies in `revision` and has none yet, as the card declares them; says what is missing.

    With `corrected`, the card is new: what was refused or taken back for what it declared is tried once more.
    """
    declared = declared_by(card or Card({}, ""), actor=actor)
    notes: list[Note] = []
    for arrival in _waiting(adapter, revision):
        version = arrival_version(arrival)
        if version is not None and not (corrected and _again(version, declared.declaration)):
            continue
        if declared.missing:
            notes.append(_incomplete(arrival, [f"{name}: {what}" for name, what in declared.missing.items()]))
            continue
        notes.append(_take(actor, adapter, arrival, declared.declaration))
    return notes


def _waiting(adapter: Adapter, revision: Revision) -> Iterable[Arrival]:
    inside = revision.entries.values("blob")
    return Arrival.objects.filter(adapter=adapter, blob__in=inside).select_related("blob", "upload").order_by("path")


def _again(version: Version, declaration: Declaration) -> bool:
    """Whether a version was refused for a fault or taken back, and other things are declared of it now."""
    if version.state not in {VersionState.REFUSED, VersionState.WITHDRAWN} or held_back(version):
        return False
    before = (version.base_model.slug, version.licence_id, version.training_sources, version.depicts_real_person)
    now = (declaration.base_model, declaration.licence_id, declaration.training_sources.strip())
    return before != (*now, declaration.depicts_real_person)


def _incomplete(arrival: Arrival, missing: Iterable[str]) -> Note:
    text = (
        f"{arrival.path} arrived, and nobody but your own people sees it before its declaration is complete. "
        f"Missing: {'; '.join(missing)}."
    )
    return Note(text, reverse("arrival", args=[arrival.pk]))


def _take(actor: User, adapter: Adapter, arrival: Arrival, declaration: Declaration) -> Note:
    try:
        with audited():
            version = intake(
                actor=actor,
                owner=adapter.owner,
                name=adapter.name,
                upload=arrival_upload(arrival=arrival, actor=actor),
                declaration=declaration,
            )
    except DeclarationIncomplete as refusal:
        errors: dict[str, Any] = refusal.data.get("errors", {})
        return _incomplete(arrival, [f"{name}: {what}" for name, what in errors.items()])
    except DomainError as refusal:
        return Note(f"{arrival.path} is no version yet: {refusal.detail} {refusal.remedy}", _page(arrival))
    text = f"{arrival.path} is version {version.number}, and is checked now; others see it when it is published."
    return Note(text, reverse("version", args=[adapter.owner.slug, adapter.name, version.number]))


def _page(arrival: Arrival) -> str:
    return reverse("arrival", args=[arrival.pk])


def arrival_upload(*, arrival: Arrival, actor: User) -> Upload:
    """What arrived, as the intake takes it: the upload that brought it while there is one of the actor's own.

    Otherwise a new one over the same bytes, which are counted once.
    """
    known = arrival.upload
    usable = known is not None and known.created_by_id == actor.pk and known.consumed_at is None
    if known is not None and usable and known.expires_at > timezone.now() and upload_path(known.pk).exists():
        return known
    blob = arrival.blob
    upload = Upload.objects.create(
        created_by=actor,
        namespace=arrival.adapter.owner,
        filename=clean_filename(arrival.path),
        length=blob.size,
        offset=blob.size,
        expires_at=timezone.now() + settings.UPLOAD_LIFETIME,
    )
    path = upload_path(upload.pk)
    path.parent.mkdir(parents=True, exist_ok=True)
    with local_copy(blob.storage_key) as stored:
        try:
            os.link(stored, path)  # nothing is ever written to either of them again
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(stored, path)
    arrival.upload = upload
    arrival.save(update_fields=["upload"])
    return upload


def access_arrival(*, actor: User, pk: int) -> Arrival:
    """What arrived, for who may add versions to its adapter; absent for everybody else."""
    related = ("adapter__owner__organisation", "adapter__owner__user", "blob", "upload", "revision")
    arrival = Arrival.objects.select_related(*related).filter(pk=pk, adapter__deleted_at=None).first()
    if arrival is None or P.CONTRIBUTE not in adapter_permissions(actor, arrival.adapter):
        raise NotFound("There is no such upload that you may see.")
    return arrival


def arrival_initial(*, actor: User, named: Mapping[str, str]) -> dict[str, Any]:
    """What the upload form holds for a file that arrived (`arrival`, and its `upload_id`): what its card declares."""
    pk = named.get("arrival", "")
    if not pk.isdecimal() or len(pk) > MAX_DIGITS:
        return {}
    arrival = access_arrival(actor=actor, pk=int(pk))
    if arrival.upload is None or str(arrival.upload_id) != named.get("upload_id"):
        return {}
    card = card_stored(tree_of(branch_head(adapter=arrival.adapter, branch=MAIN) or arrival.revision))
    found: dict[str, Any] = {"upload_id": arrival.upload_id}
    if card is None:
        return found
    declared = declared_by(card, actor=actor).declaration
    said = {
        "base_model": declared.base_model,
        "licence": declared.licence_id,
        "training_sources": declared.training_sources,
        "trigger_words": ", ".join(declared.trigger_words),
        "commercial_use": list(declared.commercial_use),
        "preview_prompt": next(iter(declared.preview_prompts), ""),
    }
    found |= {name: value for name, value in said.items() if value}
    found |= {name: getattr(declared, name) for name in (*FLAGS, "strength") if name in card.own}
    if declared.depicts_real_person is not None:
        found["depicts_real_person"] = "yes" if declared.depicts_real_person else "no"
    return found
