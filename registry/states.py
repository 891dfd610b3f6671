"""The states of a version and every transition that is allowed between them.

The same table lies in the database (`registry_versiontransition`), where a trigger holds every writer to it.
"""

from enum import StrEnum


class VersionState(StrEnum):
    DRAFT = "draft"
    SCANNING = "scanning"
    IN_REVIEW = "in-review"
    PUBLISHED = "published"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"
    TAKEN_DOWN = "taken-down"


S = VersionState

TRANSITIONS: dict[VersionState, frozenset[VersionState]] = {
    S.DRAFT: frozenset({S.SCANNING, S.WITHDRAWN}),
    S.SCANNING: frozenset({S.DRAFT, S.IN_REVIEW, S.PUBLISHED, S.REFUSED, S.WITHDRAWN}),
    S.IN_REVIEW: frozenset({S.PUBLISHED, S.REFUSED, S.QUARANTINED, S.WITHDRAWN, S.TAKEN_DOWN}),
    S.PUBLISHED: frozenset({S.IN_REVIEW, S.QUARANTINED, S.WITHDRAWN, S.TAKEN_DOWN}),
    S.REFUSED: frozenset({S.IN_REVIEW, S.SCANNING, S.TAKEN_DOWN}),
    S.QUARANTINED: frozenset({S.PUBLISHED, S.IN_REVIEW, S.REFUSED, S.WITHDRAWN, S.TAKEN_DOWN}),
    S.WITHDRAWN: frozenset({S.IN_REVIEW, S.TAKEN_DOWN}),
    S.TAKEN_DOWN: frozenset({S.IN_REVIEW}),  # an appeal that is granted
}

# What each state means, in the words that the pages use.
MEANINGS: dict[VersionState, str] = {
    S.DRAFT: "Not submitted yet. Only its owner sees it.",
    S.SCANNING: "The file is being read and checked.",
    S.IN_REVIEW: "Waits for a person to decide.",
    S.PUBLISHED: "Published. Downloads pass through the licence gate.",
    S.REFUSED: "Refused, with the reasons below.",
    S.QUARANTINED: "Held back while a question about it is answered.",
    S.WITHDRAWN: "Withdrawn by its owner.",
    S.TAKEN_DOWN: "Taken down. This notice is what remains of it.",
}

# The code in `state_detail` of a version that a person refused, not the engine.
REFUSED_BY_MODERATOR = "refused-by-moderator"
# The code of one that passed every check and waits for a maintainer of its organisation.
NEEDS_MAINTAINER = "needs-maintainer"
# The code in `state_detail` of a version that only waits for facts that its own people can state.
NEEDS_FACTS = "needs-facts"

TOMBSTONES = frozenset({S.WITHDRAWN, S.TAKEN_DOWN})


def may_become(current: VersionState, wanted: VersionState) -> bool:
    """Whether the table allows this step."""
    return wanted in TRANSITIONS[current]
