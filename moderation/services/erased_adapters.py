"""The adapters of an erased person: left public under the pseudonym where they chose so, otherwise emptied.

What is under a decision stays until it is decided: files and texts of a version with an open case, or that is held
back, are evidence. The nightly retention comes back for them.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction

from accounts.models import User
from governance.models import DecisionRecord
from governance.redaction import Redaction, rows_redact
from moderation.models import Case, CaseStatus, PictureMatch, ScreeningCheck, WeightFingerprint
from registry.errors import TransitionRefused
from registry.models import (
    Adapter,
    Blob,
    Revision,
    RevisionEntry,
    SamplePicture,
    SampleState,
    Version,
    VersionFile,
    VersionImage,
)
from registry.models.adapters import Visibility
from registry.services.listing import adapter_refresh
from registry.services.versions import version_withdraw
from registry.states import VersionState, may_become

REASON = "Its owner has deleted their account."
ERASED = "Erased."
EMPTY_VERSION: dict[str, Any] = {
    "label": "",
    "notes": "",
    "training_sources": ERASED,
    "trigger_words": [],
    "preview_prompts": [],
    "fictional_statement": "",
    "findings": [],
    "inspection": None,
}
GROUND = "erasure"


def adapters_of(user: User) -> list[Adapter]:
    """What lies under the person's own name; what belongs to an organisation stays with it."""
    return list(Adapter.objects.filter(owner__user=user).select_related("owner").order_by("pk"))


def adapter_withdraw(*, adapter: Adapter, actor: User) -> int:
    """Take back every version that can be; how many."""
    withdrawn = 0
    for version in Version.objects.filter(adapter=adapter).select_related("adapter__owner").order_by("pk"):
        if may_become(VersionState(version.state), VersionState.WITHDRAWN):
            version_withdraw(version=version, actor=actor, reason=REASON)
            withdrawn += 1
    return withdrawn


def is_evidence(adapter: Adapter) -> bool:
    """Whether somebody has yet to decide about a version of it."""
    undecided = Case.objects.filter(version__adapter=adapter).exclude(status=CaseStatus.DECIDED)
    return undecided.exists() or adapter.versions.filter(state=VersionState.QUARANTINED).exists()


def adapter_empty(*, adapter: Adapter, actor: User | None, subject: tuple[str, str]) -> None:
    """Delete files, pictures, texts and file names of an adapter that nobody is to see any more.

    Raises TransitionRefused while it is published. Runs in the caller's transaction; files go when that commits.
    """
    if adapter.versions.filter(state=VersionState.PUBLISHED).exists():
        raise TransitionRefused(f"{adapter} is published.", remedy="Withdraw its versions first.")
    versions = Version.objects.filter(adapter=adapter)
    keys = _pictures_forget(versions.values_list("pk", flat=True))
    keys += list(Blob.objects.filter(adapter=adapter).values_list("storage_key", flat=True))
    versions.update(**EMPTY_VERSION)
    ScreeningCheck.objects.filter(screening__version__adapter=adapter).update(summary="", notes="")
    # Of what was taken down the fingerprint stays: it finds the copy that somebody else uploads.
    fingerprints = WeightFingerprint.objects.filter(version__adapter=adapter)
    fingerprints.exclude(version__state=VersionState.TAKEN_DOWN).delete()
    _paths_forget(adapter, actor, subject)
    _declarations_forget(adapter, actor, subject)
    adapter.tags.clear()
    visibility = Visibility.PUBLIC if adapter.visibility == Visibility.PUBLIC else Visibility.PRIVATE
    emptied = {"name": erased_name(adapter), "title": "Erased", "description": "", "visibility": visibility}
    Adapter.objects.filter(pk=adapter.pk).update(trigger_words=[], **emptied)
    adapter_refresh(adapter=Adapter.objects.select_related("owner").get(pk=adapter.pk))
    transaction.on_commit(partial(files_delete, keys))


def erased_name(adapter: Adapter) -> str:
    return f"erased-{adapter.pk}"


def _pictures_forget(version_ids: Iterable[int]) -> list[str]:
    """Blank the rows of all pictures; the keys of their files."""
    ids = list(version_ids)
    images, samples = VersionImage.objects.filter(version__in=ids), SamplePicture.objects.filter(version__in=ids)
    keys = [*images.values_list("storage_key", flat=True), *samples.values_list("storage_key", flat=True)]
    keys += samples.exclude(original_key="").values_list("original_key", flat=True)
    images.update(prompt="", negative_prompt="", marks={})
    samples.update(state=SampleState.REMOVED, original_key="")
    PictureMatch.objects.filter(version__in=ids).delete()
    return keys


def _paths_forget(adapter: Adapter, actor: User | None, subject: tuple[str, str]) -> None:
    """File names are the person's own words."""
    for file in VersionFile.objects.filter(version__adapter=adapter):
        VersionFile.objects.filter(pk=file.pk).update(path=f"erased-{file.pk}")
    revisions = Revision.objects.filter(adapter=adapter)
    entries = RevisionEntry.objects.filter(revision__in=revisions)
    changes: list[Redaction] = [Redaction(revision, {"message": ""}) for revision in revisions]
    changes += [Redaction(entry, {"path": f"erased-{entry.pk}"}) for entry in entries]
    rows_redact(redactions=changes, actor=actor, subject=subject, ground=GROUND)


def _declarations_forget(adapter: Adapter, actor: User | None, subject: tuple[str, str]) -> None:
    """What decisions kept of the person's own words: sources, and what the checks quoted. Codes and rules stay."""
    ids = [str(pk) for pk in adapter.versions.values_list("pk", flat=True)]
    decided = DecisionRecord.objects.filter(subject_type="registry.version", subject_id__in=ids)
    changes = [Redaction(record, _without_words(record)) for record in decided if record.request.get("declarations")]
    rows_redact(redactions=changes, actor=actor, subject=subject, ground=GROUND)


def _without_words(record: DecisionRecord) -> dict[str, Any]:
    declared = record.request["declarations"]
    found = [{**finding, "message": ERASED, "facts": {}} for finding in declared.get("findings", [])]
    codes = {finding["code"] for finding in found}
    sources = [ERASED] if declared.get("training_sources") else []
    request = {**record.request, "declarations": {**declared, "training_sources": sources, "findings": found}}
    reasons = [
        {**reason, "message": ERASED, "facts": {}} if reason["code"] in codes else reason for reason in record.reasons
    ]
    return {"request": request, "reasons": reasons}


def files_delete(keys: Iterable[str]) -> None:
    """Delete files; one that is gone already is no problem."""
    for key in keys:
        if key and default_storage.exists(key):
            default_storage.delete(key)
