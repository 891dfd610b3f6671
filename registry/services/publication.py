"""Whether a screened version is published: the policy engine is asked, its answer is on record and acted upon.

It is asked when the screening ends, once more by its people when they have stated what a licence asks for, and again
when pictures or words that came later brought something to light.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Decision, Finding, Outcome, Use
from governance.rulebook import current_ruleset
from governance.services import audit_append, audited, decide_and_record
from registry.errors import TransitionRefused
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions
from registry.services.policy import publish_request
from registry.services.states import version_locked, version_transition
from registry.services.versions import version_publish
from registry.signals import version_decided, version_held, version_withheld
from registry.standing import obstacle_to
from registry.states import NEEDS_FACTS, NEEDS_MAINTAINER, VersionState

CHECK_FAILED = "check-failed"  # never known: what nobody could look at was not approved
IDENTIFYING = ("identity", "entry", "block", "version")  # facts that say whom or what a finding is about
PERSON_UNDECLARED = "person-undeclared"  # the finding that such a statement answers


def publication_decide(version: Version) -> tuple[Decision, DecisionRecord]:
    """Ask the policy engine about the publication of an inspected version; the answer is put on record."""
    return decide_and_record(
        request=_request(version),
        actor=version.created_by,
        organisation=version.adapter.owner.organisation,
        subject=("registry.version", str(version.pk), str(version)),
        action="publish",
    )


def _request(version: Version) -> Any:
    claimed = (version.inspection or {}).get("claimed_licence")
    return publish_request(version, claimed_licence=claimed, duplicate=version.duplicate_of)


def publication_settle(version: Version, decision: Decision, record: DecisionRecord, actor: User | None = None) -> None:
    """Move the version where the answer says."""
    if decision.outcome is Outcome.DENY:
        detail = _policy_detail(version, decision)
        version_transition(version=version, to=VersionState.REFUSED, actor=actor, detail=detail, decision=record)
        _tell_held(version)
    elif detail := _holds(version, decision):
        _hold(version, detail, record, actor)
    else:
        version_publish(version=version, actor=actor, decision=record)


def _tell_held(version: Version) -> None:
    transaction.on_commit(lambda: version_held.send(sender=Version, version_id=version.pk))


def _hold(version: Version, detail: dict[str, str], record: DecisionRecord, actor: User | None) -> None:
    _tell_held(version)
    if version.state != VersionState.IN_REVIEW:
        version_transition(version=version, to=VersionState.IN_REVIEW, actor=actor, detail=detail, decision=record)
        return
    version.state_detail, version.decision = detail, record
    version.save(update_fields=["state_detail", "decision"])


@audited()
def version_screened(*, version: Version, findings: Sequence[Finding], consent_ids: Sequence[str] = ()) -> bool:
    """The screening of an inspected version has come to its end; False where it does not wait for that any more.

    A version that is held is screened again when its people have changed what was found.
    """
    version = version_locked(version)
    if version.state not in {VersionState.SCANNING, VersionState.IN_REVIEW} or version.inspected_at is None:
        return False
    version.consent_ids = list(consent_ids)
    _keep(version, findings)
    decision, record = publication_decide(version)
    publication_settle(version, decision, record)
    transaction.on_commit(lambda: version_decided.send(sender=Version, version_id=version.pk))
    return True


@audited()
def fictional_state(*, version: Version, actor: User, statement: str) -> Version:
    """The uploader states that the person in the pictures is fictional, and how they came about; on record.

    Raises TransitionRefused where the version does not wait for such a statement.
    """
    version = version_locked(version)
    asked = any(found["code"] == PERSON_UNDECLARED for found in version.findings)
    if version.state != VersionState.IN_REVIEW or not asked:
        raise TransitionRefused(f"{version} does not wait for a statement about a person.", state=version.state)
    version.fictional_statement = statement.strip()
    version.save(update_fields=["fictional_statement"])
    audit_append(
        actor=actor,
        action="version.fictional-stated",
        subject=("registry.version", str(version.pk)),
        data={"sha256": hashlib.sha256(version.fictional_statement.encode()).hexdigest()},
    )
    return version


@audited()
def version_found_later(*, version: Version, findings: Sequence[Finding]) -> bool:
    """Pictures or words that came after the decision brought this to light; True where it holds the version back now.

    What a moderator approved in spite of the same finding stays approved.
    """
    version = version_locked(version)
    known = {_about(Finding(**found)) for found in version.findings}
    fresh = [found for found in findings if found.code == CHECK_FAILED or _about(found) not in known]
    if not fresh or version.state not in {VersionState.PUBLISHED, VersionState.IN_REVIEW}:
        return False
    _keep(version, [*(Finding(**found) for found in version.findings), *fresh])
    in_review = version.state == VersionState.IN_REVIEW
    if in_review and version.state_detail.get("code") != NEEDS_MAINTAINER:
        return True
    decision, record = publication_decide(version)
    if decision.outcome is Outcome.ALLOW:
        return False
    if in_review:  # its own people could publish it until now
        publication_settle(version, decision, record)
        return True
    denied = decision.outcome is Outcome.DENY
    to = VersionState.QUARANTINED if denied else VersionState.IN_REVIEW
    detail = _policy_detail(version, decision) | {"what": "It was held back by what a later check found."}
    version_transition(version=version, to=to, actor=None, detail=detail, decision=record)
    transaction.on_commit(lambda: version_withheld.send(sender=Version, version_id=version.pk))
    transaction.on_commit(lambda: version_held.send(sender=Version, version_id=version.pk))
    return True


def _about(finding: Finding) -> tuple[object, ...]:
    """What two findings have to share to be the same: the words, and whom or what they found."""
    return (finding.code, finding.message, *(finding.facts.get(name) for name in IDENTIFYING))


def _keep(version: Version, findings: Sequence[Finding]) -> None:
    version.findings = [finding.to_json() for finding in findings]
    version.screened_at = timezone.now()
    version.save(update_fields=["findings", "screened_at", "consent_ids"])


@audited()
def version_recheck(*, version: Version, actor: User) -> Version:
    """Ask again about a version that waited for facts, and publish it when they allow it.

    Where nothing was stated since, nothing happens. Raises TransitionRefused where it does not wait for facts.
    """
    version = version_locked(version)
    if version.state == VersionState.PUBLISHED:
        return version  # somebody else has asked again in the meantime
    if version.state != VersionState.IN_REVIEW or version.state_detail.get("code") != NEEDS_FACTS:
        raise TransitionRefused(f"{version} does not wait for facts that you could state.", state=version.state)
    last = version.decision
    asked_before = last is not None and last.request == _request(version).to_json()
    if last is None or not asked_before or last.ruleset_digest != current_ruleset().digest:
        audit_append(actor=actor, action="version.rechecked", subject=("registry.version", str(version.pk)))
        decision, record = publication_decide(version)
        publication_settle(version, decision, record, actor)
    return version


def _holds(version: Version, decision: Decision) -> dict[str, str]:
    return _policy_detail(version, decision) if decision.outcome is Outcome.REVIEW else _waits_for_a_person(version)


def _policy_detail(version: Version, decision: Decision) -> dict[str, str]:
    first = decision.reasons[0]
    if decision.depends_on_answers:
        organisation = version.adapter.owner.organisation
        return {
            "code": NEEDS_FACTS,
            "what": "The publication waits for answers of yours.",
            "why": " ".join(dict.fromkeys(question.text for question in decision.questions)),
            "remedy": "Answer the questions on the facts page, then choose “Check again” on the version's page.",
            "answer_at": "/account/facts" + (f"?organisation={version.adapter.owner.slug}" if organisation else ""),
        }
    denied = decision.outcome is Outcome.DENY
    more = len({reason.message for reason in decision.deciding}) - 1
    further = f" {more} more {'reasons stand' if more > 1 else 'reason stands'} in the decision." if more else ""
    verb = "refused" if denied else "held for a person to decide"
    deed = "Upload a version that meets it." if denied else "A moderator decides; you need not do anything."
    return {
        "code": first.code,
        "what": f"The publication was {verb}.",
        "why": first.message + further,
        "remedy": f"{deed} Every reason and its clause stand in the decision on the version's page.",
    }


def _waits_for_a_person(version: Version) -> dict[str, str]:
    """What holds a version back although the licences allow it; empty when nothing does."""
    if obstacle := obstacle_to(version, Use.PUBLISH):
        return obstacle.to_detail()
    if AdapterPermission.PUBLISH not in adapter_permissions(version.created_by, version.adapter):
        return {
            "code": NEEDS_MAINTAINER,
            "what": "The file passed every check.",
            "why": "Members upload; a maintainer or owner of the organisation publishes.",
            "remedy": "Ask a maintainer to publish it from this page.",
        }
    return {}
