"""Checks of the file: what the inspection found, exact and blocked copies, licences, and what the weights resemble."""

from governance.policy import Finding, Outcome
from moderation.screening.results import Result, flagged, noted, passed, skipped
from moderation.screening.subject import Subject
from moderation.selectors.blocks import blocked_copy, blocked_version
from registry.models import Version
from registry.selectors.visibility import version_readable
from registry.services.policy import held_back, licence_known

NAMED = 5  # of what resembles the weights
CONTRADICTIONS = ("declared-family", "metadata-family", "metadata-rank", "metadata-alpha", "embedded-hash")


def file_safety(subject: Subject) -> Result:
    """The inspection read the whole file; what is unsafe was refused there."""
    inspection = subject.version.inspection
    if not inspection:
        raise LookupError("the version has no inspection")
    return passed(
        f"A safetensors file with {inspection['tensor_count']:,} tensors, read to its end: no code, no hidden data, no "
        "broken numbers."
    )


def copies(subject: Subject) -> Result:
    """The same bytes or tensors as something that was removed, or that is here already."""
    version = subject.version
    file = version.files.get(is_primary=True)
    block = blocked_copy(sha256=file.sha256, tensors_digest=file.tensors_digest)
    if block is not None:
        message = (
            "This file is identical to one that was removed for good, so it is not taken again. If you think that the "
            "removal was wrong, appeal against it."
        )
        return flagged([Finding("copies", "blocked-copy", message, {"block": block.pk})])
    original = version.duplicate_of
    if original is None:
        return passed("No other upload here has the same weights.")
    # What follows is the policy engine's: it has rules of its own about copies. What nobody may see is not named.
    named = str(original) if version_readable(version.created_by, original) else "an upload that was held back"
    return noted(f"Its weights are the same as those of {named}.", notes=f"The original is {original}.")


def licences(subject: Subject) -> Result:
    """What the licences of base, parents and file say of each other, in one sentence for each use that is closed."""
    version = subject.version
    claimed = (version.inspection or {}).get("claimed_licence", "")
    uses = version.permissions.get("uses", {})
    closed = sorted(use for use, answer in uses.items() if answer["outcome"] == Outcome.DENY.value)
    if not licence_known(version.licence_id):
        raise LookupError(f"the licence {version.licence_id!r} is not in the catalogue any more")
    if claimed and claimed.strip().lower() != version.licence_id.lower():
        return noted(f"The file claims the licence “{claimed}”, declared is {version.licence_id}.")
    told = f" Closed by its licences and permissions: {', '.join(closed)}." if closed else ""
    return passed(f"Declared is {version.licence_id}, over {version.base_model.licence_id}.{told}")


def metadata(subject: Subject) -> Result:
    """Where the file's own metadata contradict its tensors or the declaration."""
    warnings = (subject.version.inspection or {}).get("warnings", [])
    contradictions = [warning["message"] for warning in warnings if warning["code"] in CONTRADICTIONS]
    if contradictions:
        return noted(" ".join(contradictions))
    return passed("Metadata, tensors and declaration do not contradict each other.")


def weights(subject: Subject) -> Result:
    """Whether the weights do nearly what those of another upload do, whatever their names, numbers or layout."""
    from moderation.matching.fingerprints import FingerprintError
    from moderation.screening.weights import fingerprint_keep, nearest_versions

    try:
        kept = fingerprint_keep(subject)
    except FingerprintError as nothing:
        return skipped(str(nothing))
    near = nearest_versions(kept)
    others = [(other, score) for other, score in near if not _own(subject.version, other)]
    if not others:
        return passed("No other upload here has nearly the same weights.")
    return flagged([_near_finding(subject.version, other, score) for other, score in others[:NAMED]])


def _own(version: Version, other: Version) -> bool:
    """The next version of one's own adapter resembles the last one, and may."""
    same_owner = other.adapter.owner_id == version.adapter.owner_id
    return other.pk == version.pk or (same_owner and not held_back(other)) or other.pk == version.duplicate_of_id


def _near_finding(version: Version, other: Version, score: float) -> Finding:
    blocked = blocked_version(other.pk)
    if blocked is not None:
        message = (
            "Its weights are nearly those of an adapter that was removed for good, so it is not taken again. If you "
            "think that the removal was wrong, appeal against it."
        )
        return Finding("weights", "blocked-copy", message, {"block": blocked.pk, "similarity": score})
    named = str(other) if version_readable(version.created_by, other) else "another upload"
    message = (
        f"Its weights do nearly the same as those of {named} (similarity {score:.2f} of 1), so a moderator decides. If "
        "it was made from that one, withdraw it and name it as a parent."
    )
    return Finding("weights", "weights-near-duplicate", message, {"version": other.pk, "similarity": score})
