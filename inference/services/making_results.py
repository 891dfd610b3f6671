"""From a finished merge or extraction to the registry: a draft with its parents, and its way to publication."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from accounts.models import User
from governance.services import audit_append, audited
from inference.errors import JobConflict, MakingRefused
from inference.models import Making, MakingJob
from inference.services.making_jobs import making_finish, making_still_held, rights_ended
from inference.states import JobState
from registry.models import Version
from registry.models.adapters import Visibility
from registry.models.versions import Relation
from registry.services.adapters import adapter_update
from registry.services.intake import intake
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, Parent, version_send
from registry.states import VersionState

MAX_TRIGGERS = 20


@audited()
def result_drafted(*, job: MakingJob, path: Path, report: dict[str, Any], sha256: str) -> Version | None:
    """The file as a draft version under the job's name, and the job done, both or neither; None where it was cancelled.

    What the intake refuses (a quota, a name, a role that was taken away meanwhile) is raised as it is.
    """
    if not making_still_held(job=job) or job.owner is None:
        return None
    size = path.stat().st_size
    with path.open("rb") as stream:
        upload = upload_from_stream(
            actor=job.created_by, namespace=job.owner, filename=path.name, stream=stream, length=size
        )
    version = intake(
        actor=job.created_by,
        owner=job.owner,
        name=job.adapter_name,
        upload=upload,
        declaration=declaration_of(job),
        title=job.title,
        description="",
        visibility=Visibility.PRIVATE,  # until it is sent to publication
        as_draft=True,
    )
    Version.objects.filter(pk=version.pk).update(notes=notes_of(version))
    making_finish(
        job=job, state=JobState.DONE, report=report, version=version, filename=path.name, size=size, sha256=sha256
    )
    audit_append(
        actor=job.created_by,
        action="making.drafted",
        subject=("inference.making", str(job.pk)),
        data={"version": version.pk, "sha256": sha256},
    )
    return version


def notes_of(version: Version) -> str:
    """What the version's page says of where it comes from."""
    return f"Made here: [how it was made](/{version.adapter}/v/{version.number}/making), with its error and its parts."


def declaration_of(job: MakingJob) -> Declaration:
    """What follows from the parts; the rights statement is left to whoever publishes."""
    parts = list(job.parts.select_related("version"))
    versions = [part.version for part in parts]
    permissions = job.recipe.get("permissions", {})
    words = dict.fromkeys(word for version in versions for word in version.trigger_words)
    prompts = dict.fromkeys(prompt for version in versions for prompt in version.preview_prompts[:1])
    return Declaration(
        base_model=job.base_model.slug,
        licence_id=job.licence_id,
        training_sources=sources_of(job),
        depicts_real_person=any(version.depicts_real_person for version in versions),
        rights_edition="",
        credit_required=permissions.get("credit_required", False),
        allow_derivatives=True,
        allow_different_licence=permissions.get("allow_different_licence", True),
        commercial_use=tuple(permissions.get("commercial_use", ())),
        trigger_words=tuple(words)[:MAX_TRIGGERS],
        preview_prompts=tuple(prompts)[:4],
        parents=tuple(Parent(part.version_id, Relation.MERGE, part.weight) for part in parts),
    )


def sources_of(job: MakingJob) -> str:
    """Names no parent: some readers of the result may not see it. The lineage shows each of them what they may."""
    if job.kind == Making.MERGE:
        return f"Merged from {job.parts.count()} adapters of this registry; its lineage names them."
    if job.recipe.get("tuned"):
        return f"Extracted from the difference of {job.recipe['tuned']} and {job.base_model.name}."
    return str(job.recipe.get("sources", ""))


@audited()
def making_publish(*, job: MakingJob, actor: User, declared: dict[str, Any], about: dict[str, Any]) -> Version:
    """The owner has looked at the draft and sends it on: to inspection, screening and decision, as any upload.

    `declared` changes the declaration that follows from the parts, `about` the adapter. Raises JobConflict where there
    is no draft, MakingRefused where the permissions would be wider than the parts'.
    """
    version = draft_of(job)
    if version is None:
        raise JobConflict("There is no draft of this job to publish.", remedy="Look at the version's own page.")
    if problem := rights_ended(job):
        raise JobConflict(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])
    declaration = replace(declaration_of(job), notes=version.notes, parents=(), **declared)
    _check_not_wider(job, declaration)
    version.adapter = adapter_update(actor=actor, adapter=version.adapter, **about)
    sent = version_send(version=version, actor=actor, declaration=declaration)
    audit_append(
        actor=actor,
        action="making.sent-to-publication",
        subject=("inference.making", str(job.pk)),
        data={"version": version.pk},
    )
    return sent


def draft_of(job: MakingJob) -> Version | None:
    """The draft that the job ended in, while it is one."""
    return (
        Version.objects.select_related("adapter__owner", "base_model", "created_by")
        .filter(made_by=job, state=VersionState.DRAFT)
        .first()
    )


def _check_not_wider(job: MakingJob, declaration: Declaration) -> None:
    """What a creator of a part did not permit, the maker of the result cannot."""
    least = job.recipe.get("permissions", {})
    errors: dict[str, str] = {}
    if more := sorted(set(declaration.commercial_use) - set(least.get("commercial_use", ()))):
        errors["commercial_use"] = f"A part does not permit: {', '.join(more)}."
    if least.get("credit_required") and not declaration.credit_required:
        errors["credit_required"] = "A part asks for credit, so the result does."
    if not least.get("allow_different_licence", True) and declaration.allow_different_licence:
        errors["allow_different_licence"] = "A part does not permit another licence on what is made from it."
    if errors:
        raise MakingRefused(
            f"The permissions would be wider than those of the parts. {next(iter(errors.values()))}", errors=errors
        )
