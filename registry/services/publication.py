"""Whether an inspected version is published: the policy engine is asked, its answer is on record and acted upon.

It is asked when the inspection ends, and once more by its people when they have stated what a licence asks for.
"""

from typing import Any

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Decision, Outcome
from governance.rulebook import current_ruleset
from governance.services import audit_append, audited, decide_and_record
from registry.errors import TransitionRefused
from registry.models import Adapter, Version
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions
from registry.services.policy import publish_request
from registry.services.states import version_transition
from registry.services.versions import version_publish
from registry.states import NEEDS_FACTS, NEEDS_MAINTAINER, VersionState


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
    elif detail := _holds(version, decision):
        _hold(version, detail, record, actor)
    else:
        version_publish(version=version, actor=actor, decision=record)


def _hold(version: Version, detail: dict[str, str], record: DecisionRecord, actor: User | None) -> None:
    if version.state != VersionState.IN_REVIEW:
        version_transition(version=version, to=VersionState.IN_REVIEW, actor=actor, detail=detail, decision=record)
        return
    version.state_detail, version.decision = detail, record
    version.save(update_fields=["state_detail", "decision"])


@audited()
def version_recheck(*, version: Version, actor: User) -> Version:
    """Ask again about a version that waited for facts, and publish it when they allow it.

    Where nothing was stated since, nothing happens. Raises TransitionRefused where it does not wait for facts.
    """
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
    related = ("adapter__owner__organisation", "base_model", "created_by", "decision", "duplicate_of")
    version = Version.objects.select_related(*related).get(pk=version.pk)
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
    verb = "refused" if denied else "held for a person to decide"
    deed = "Upload a version that meets it." if denied else "A moderator decides; you need not do anything."
    return {
        "code": first.code,
        "what": f"The publication was {verb}.",
        "why": first.message,
        "remedy": f"{deed} Every reason and its clause stand in the decision on the version's page.",
    }


def _waits_for_a_person(version: Version) -> dict[str, str]:
    """What holds a version back although the licences allow it; empty when nothing does."""
    if AdapterPermission.PUBLISH not in adapter_permissions(version.created_by, version.adapter):
        return {
            "code": NEEDS_MAINTAINER,
            "what": "The file passed every check.",
            "why": "Members upload; a maintainer or owner of the organisation publishes.",
            "remedy": "Ask a maintainer to publish it from this page.",
        }
    return {}
