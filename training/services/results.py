"""From a run to the registry: a draft version with its lineage, card and pictures, which its owner publishes."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from accounts.errors import DomainError
from accounts.models import User
from governance.services import audit_append, audited
from moderation.errors import ConsentDoesNotCover
from moderation.models import Consent
from moderation.services.consents import consent_link
from registry.models import Upload, Version
from registry.models.adapters import Visibility
from registry.services.adapters import adapter_update
from registry.services.intake import intake
from registry.services.repositories import blob_adopt, git_blob_sha1, revision_commit
from registry.services.samples import Sample
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, version_send, version_withdraw
from registry.states import VersionState
from training.cards import card_of
from training.errors import ResultRefused
from training.models import EventKind, Level, RunFile, RunResult, RunSample, TrainingRun
from training.services.exports import CHOOSABLE, FREE, check_room
from training.services.licences import licence_proposed
from training.services.recording import PREFERRED
from training.services.run_states import run_locked, run_log
from training.services.standing import run_obstacle, subject_of
from training.signals import checkpoint_chosen

SHOWN = 6  # samples of the result that go with the draft
COMMERCIAL = {"commercial-outputs": ("image",), "hosted-service": ("rent",), "selling-weights": ("sell",)}
README = "README.md"


def draft_try(*, run: TrainingRun, step: int) -> Version | None:
    """Make the draft; what the registry refuses is said in the run's log, and can be tried again from the page."""
    try:
        return result_draft(run=run, actor=run.created_by, step=step)
    except DomainError as error:
        text = f"No draft version could be made: {error.detail} {error.remedy}"
        run_log(run, EventKind.RESULT, text, level=Level.WARNING, step=step, data={"code": error.code})
        return None


@audited()
def result_draft(*, run: TrainingRun, actor: User, step: int) -> Version:
    """The adapter of a step as a draft version, through the intake of every upload; an earlier draft gives way to it.

    Raises ResultRefused where there is no such file or a right has ended; what the intake refuses is raised as it is.
    """
    run = run_locked(run)
    if run.state not in CHOOSABLE:
        raise ResultRefused(f"The run is {run.state}; nothing can be taken from it.")
    if problem := run_obstacle(run):
        raise ResultRefused(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])
    file = file_of(run, step)
    if file is None:
        raise ResultRefused(
            f"There is no adapter of step {step}.", remedy="Choose a checkpoint, which is then written as an adapter."
        )
    kept = run.results.filter(file=file).exclude(version__state=VersionState.WITHDRAWN).first()
    if kept is not None:
        return kept.version
    _withdraw_drafts(run, actor)
    version = _take_in(run, actor, file)
    RunResult.objects.create(run=run, version=version, file=file, step=step)
    Version.objects.filter(pk=version.pk).update(notes=_notes(version))
    _link_consents(run, version, actor)
    text = f"Version {version.number} of {version.adapter} is a draft: look at it, then publish it."
    run_log(run, EventKind.RESULT, text, step=step, data={"version": version.pk})
    audit_append(
        actor=actor,
        action="run.result-drafted",
        subject=subject_of(run)[:2],
        data={"version": version.pk, "step": step},
    )
    return version


def _notes(version: Version) -> str:
    """What the version's page says of where it comes from."""
    report = f"/{version.adapter}/v/{version.number}/training"
    return f"Trained here: [training report]({report}), with its curves, samples and datasheet."


def file_of(run: TrainingRun, step: int) -> RunFile | None:
    """The adapter of a step in the layout that is published."""
    files = list(run.files.filter(step=step, removed_at=None))
    return next((file for file in files if file.layout == PREFERRED), files[0] if files else None)


def _withdraw_drafts(run: TrainingRun, actor: User) -> None:
    for result in run.results.filter(version__state=VersionState.DRAFT).select_related("version__adapter__owner"):
        version_withdraw(version=result.version, actor=actor, reason="Another checkpoint of the same run was chosen.")


def _take_in(run: TrainingRun, actor: User, file: RunFile) -> Version:
    return intake(
        actor=actor,
        owner=run.owner,
        name=run.adapter_name,
        upload=_upload(run, actor, file),
        declaration=declaration_of(run),
        title=run.title,
        description=f"Trained here on {run.base_model.name}.",
        visibility=Visibility.PRIVATE,  # until it is sent to publication
        samples=_samples(run, file.step),
        as_draft=True,
    )


def _upload(run: TrainingRun, actor: User, file: RunFile) -> Upload:
    with default_storage.open(file.storage_key, "rb") as stream:
        return upload_from_stream(
            actor=actor, namespace=run.owner, filename=file.filename, stream=stream, length=file.size
        )


def declaration_of(run: TrainingRun) -> Declaration:
    """What the run's own facts declare; the rights statement is left to whoever publishes."""
    prompts = [prompt.replace("{trigger}", run.trigger) for prompt in run.recipe["samples"]["prompts"]]
    return Declaration(
        base_model=run.base_model.slug,
        licence_id=licence_proposed(run),
        training_sources="\n".join(run.rights.get("training_sources", ())),
        depicts_real_person=bool(run.rights.get("depicts_real_person")),
        rights_edition="",
        commercial_use=COMMERCIAL.get(run.intended_use, ()),
        trigger_words=(run.trigger,) if run.trigger else (),
        strength=run.recipe["samples"]["strength"],
        preview_prompts=tuple(prompts[:4]),
    )


def _samples(run: TrainingRun, step: int) -> list[Sample]:
    """Pictures with the trigger word at this step, or at the last one before it."""
    drawn = run.samples.filter(step__lte=step, step__gt=0, with_trigger=True).order_by("-step").first()
    if drawn is None:
        return []
    rows = run.samples.filter(step=drawn.step, with_trigger=True)[:SHOWN]
    return [Sample(f"sample-{number}.png", _content(row)) for number, row in enumerate(rows, start=1)]


def _content(row: RunSample) -> bytes:
    with default_storage.open(row.storage_key, "rb") as file:
        content: bytes = file.read()
    return content


def _link_consents(run: TrainingRun, version: Version, actor: User) -> None:
    """The version rests on the consents that the training rested on, where they cover its publication."""
    for consent in Consent.objects.filter(public_id__in=run.rights.get("consent_ids", ())):
        try:
            with transaction.atomic():
                consent_link(version=version, consent=consent, actor=actor)
        except ConsentDoesNotCover as error:
            text = f"A consent that the training rested on does not cover publication. {error.detail}"
            run_log(run, EventKind.RESULT, text, level=Level.WARNING, data={"consent": str(consent.public_id)})


@audited()
def result_publish(
    *, run: TrainingRun, version: Version, actor: User, declared: dict[str, Any], about: dict[str, Any]
) -> Version:
    """The owner has looked at the draft and sends it on: to inspection, screening and decision, as any upload.

    `declared` changes the declaration that follows from the run, `about` the adapter. Raises ResultRefused.
    """
    run = run_locked(run)
    result = run.results.filter(version=version).first()
    if result is None or version.state != VersionState.DRAFT:
        raise ResultRefused(f"{version} is no draft of this run.")
    if problem := run_obstacle(run):
        raise ResultRefused(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])
    declaration = replace(declaration_of(run), notes=_notes(version), **declared)
    adapter = adapter_update(actor=actor, adapter=version.adapter, **about)
    version.adapter = adapter
    _commit_card(run, version, declaration, actor)
    version_send(version=version, actor=actor, declaration=declaration)
    run_log(run, EventKind.RESULT, f"{version} was sent to inspection.", step=result.step, data={"version": version.pk})
    return version


def _commit_card(run: TrainingRun, version: Version, declaration: Declaration, actor: User) -> None:
    """The model card becomes a file of the adapter's repository, under the version's own revision."""
    card = card_of(run, version, licence_id=declaration.licence_id)
    content = card.encode()
    path = Path(settings.UPLOAD_DIR) / f"{run.public_id}.card"
    path.write_bytes(content)
    blob = blob_adopt(
        adapter=version.adapter,
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        git_sha1=git_blob_sha1(path),
    )
    revision_commit(
        adapter=version.adapter, author=actor, message=f"Model card of version {version.number}", entries={README: blob}
    )


@audited()
def checkpoint_choose(*, run: TrainingRun, actor: User, step: int) -> TrainingRun:
    """Make a draft of another checkpoint: at once where its files are there, else a worker writes them first.

    Raises ResultRefused, and TrainingQuota where too many wait to be written.
    """
    run = run_locked(run)
    if run.state not in CHOOSABLE:
        raise ResultRefused(
            f"The run is {run.state}.", remedy="Wait until it has ended; then any of its checkpoints can be chosen."
        )
    if not run.checkpoints.filter(step=step, removed_at=None, step__gt=0).exists():
        raise ResultRefused(f"There is no checkpoint of step {step} any more.")
    if problem := run_obstacle(run):
        raise ResultRefused(f"{problem['what']} {problem['why']}", remedy=problem["remedy"])
    if file_of(run, step) is None:
        check_room(run)
    run.chosen_step, run.chosen_at, run.export_attempts = step, timezone.now(), 0
    for name, value in FREE.items():  # who writes another one finds that it is not wanted any more
        setattr(run, name, value)
    run.save(update_fields=["chosen_step", "chosen_at", "export_attempts", *FREE])
    run_log(run, EventKind.RESULT, f"The checkpoint of step {step} was chosen.", step=step)
    audit_append(actor=actor, action="run.checkpoint-chosen", subject=subject_of(run)[:2], data={"step": step})
    if file_of(run, step) is not None:
        result_draft(run=run, actor=actor, step=step)
    else:
        gpu_class, public_id = run.gpu_class, str(run.public_id)
        transaction.on_commit(
            lambda: checkpoint_chosen.send(sender=TrainingRun, run_id=public_id, step=step, gpu_class=gpu_class)
        )
    return run
