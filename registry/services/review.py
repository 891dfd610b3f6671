"""People decide: a maintainer releases a member's upload, a moderator decides what the policy engine held."""

from django.db import transaction

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import decision_override
from registry.errors import TransitionRefused
from registry.models import Version
from registry.services.states import version_transition
from registry.services.versions import version_publish
from registry.states import REFUSED_BY_MODERATOR, VersionState


@transaction.atomic
def version_release(*, version: Version, actor: User) -> Version:
    """Publish what only waited for a maintainer; everything else waits for a moderator."""
    if version.state != VersionState.IN_REVIEW or version.state_detail.get("code") != "needs-maintainer":
        raise TransitionRefused(
            f"{version} does not wait for a maintainer.", remedy="A moderator decides what the policy engine held."
        )
    if version.decision is None:
        raise TransitionRefused(f"{version} has no decision on record that allows its publication.")
    return version_publish(version=version, actor=actor, decision=version.decision)


@transaction.atomic
def version_review(
    *, version: Version, actor: User, approve: bool, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator's decision about a held version: on record with its reasoning, over the engine's own."""
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
    else:
        detail = {
            "code": REFUSED_BY_MODERATOR,
            "what": "A moderator refused the publication.",
            "why": public_reasoning,
            "remedy": "Answer with a corrected version, or appeal to the moderators.",
        }
        version_transition(version=version, to=VersionState.REFUSED, actor=actor, detail=detail, decision=record)
    return record
