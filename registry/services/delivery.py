"""The gate: a question about a use, the acceptance of exact terms, a signed receipt, a short-lived link."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import F
from django.utils import timezone

from accounts.models import Organisation, User
from governance.errors import GovernanceRefused
from governance.models import DecisionRecord
from governance.policy import ActorFacts, Decision, Outcome, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from governance.services import audit_append, audited, decide_and_record, standing_use_remember
from governance.signing import sign_receipt
from registry.errors import AcceptanceNeeded, LinkExpired, NotAvailable
from registry.models import Acceptance, Adapter, Receipt, TermsText, Version, VersionFile
from registry.services.access_requests import require_granted
from registry.services.policy import use_request
from registry.services.terms import notice_of, terms_of
from registry.services.webhook_events import receipt_news
from registry.standing import obstacle_to
from registry.states import MEANINGS, VersionState

SALT = "registry.delivery"
HELD_REMEDY = (
    "A moderator can bring it back. If you downloaded it before, “My recalls” under your account says whether "
    "you must stop using it."
)


@dataclass(frozen=True)
class GateAnswer:
    """What the gate says about one use: the decision on record, and the terms to accept when it allows."""

    decision: Decision
    record: DecisionRecord
    terms: TermsText
    request: UseRequest


def require_available(version: Version) -> None:
    """Raises NotAvailable unless the version is published; says why where the state has a reason of its own."""
    state = VersionState(version.state)
    if state is not VersionState.PUBLISHED:
        why = version.state_detail.get("why") or MEANINGS[state]
        remedy = HELD_REMEDY if state is VersionState.QUARANTINED else NotAvailable.remedy
        raise NotAvailable(f"{version} is {state.value}. {why}", remedy=remedy, state=state.value)


def _require_standing(version: Version, use: Use) -> None:
    """Raises NotAvailable when what the version rests on does not hold at this moment, whoever asks."""
    if obstacle := obstacle_to(version, use):
        raise NotAvailable(f"{obstacle.what} {obstacle.why}", remedy=obstacle.remedy, reason=obstacle.code)


@audited()
def gate_ask(
    *, actor: User, organisation: Organisation | None, version: Version, use: Use, facts: ActorFacts | None = None
) -> GateAnswer:
    """Decide whether `actor` may use `version` for `use`; the answer is put on record, yes or no."""
    require_available(version)
    require_granted(actor=actor, adapter=version.adapter)
    _require_standing(version, use)
    request = use_request(version, use, facts or actor_facts(actor=actor, organisation=organisation))
    decision, record = decide_and_record(
        request=request,
        actor=actor,
        organisation=organisation,
        subject=("registry.version", str(version.pk), str(version)),
        action=use.value,
    )
    standing_use_remember(actor=actor, organisation=organisation, use=use)
    return GateAnswer(decision=decision, record=record, terms=terms_of(version, decision), request=request)


def gate_accept(
    *,
    actor: User,
    organisation: Organisation | None,
    version: Version,
    use: Use,
    accepted_terms: str,
    facts: ActorFacts | None = None,
) -> Receipt:
    """Decide again, check that exactly these terms were accepted, and issue the receipt.

    Raises AccessNotGranted, GovernanceRefused after the refusal is on record, AcceptanceNeeded with the terms' digest.
    """
    answer = gate_ask(actor=actor, organisation=organisation, version=version, use=use, facts=facts)
    if answer.decision.outcome is not Outcome.ALLOW:
        raise GovernanceRefused(decision=answer.decision, record=answer.record)
    if accepted_terms != answer.terms.digest:
        raise AcceptanceNeeded(
            f"The terms of {version} for this use have to be accepted in their present wording.",
            terms=answer.terms.digest,
            text=answer.terms.text,
        )
    with audited():
        return _issue(actor, organisation, version, answer)


def _issue(actor: User, organisation: Organisation | None, version: Version, answer: GateAnswer) -> Receipt:
    version = (
        Version.objects.select_for_update(of=("self",), no_key=True)
        .select_related("adapter__owner", "created_by")
        .get(pk=version.pk)
    )
    require_available(version)
    _require_standing(version, answer.decision.use)
    _require_unchanged(version, answer)
    acceptance = Acceptance.objects.create(
        user=actor,
        organisation=organisation,
        version=version,
        use=answer.decision.use.value,
        terms=answer.terms,
        decision=answer.record,
    )
    file = version.files.get(is_primary=True)
    notice = notice_of(version, answer.decision, answer.request.actor)
    receipt = Receipt(acceptance=acceptance, file=file, notice=notice)
    receipt.body = sign_receipt(_body(receipt, answer, notice))
    receipt.save()
    Adapter.objects.filter(pk=version.adapter_id).update(download_count=F("download_count") + 1)
    audit_append(
        actor=actor,
        action="gate.accepted",
        subject=("registry.version", str(version.pk)),
        data={"use": acceptance.use, "terms": answer.terms.digest, "receipt": str(receipt.pk)},
        rows=[answer.terms, acceptance, receipt],
    )
    receipt_news(receipt=receipt)
    return receipt


def _require_unchanged(version: Version, answer: GateAnswer) -> None:
    """Raises AcceptanceNeeded where what was decided about is not what lies here now: a person narrowed a consent."""
    if use_request(version, answer.request.use, answer.request.actor) != answer.request:
        raise AcceptanceNeeded(
            f"What {version} rests on has changed in this very moment.",
            remedy="Ask at the gate once more: it decides by what holds now.",
            terms=answer.terms.digest,
            text=answer.terms.text,
        )


def _body(receipt: Receipt, answer: GateAnswer, notice: str) -> dict[str, Any]:
    acceptance, file = receipt.acceptance, receipt.file
    return {
        "receipt": str(receipt.pk),
        "registry": settings.PUBLIC_URL,
        "issued_at": receipt.issued_at.isoformat(),
        "adapter": str(acceptance.version.adapter),
        "version": acceptance.version.number,
        "file": {"path": file.path, "sha256": file.sha256, "size": file.size},
        "recipient": acceptance.user.username,
        "organisation": acceptance.organisation.namespace.slug if acceptance.organisation else None,
        "use": acceptance.use,
        "decision": str(answer.record.public_id),
        "ruleset_digest": answer.decision.ruleset_digest,
        "terms_sha256": answer.terms.digest,
        "notice_sha256": hashlib.sha256(notice.encode()).hexdigest(),
        "obligations": [duty.to_json() for duty in answer.decision.obligations],
    }


def link_token(*, receipt: Receipt) -> str:
    """The signed, short-lived token of a download link."""
    return signing.dumps(str(receipt.pk), salt=SALT, compress=False)


def link_redeem(*, token: str) -> VersionFile:
    """The file behind a token, while the link lives and the version is still published."""
    try:
        pk = signing.loads(token, salt=SALT, max_age=settings.DOWNLOAD_URL_LIFETIME)
    except signing.BadSignature as error:
        raise LinkExpired from error
    receipt = (
        Receipt.objects.select_related(
            "acceptance__decision",
            "file__blob",
            "file__version__adapter__owner",
            "file__version__base_model",
            "file__version__created_by",
        )
        .filter(pk=pk)
        .first()
    )
    if receipt is None:
        raise LinkExpired
    return receipt_deliver(receipt=receipt)


def receipt_deliver(*, receipt: Receipt) -> VersionFile:
    """The file of a receipt, about to leave; raises NotAvailable or AccessNotGranted where it may not now."""
    require_available(receipt.file.version)
    require_still_allowed(receipt)
    if receipt.first_delivered_at is None:
        Receipt.objects.filter(pk=receipt.pk, first_delivered_at=None).update(first_delivered_at=timezone.now())
    return receipt.file


def require_still_allowed(receipt: Receipt) -> None:
    """Raises NotAvailable or AccessNotGranted where the gate, for what was stated there, would not open now."""
    require_granted(actor=receipt.acceptance.user, adapter=receipt.file.version.adapter)
    version, use = receipt.file.version, Use(receipt.acceptance.use)
    _require_standing(version, use)
    asked = UseRequest.from_json(receipt.acceptance.decision.request)
    if not decide(use_request(version, use, asked.actor), current_ruleset()).allowed:
        raise NotAvailable(
            f"{version} is not open any more for the use that this link was given for.",
            remedy="Ask at the gate again: it says what stands against it.",
        )
