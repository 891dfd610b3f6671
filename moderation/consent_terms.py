"""The terms of a consent and the states it goes through: plain values, without a database.

Terms say for which uses, for which adapters of the grantee, where and until when. A subject may grant what is asked or
less, and later less again, never more than was asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from governance.policy import ConsentScope as ConsentScope
from governance.policy.territories import is_covered

# In the words that the subject reads before they decide.
SCOPE_WORDS: dict[ConsentScope, str] = {
    ConsentScope.TRAINING: "Train an image model adapter on pictures of you or by you",
    ConsentScope.PREVIEW: "Show sample pictures that the adapter made",
    ConsentScope.PUBLICATION: "Publish the adapter, so that others can download and use it",
    ConsentScope.COMMERCIAL: "Let others earn money with it, by its pictures or the adapter itself",
}


class ConsentState(StrEnum):
    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


S = ConsentState

# GRANTED → GRANTED narrows it. What ended comes back by the subject's own hand, or, where it was ended in error, by a
# moderator who says why.
TRANSITIONS: dict[ConsentState, frozenset[ConsentState]] = {
    S.ASKED: frozenset({S.GRANTED, S.REFUSED, S.WITHDRAWN, S.LAPSED}),
    S.GRANTED: frozenset({S.GRANTED, S.REVOKED, S.EXPIRED}),
    S.REFUSED: frozenset({S.GRANTED}),
    S.REVOKED: frozenset({S.GRANTED}),
    S.EXPIRED: frozenset({S.GRANTED}),
    S.WITHDRAWN: frozenset(),
    S.LAPSED: frozenset(),
}

ENDED = frozenset({S.REVOKED, S.EXPIRED})

MEANINGS: dict[ConsentState, str] = {
    S.ASKED: "Asked, and not answered yet.",
    S.GRANTED: "Granted, within the terms below.",
    S.REFUSED: "Refused.",
    S.REVOKED: "Revoked by the person who gave it.",
    S.EXPIRED: "Its time has run out.",
    S.WITHDRAWN: "The request was taken back before it was answered.",
    S.LAPSED: "Nobody answered while the link was open.",
}


class EndReason(StrEnum):
    """Why a consent that held does not hold any more."""

    REVOKED = "revoked"
    EXPIRED = "expired"

    @property
    def state(self) -> ConsentState:
        """The state that follows."""
        return ConsentState(self.value)


class Verification(StrEnum):
    """How it was made sure that the subject is who answered."""

    NONE = "none"
    MAIL = "mail-link"  # whoever answered reads the mailbox that the grantee named: no more than that
    ACCOUNT = "account"
    DOCUMENT = "document"
    CALL = "call"
    IN_PERSON = "in-person"


# Those that a moderator has looked at.
CHECKED = frozenset({Verification.ACCOUNT, Verification.DOCUMENT, Verification.CALL, Verification.IN_PERSON})


def may_become(current: ConsentState, wanted: ConsentState) -> bool:
    """Whether the table allows this step."""
    return wanted in TRANSITIONS[current]


@dataclass(frozen=True)
class Terms:
    """For what, for which adapters (none: every one of the grantee), where (none: everywhere)."""

    scopes: frozenset[ConsentScope]
    adapters: frozenset[str] = frozenset()
    territories: frozenset[str] = frozenset()
    until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {
            "scopes": sorted(self.scopes),
            "adapters": sorted(self.adapters),
            "territories": sorted(self.territories),
            "until": self.until.isoformat() if self.until else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        return cls(
            scopes=frozenset(ConsentScope(scope) for scope in data["scopes"]),
            adapters=frozenset(data["adapters"]),
            territories=frozenset(data["territories"]),
            until=datetime.fromisoformat(data["until"]) if data["until"] else None,
        )

    @property
    def end_words(self) -> str:
        """When the terms end, in words: a day's end is called after that day."""
        if self.until is None:
            return "it is taken back"
        moment = self.until.astimezone(UTC)
        if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
            return f"the end of {moment - timedelta(days=1):%-d %B %Y}"
        return f"{moment:%-d %B %Y, %H:%M} UTC"

    def beyond(self, other: Self) -> tuple[str, ...]:
        """In which of `scopes`, `adapters`, `territories` and `until` these terms reach further than `other`."""
        wider = {
            "scopes": not self.scopes <= other.scopes,
            "adapters": bool(other.adapters) and (not self.adapters or not self.adapters <= other.adapters),
            "territories": bool(other.territories) and not _lies_in(self.territories, other.territories),
            "until": other.until is not None and (self.until is None or self.until > other.until),
        }
        return tuple(name for name, is_wider in wider.items() if is_wider)


def _lies_in(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return bool(inner) and all(is_covered(territory, outer) for territory in inner)
