"""People decide: a maintainer releases a member's upload, a moderator decides what the policy engine held."""

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import audited, decision_override
from registry.errors import TransitionRefused
from registry.models import Version
from registry.services.holding import check_impartial
from registry.services.publication import publication_decide, publication_settle
from registry.services.samples import pictures_release
from registry.services.states import version_locked, version_transition
from registry.services.versions import version_publish
from registry.states import MEANINGS, NEEDS_MAINTAINER, REFUSED_BY_MODERATOR, VersionState

DECIDABLE = (VersionState.IN_REVIEW, VersionState.QUARANTINED)


@audited()
def version_release(*, version: Version, actor: User) -> Version:
    """Publish what only waited for a maintainer; everything else waits for a moderator.

    The engine is asked once more: what was reported since then goes to a moderator, and is not published.
    """
    version = version_locked(version)
    if version.state != VersionState.IN_REVIEW or version.state_detail.get("code") != NEEDS_MAINTAINER:
        raise TransitionRefused(
            f"{version} does not wait for a maintainer.", remedy="A moderator decides what the policy engine held."
        )
    decision, record = publication_decide(version)
    if decision.outcome is Outcome.ALLOW:
        return version_publish(version=version, actor=actor, decision=record)
    publication_settle(version, decision, record, actor)
    return version


def check_reviewable(*, version: Version, actor: User) -> None:
    """Whether `actor` may decide about the version as it stands; raises ConflictOfInterest or TransitionRefused."""
    check_impartial(version=version, actor=actor)
    state = VersionState(version.state)
    if state not in DECIDABLE:
        raise TransitionRefused(
            f"{version} does not wait for a decision: it is {state.value}. {MEANINGS[state]}", state=state.value
        )
    if state is VersionState.IN_REVIEW and version.state_detail.get("code") == NEEDS_MAINTAINER:
        raise TransitionRefused(
            f"{version} waits for a maintainer of {version.adapter.owner}, not for a moderator.",
            remedy="Leave it to them: every check was passed.",
        )


def _check_inspected(version: Version) -> None:
    """What nobody could read to its end has no file to hand out and no licence worked out."""
    if not version.inspection or not version.files.exists():
        raise TransitionRefused(
            f"The inspection of {version} never came to its end, so there is nothing that could be published.",
            remedy="Refuse it, and ask its uploader to upload the file again.",
        )


@audited()
def version_review(
    *, version: Version, actor: User, approve: bool, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator's decision about a held version: on record with its reasoning, over the engine's own.

    Raises ConflictOfInterest over one's own upload, TransitionRefused where there is nothing (more) to decide.
    """
    version = version_locked(version)
    check_reviewable(version=version, actor=actor)
    if approve:
        _check_inspected(version)
    outcome = Outcome.ALLOW if approve else Outcome.DENY
    record = decision_override(
        record=version.decision,
        actor=actor,
        outcome=outcome,
        subject=("registry.version", str(version.pk), str(version)),
        action="publish",
        public_reasoning=public_reasoning,
        private_notes=private_notes,
    )
    if approve:
        version_publish(version=version, actor=actor, decision=record)
        pictures_release(version=version)
    else:
        detail = {
            "code": REFUSED_BY_MODERATOR,
            "what": "A moderator refused the publication.",
            "why": public_reasoning,
            "remedy": "Answer with a corrected version, or appeal to the moderators.",
        }
        version_transition(version=version, to=VersionState.REFUSED, actor=actor, detail=detail, decision=record)
    return record
