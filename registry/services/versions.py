"""Versions: submitted with a declaration, published after the checks, withdrawn, decided by people."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Namespace, User
from governance.models import DecisionRecord
from governance.policy import Use
from governance.services import audit_append, audited
from registry.errors import DeclarationIncomplete, NotAvailable, TransitionRefused, UploadRefused
from registry.models import Adapter, BaseModel, Lineage, RightsStatement, Upload, Version
from registry.models.versions import Relation
from registry.selectors.visibility import version_readable
from registry.services.policy import licence_known
from registry.services.states import version_locked, version_transition
from registry.services.uploads import upload_charge
from registry.signals import version_published, version_submitted, version_withheld
from registry.standing import obstacle_to
from registry.states import VersionState

COMMERCIAL_USES = ("image", "rent-civit", "rent", "sell")
MAX_PROMPTS = 4


@dataclass(frozen=True)
class Parent:
    """A version that this one was made from, how, and with which weight where it is a merge."""

    version_id: int
    relation: str
    weight: float | None = None


@dataclass(frozen=True)
class Declaration:
    """What an uploader states about a version; the rights statement is affirmed by its edition."""

    base_model: str  # slug in the catalogue
    licence_id: str
    training_sources: str
    depicts_real_person: bool | None
    rights_edition: str  # the edition of the statement that was shown and affirmed
    credit_required: bool = True
    allow_derivatives: bool = True
    allow_different_licence: bool = False
    commercial_use: tuple[str, ...] = ()
    trigger_words: tuple[str, ...] = ()
    strength: float = 1.0
    preview_prompts: tuple[str, ...] = ()
    label: str = ""
    notes: str = ""
    parents: tuple[Parent, ...] = field(default=())


def _resolved(declaration: Declaration, *, as_draft: bool) -> tuple[BaseModel, RightsStatement | None]:
    """The rows that a declaration names; raises DeclarationIncomplete with one line per field.

    A draft may leave the rights statement open: who sends it to publication affirms it then.
    """
    base = BaseModel.objects.filter(slug=declaration.base_model).first()
    statement = RightsStatement.objects.filter(edition=declaration.rights_edition).first()
    errors = _errors(declaration)
    if base is None:
        errors["base_model"] = f"{declaration.base_model!r} is not in the catalogue of base models."
    if statement is None and not (as_draft and not declaration.rights_edition):
        errors["rights_edition"] = "Affirm the current rights statement."
    if errors or base is None:
        raise DeclarationIncomplete("Something is missing or unknown in the declaration.", errors=errors)
    return base, statement


def _errors(declaration: Declaration) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not licence_known(declaration.licence_id):
        errors["licence"] = f"{declaration.licence_id!r} is not in the licence catalogue."
    if declaration.depicts_real_person is None:
        errors["depicts_real_person"] = "Say whether it depicts a real person."
    if not declaration.training_sources.strip():
        errors["training_sources"] = "Say what it was trained on and where that came from."
    if unknown := set(declaration.commercial_use) - set(COMMERCIAL_USES):
        errors["commercial_use"] = f"Unknown: {', '.join(sorted(unknown))}."
    if not -4 <= declaration.strength <= 4:
        errors["strength"] = "Give a strength between -4 and 4."
    return errors


@audited()
def version_submit(*, actor: User, adapter: Adapter, upload: Upload, declaration: Declaration) -> Version:
    """Take a finished upload as the next version of `adapter` and send it to inspection."""
    version = _create(actor, adapter, upload, declaration, as_draft=False)
    _send(version, actor, submitted_at=timezone.now())
    return version


@audited()
def version_draft(*, actor: User, adapter: Adapter, upload: Upload, declaration: Declaration) -> Version:
    """Take a finished upload as the next version of `adapter` and keep it as a draft, until `version_send`."""
    version = _create(actor, adapter, upload, declaration, as_draft=True)
    audit_append(actor=actor, action="version.drafted", subject=("registry.version", str(version.pk)))
    return version


@audited()
def version_send(*, version: Version, actor: User, declaration: Declaration) -> Version:
    """Send a draft to inspection as it is declared now, by whoever affirms the rights; raises TransitionRefused."""
    base, statement = _resolved(declaration, as_draft=False)
    version = version_locked(version)
    if version.state != VersionState.DRAFT or version.upload_id is None:
        raise TransitionRefused(f"{version} is no draft: it is {version.state}.", state=version.state)
    if base.pk != version.base_model_id:
        raise DeclarationIncomplete(
            "The base model of a draft does not change.", errors={"base_model": f"It is {version.base_model.slug}."}
        )
    now = timezone.now()
    fields = {**_declared(declaration), "rights_statement": statement, "rights_affirmed_at": now, "submitted_at": now}
    _send(version, actor, **fields)
    return version


def _create(actor: User, adapter: Adapter, upload: Upload, declaration: Declaration, *, as_draft: bool) -> Version:
    base, statement = _resolved(declaration, as_draft=as_draft)
    upload = Upload.objects.select_for_update(no_key=True).get(pk=upload.pk)
    if not upload.is_complete or upload.consumed_at is not None:
        raise UploadRefused(
            f"The upload holds {upload.offset:,} of {upload.length:,} bytes, or has been used already.",
            remedy="Finish the upload, or start a new one.",
        )
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    upload_charge(upload=upload, namespace=adapter.owner)
    number = (adapter.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    now = timezone.now()
    version = Version.objects.create(
        adapter=adapter,
        number=number,
        created_by=actor,
        base_model=base,
        upload=upload,
        rights_statement=statement,
        rights_affirmed_at=now if statement else None,
        **_declared(declaration),
    )
    _link_parents(version, declaration.parents, actor)
    upload.consumed_at = now
    upload.save(update_fields=["consumed_at"])
    return version


def _send(version: Version, actor: User, **fields: Any) -> None:
    version_transition(version=version, to=VersionState.SCANNING, actor=actor, **fields)
    transaction.on_commit(lambda: version_submitted.send(sender=Version, version_id=version.pk))


def _declared(declaration: Declaration) -> dict[str, Any]:
    return {
        "label": declaration.label,
        "notes": declaration.notes,
        "licence_id": declaration.licence_id,
        "credit_required": declaration.credit_required,
        "allow_derivatives": declaration.allow_derivatives,
        "allow_different_licence": declaration.allow_different_licence,
        "commercial_use": [use for use in COMMERCIAL_USES if use in declaration.commercial_use],
        "depicts_real_person": bool(declaration.depicts_real_person),
        "training_sources": declaration.training_sources.strip(),
        "trigger_words": _words(declaration.trigger_words, 50),
        "strength": declaration.strength,
        "preview_prompts": _words(declaration.preview_prompts, MAX_PROMPTS),
    }


def _words(words: Iterable[str], limit: int) -> list[str]:
    return list(dict.fromkeys(word for raw in words if (word := " ".join(raw.split()))))[:limit]


def _link_parents(version: Version, parents: Iterable[Parent], actor: User) -> None:
    for named in {parent.version_id: parent for parent in parents}.values():
        parent = Version.objects.select_related("adapter__owner").filter(pk=named.version_id).first()
        if parent is None or not version_readable(actor, parent):
            message = f"There is no version {named.version_id} that you may see."
            raise DeclarationIncomplete("A parent version does not exist.", errors={"parents": message})
        if named.relation not in Relation.values:
            message = f"{named.relation!r} is none of: {', '.join(Relation.values)}."
            raise DeclarationIncomplete("A relation is not known.", errors={"parents": message})
        Lineage.objects.create(child=version, parent=parent, relation=named.relation, weight=named.weight)


@audited()
def version_publish(
    *, version: Version, actor: User | None, decision: DecisionRecord, detail: dict[str, Any] | None = None
) -> Version:
    """Let a checked version out; raises TransitionRefused when something stands against it at this moment."""
    if obstacle := obstacle_to(version, Use.PUBLISH):
        raise TransitionRefused(f"{version} cannot be published. {obstacle.why}", remedy=obstacle.remedy)
    version_transition(version=version, to=VersionState.PUBLISHED, actor=actor, detail=detail, decision=decision)
    transaction.on_commit(lambda: version_published.send(sender=Version, version_id=version.pk))
    return version


@audited()
def version_withdraw(*, version: Version, actor: User, reason: str) -> Version:
    """The owner takes a version back; a tombstone with the reason stays where it was public."""
    version_transition(
        version=version,
        to=VersionState.WITHDRAWN,
        actor=actor,
        detail={"code": "withdrawn", "what": "Withdrawn by its owner.", "why": reason},
    )
    transaction.on_commit(lambda: version_withheld.send(sender=Version, version_id=version.pk))
    return version


def latest_statement() -> RightsStatement:
    """The edition of the rights statement that new uploads affirm."""
    statement = RightsStatement.objects.order_by("-created_at", "-pk").first()
    if statement is None:
        raise NotAvailable(
            "No rights statement is loaded.", remedy="Run `manage.py load_catalogue`, which bin/serve does."
        )
    return statement


def namespace_of(actor: User) -> Namespace:
    """The actor's own namespace."""
    return Namespace.objects.get(user=actor)
