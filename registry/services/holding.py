"""Taking a version out of circulation and bringing it back: by the house's rules, or by a moderator with reasons."""

from django.db import transaction

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Outcome
from governance.services import audited, decision_override, house_decision
from registry.errors import ConflictOfInterest, TransitionRefused
from registry.models import Version
from registry.selectors.access import membership_role
from registry.services.samples import pictures_release
from registry.services.states import version_locked, version_transition
from registry.services.versions import version_publish
from registry.signals import version_withheld
from registry.states import MEANINGS, VersionState

HELD = "held"  # the action of decisions that take a version out of circulation
REINSTATED = "reinstated"
TAKEN_DOWN_CODE = "taken-down-by-moderator"
RETURNING = (VersionState.QUARANTINED, VersionState.TAKEN_DOWN, VersionState.REFUSED, VersionState.IN_REVIEW)


def check_impartial(*, version: Version, actor: User) -> None:
    """Raises ConflictOfInterest where the version is the actor's own or of an organisation that they belong to."""
    own = {version.created_by_id, version.adapter.created_by_id}
    if actor.pk in own or membership_role(actor, version.adapter.owner) is not None:
        raise ConflictOfInterest(f"{version} is yours or of an organisation that you belong to.")


def _subject(version: Version) -> tuple[str, str, str]:
    return "registry.version", str(version.pk), str(version)


@audited()
def version_quarantine(
    *, version: Version, actor: User | None, code: str, what: str, why: str, remedy: str, private_notes: str = ""
) -> DecisionRecord:
    """Hold a version back at once: by a moderator, or by the house (`actor` None) under the rule that `code` names.

    Raises TransitionRefused where its state does not allow it: a draft or a tombstone is not in circulation.
    """
    version = version_locked(version)
    if actor is None:
        record = house_decision(
            outcome=Outcome.REVIEW,
            code=code,
            rule=f"house.{code}",
            message=f"{what} {why}",
            subject=_subject(version),
            action=HELD,
            record=version.decision,
        )
    else:
        record = decision_override(
            record=version.decision,
            actor=actor,
            outcome=Outcome.REVIEW,
            subject=_subject(version),
            action=HELD,
            public_reasoning=f"{what} {why}",
            private_notes=private_notes,
        )
    detail = {"code": code, "what": what, "why": why, "remedy": remedy}
    version_transition(version=version, to=VersionState.QUARANTINED, actor=actor, detail=detail, decision=record)
    _withheld(version)
    return record


@audited()
def version_take_down(
    *, version: Version, actor: User, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator takes a version down; a tombstone with the reasoning stays.

    Raises ConflictOfInterest over one's own, TransitionRefused where its state does not allow it.
    """
    version = version_locked(version)
    check_impartial(version=version, actor=actor)
    record = decision_override(
        record=version.decision,
        actor=actor,
        outcome=Outcome.DENY,
        subject=_subject(version),
        action="taken-down",
        public_reasoning=public_reasoning,
        private_notes=private_notes,
    )
    detail = {
        "code": TAKEN_DOWN_CODE,
        "what": "A moderator took it down.",
        "why": public_reasoning,
        "remedy": "Its uploader may appeal; somebody else then decides.",
    }
    version_transition(version=version, to=VersionState.TAKEN_DOWN, actor=actor, detail=detail, decision=record)
    _withheld(version)
    return record


@audited()
def version_reinstate(
    *, version: Version, actor: User, public_reasoning: str, private_notes: str = ""
) -> DecisionRecord:
    """A moderator brings back what was held, refused or taken down, with reasons; it is published again.

    Raises ConflictOfInterest over one's own, TransitionRefused where it was withdrawn or was never inspected.
    """
    version = version_locked(version)
    check_impartial(version=version, actor=actor)
    state = VersionState(version.state)
    if state not in RETURNING or version.revision_id is None or not version.files.exists():
        raise TransitionRefused(
            f"{version} is {state.value} and cannot be published again. {MEANINGS[state]}", state=state.value
        )
    record = decision_override(
        record=version.decision,
        actor=actor,
        outcome=Outcome.ALLOW,
        subject=_subject(version),
        action=REINSTATED,
        public_reasoning=public_reasoning,
        private_notes=private_notes,
    )
    if state in {VersionState.TAKEN_DOWN, VersionState.REFUSED}:
        version_transition(version=version, to=VersionState.IN_REVIEW, actor=actor, decision=record)
    version_publish(version=version, actor=actor, decision=record)
    pictures_release(version=version)
    return record


def _withheld(version: Version) -> None:
    transaction.on_commit(lambda: version_withheld.send(sender=Version, version_id=version.pk))
