"""What moderators read: the queue of versions that wait for a person, and what was decided."""

from django.db.models import QuerySet

from accounts.errors import NotFound
from accounts.models import User
from governance.models import DecisionRecord
from registry.models import Version
from registry.selectors.access import Actor
from registry.states import NEEDS_MAINTAINER, VersionState


def require_moderator(actor: Actor) -> User:
    """The actor as a moderator; for everybody else these pages do not exist."""
    if not isinstance(actor, User) or not actor.is_moderator:
        raise NotFound("There is no such page for you.")
    return actor


def review_queue() -> QuerySet[Version]:
    """What waits, oldest first; what only waits for its own maintainer is not a moderator's case."""
    waiting = Version.objects.filter(state=VersionState.IN_REVIEW)
    return (
        waiting.exclude(state_detail__code=NEEDS_MAINTAINER)
        .select_related("adapter__owner", "base_model", "created_by")
        .order_by("submitted_at", "pk")
    )


def decided_cases() -> QuerySet[DecisionRecord]:
    """The decisions that moderators took over the engine's, or where it had none."""
    decided = DecisionRecord.objects.filter(subject_type="registry.version", reasons__0__code="decided-by-a-person")
    return decided.select_related("actor", "override_of")
