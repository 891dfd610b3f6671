"""Evidence of a consent: files sealed under keys of their own, for moderators alone; each look is on record."""

from django.core.files.storage import default_storage

from accounts.errors import NotFound
from accounts.models import User
from governance.services import audit_append, audited
from moderation.errors import EvidenceRefused
from moderation.models.consent import Consent, ConsentEventKind, ConsentEvidence
from moderation.services.consents import consent_event
from moderation.services.evidence import Opened, Upload, content_type_of
from registry.sealing import RecordKey, seal, unseal
from registry.storage import store_bytes

FILES_MAX = 10  # of one consent
NAME_CONTEXT = "moderation.consent.evidence.name"


def _context(evidence: ConsentEvidence) -> str:
    return f"consent evidence {evidence.public_id}"


@audited()
def consent_evidence_add(*, consent: Consent, upload: Upload, by: str, actor: User | None = None) -> ConsentEvidence:
    """Keep a file with the consent, sealed; raises EvidenceRefused for what is no picture, PDF or plain text."""
    content_type = content_type_of(upload)
    if consent.evidence.count() >= FILES_MAX:
        raise EvidenceRefused(f"{FILES_MAX} files are here already.", remedy="Put the pages into one PDF.")
    evidence = ConsentEvidence(
        consent=consent,
        by=by,
        actor=actor,
        filename_sealed=seal((upload.name.replace("\0", "")[-200:] or "file").encode(), context=NAME_CONTEXT),
        content_type=content_type,
        size=len(upload.content),
    )
    key = RecordKey.new(context=_context(evidence))
    evidence.key_wrapped = key.wrapped
    evidence.storage_key = f"evidence/consents/{evidence.public_id}"
    store_bytes(content=key.seal(upload.content, _context(evidence)), key=evidence.storage_key)
    evidence.save(force_insert=True)
    data = {"evidence": str(evidence.public_id), "size": evidence.size}
    consent_event(consent=consent, kind=ConsentEventKind.EVIDENCE, by=by, actor=actor, data=data)
    return evidence


@audited()
def consent_evidence_view(*, evidence: ConsentEvidence, actor: User) -> Opened:
    """The file for a moderator; that they look is on the audit log first. Raises NotFound, SealBroken."""
    if evidence.key_wrapped is None:
        raise NotFound("This file was erased.")
    audit_append(
        actor=actor,
        action="evidence.viewed",
        subject=("moderation.consent", str(evidence.consent.public_id)),
        data={"evidence": str(evidence.public_id)},
    )
    key = RecordKey.open(bytes(evidence.key_wrapped), context=_context(evidence))
    with default_storage.open(evidence.storage_key, "rb") as file:
        content = key.unseal(file.read(), _context(evidence))
    name = unseal(bytes(evidence.filename_sealed), context=NAME_CONTEXT).decode()
    return Opened(content=content, content_type=evidence.content_type, name=name)
