"""What the engine answers: a decision with its reasons, obligations and open questions, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from governance.policy.vocabulary import ObligationKind, Outcome, Use

# Named tuples rather than dataclasses: a decision takes microseconds and these are built in its inner loop.


class Reason(NamedTuple):
    """One finding: a stable code, the rule that found it, and the licence clause or flag it rests on."""

    outcome: Outcome
    code: str
    rule: str
    message: str
    component: str
    licence: str | None
    clause: str | None
    quote: str | None
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {**self._asdict(), "outcome": self.outcome.value, "facts": dict(self.facts)}


class Obligation(NamedTuple):
    """A duty that comes with the permission and travels with the files."""

    kind: ObligationKind
    text: str
    component: str
    licence: str | None
    clause: str
    quote: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {**self._asdict(), "kind": self.kind.value}


class Question(NamedTuple):
    """A fact that decides and was not stated; ``fact`` names the field that answers it."""

    fact: str
    text: str
    component: str
    licence: str | None
    clause: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return self._asdict()


class Decision(NamedTuple):
    """The answer to one request; ``reasons`` is never empty and the gravest come first."""

    outcome: Outcome
    use: Use
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    questions: tuple[Question, ...]
    ruleset_digest: str

    @property
    def allowed(self) -> bool:
        """True only for a plain ALLOW."""
        return self.outcome is Outcome.ALLOW

    @property
    def deciding(self) -> tuple[Reason, ...]:
        """The reasons that carry the outcome."""
        return tuple(reason for reason in self.reasons if reason.outcome is self.outcome)

    @property
    def depends_on_answers(self) -> bool:
        """True when nothing but unanswered questions stands between this decision and ALLOW."""
        return self.outcome is Outcome.REVIEW and all(r.code == MISSING_FACT for r in self.deciding)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column and for the API."""
        return {
            "outcome": self.outcome.value,
            "use": self.use.value,
            "reasons": [reason.to_json() for reason in self.reasons],
            "obligations": [obligation.to_json() for obligation in self.obligations],
            "questions": [question.to_json() for question in self.questions],
            "ruleset_digest": self.ruleset_digest,
        }


MISSING_FACT = "missing-fact"


class Findings(NamedTuple):
    """What one rule or one component contributes to a decision."""

    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    questions: tuple[Question, ...] = ()


NOTHING = Findings()  # shared by the many rules that have nothing to say
