"""Reading an uploaded file: leased to one worker, healed by the sweep, answered with a decision."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from governance.services import audit_append, audited
from registry.artifacts import (
    ArtifactRefused,
    FileHashes,
    Inspection,
    compare_embedded_hashes,
    hash_file,
    inspect_file,
)
from registry.leases import lease_kept
from registry.models import Adapter, Arrival, Blob, Revision, Version, VersionFile
from registry.selectors.visibility import version_readable
from registry.services.policy import held_back, permissions_of
from registry.services.repositories import blob_adopt, file_store, git_blob_sha1, revision_commit
from registry.services.states import version_transition
from registry.services.uploads import upload_path
from registry.signals import version_inspected
from registry.states import VersionState

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
SWEEP = 50  # versions that one sweep hands out again
PROGRESS_STEP = 0.02  # how much of the file lies between two writes of the progress


@dataclass(frozen=True)
class Findings:
    """All that reading the file brought to light."""

    inspection: Inspection
    hashes: FileHashes
    git_sha1: str
    duplicate: Version | None


def inspections_due() -> list[int]:
    """Versions that wait for a worker or whose worker is gone."""
    now = timezone.now()
    waiting = Version.objects.filter(state=VersionState.SCANNING, inspected_at=None).filter(
        Q(scan_lease_until=None) | Q(scan_lease_until__lt=now)
    )
    return list(waiting.order_by("submitted_at", "pk").values_list("pk", flat=True)[:SWEEP])


def version_inspect(*, version_id: int) -> None:
    """Inspect the version unless another worker holds it; safe to call again at any time."""
    version = _lease(version_id)
    if version is not None:
        held = _held(version)
        with lease_kept(renew=lambda: _renew(held), lifetime=settings.JOB_LEASE):
            _inspect(version)


def _held(version: Version) -> QuerySet[Version]:
    """The version while this worker holds it: not withdrawn meanwhile, and not given to another."""
    return Version.objects.filter(
        pk=version.pk, state=VersionState.SCANNING, inspected_at=None, scan_attempts=version.scan_attempts
    )


def _locked(version: Version) -> bool:
    """Whether this worker holds the version; then nobody else moves it before the transaction ends."""
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)  # every transition locks it first
    return _held(version).exists()


def _renew(held: QuerySet[Version]) -> bool:
    return bool(held.update(scan_lease_until=timezone.now() + settings.JOB_LEASE))


def _inspect(version: Version) -> None:
    if version.upload is None or version.upload_id is None or not upload_path(version.upload_id).exists():
        _refuse(version, _lost())
        return
    try:
        findings = _read(version, upload_path(version.upload_id))
    except ArtifactRefused as refusal:
        _refuse(version, refusal)
        return
    if not _held(version).exists():
        return
    path = upload_path(version.upload_id)
    file_store(adapter=version.adapter, path=path, sha256=findings.hashes.sha256)
    _conclude(version, findings)


def _lost() -> ArtifactRefused:
    return ArtifactRefused(
        code="upload-lost",
        what="The uploaded file is no longer on the server.",
        why="It was removed before it could be inspected.",
        remedy="Upload the file again.",
    )


def _lease(version_id: int) -> Version | None:
    """Claim the version for this worker; a version whose workers keep dying goes to a person instead."""
    now = timezone.now()
    claimed = (
        Version.objects.filter(pk=version_id, state=VersionState.SCANNING, inspected_at=None)
        .filter(Q(scan_lease_until=None) | Q(scan_lease_until__lt=now))
        .update(scan_lease_until=now + settings.JOB_LEASE, scan_attempts=F("scan_attempts") + 1)
    )
    if not claimed:
        return None
    version = Version.objects.select_related(
        "adapter__owner__user", "adapter__owner__organisation", "base_model", "upload", "created_by"
    ).get(pk=version_id)
    if version.scan_attempts <= MAX_ATTEMPTS:
        return version
    with audited():
        detail = {
            "code": "inspection-crashed",
            "what": f"The inspection broke off {MAX_ATTEMPTS} times.",
            "why": "A check that does not finish is never a pass.",
            "remedy": "A moderator looks at the file; you need not do anything.",
        }
        version_transition(version=version, to=VersionState.IN_REVIEW, actor=None, detail=detail)
    return None


def _read(version: Version, path: Path) -> Findings:
    assert version.upload is not None
    inspection = inspect_file(path, declared_family=version.base_model.family, filename=version.upload.filename)
    hashes = hash_file(path, on_progress=_progress(version, path.stat().st_size), check_values=True)
    if hashes.nonfinite_tensors:
        raise ArtifactRefused(
            code="nonfinite-values",
            what=_nonfinite(hashes.nonfinite_tensors),
            why="Such weights turn every picture black, and no program can tell which value was meant.",
            remedy="Save the adapter again from an earlier checkpoint of the training.",
        )
    warnings = compare_embedded_hashes(inspection, hashes)
    return Findings(
        inspection=inspection.with_warnings(warnings),
        hashes=hashes,
        git_sha1=git_blob_sha1(path),
        duplicate=_original_of(version, hashes),
    )


def _nonfinite(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"One tensor holds NaN or infinite values: {names[0]}."
    return f"{len(names)} tensors hold NaN or infinite values, among them {', '.join(names[:3])}."


def _progress(version: Version, size: int) -> Callable[[int], None]:
    """Writes the progress and renews the lease, not more often than each 2 % of the file."""
    written = 0.0

    def report(done: int) -> None:
        nonlocal written
        share = done / size if size else 1.0
        if share - written >= PROGRESS_STEP:
            written = share
            Version.objects.filter(pk=version.pk, state=VersionState.SCANNING).update(
                scan_progress=share, scan_lease_until=timezone.now() + settings.JOB_LEASE
            )

    return report


def _original_of(version: Version, hashes: FileHashes) -> Version | None:
    """The first upload of the same tensors in another adapter, whatever the metadata around them say.

    Only uploads count that the uploader may see, and what was held back here before: whoever holds a file must not
    learn by uploading it that somebody keeps the same one in private.
    """
    same = VersionFile.objects.filter(tensors_digest=hashes.tensors_digest).exclude(
        version__adapter_id=version.adapter_id
    )
    files = same.select_related("version__adapter__owner").order_by("version__created_at", "pk")
    known = [file.version for file in files if not _given_up(version, file.version)]
    seen = (other for other in known if version_readable(version.created_by, other))
    return next(seen, next(filter(held_back, known), None))


def _refuse(version: Version, refusal: ArtifactRefused) -> None:
    detail = {"code": refusal.code, "what": refusal.what, "why": refusal.why, "remedy": refusal.remedy}
    with audited():
        if not _locked(version):
            return
        version_transition(version=version, to=VersionState.REFUSED, actor=None, detail=detail)
    if version.upload_id:
        upload_path(version.upload_id).unlink(missing_ok=True)


def _given_up(version: Version, other: Version) -> bool:
    """Whether the uploader took `other` back or had it refused for a fault, and now tries again elsewhere."""
    ended = other.state in {VersionState.WITHDRAWN, VersionState.REFUSED} and not held_back(other)
    return ended and other.created_by_id == version.created_by_id


@audited()
def _conclude(version: Version, findings: Findings) -> None:
    """Store what was found; the screening of names, pictures and weights follows, and then the policy engine."""
    if not _locked(version):
        return
    _store(version, findings)
    audit_append(actor=None, action="version.inspected", subject=("registry.version", str(version.pk)))
    transaction.on_commit(lambda: version_inspected.send(sender=Version, version_id=version.pk))


def _revision(version: Version, filename: str, blob: Blob) -> Revision:
    return revision_commit(
        adapter=version.adapter,
        author=version.created_by,
        message=f"Version {version.number}: {filename}",
        entries={filename: blob},
    )


def _store(version: Version, findings: Findings) -> None:
    hashes, adapter = findings.hashes, version.adapter
    assert version.upload is not None
    arrival = Arrival.objects.filter(upload=version.upload).select_related("revision").first()
    filename = arrival.path if arrival else version.upload.filename
    blob = blob_adopt(
        adapter=adapter,
        path=upload_path(version.upload.pk),
        sha256=hashes.sha256,
        git_sha1=findings.git_sha1,
    )
    # What a commit brought lies in its revision already.
    version.revision = arrival.revision if arrival else _revision(version, filename, blob)
    VersionFile.objects.create(
        version=version,
        blob=blob,
        path=filename,
        size=hashes.size,
        sha256=hashes.sha256,
        autov1=hashes.autov1 or "",
        autov2=hashes.autov2,
        autov3=hashes.autov3 or "",
        blake3=hashes.blake3,
        crc32=hashes.crc32,
        tensors_digest=hashes.tensors_digest,
    )
    version.inspection = findings.inspection.to_json()
    version.kind = findings.inspection.kind
    version.family = findings.inspection.family
    version.duplicate_of = findings.duplicate
    version.trigger_words = version.trigger_words or list(findings.inspection.trigger_words)[:20]
    version.permissions = permissions_of(version)
    version.scan_progress = 1.0
    version.scan_lease_until = None
    version.inspected_at = timezone.now()
    version.save()
