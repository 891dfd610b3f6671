"""What may be done with some components at all: every use at once, for licence cards and the search facet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from governance.policy.decisions import Decision, Obligation, Question, Reason
from governance.policy.engine import decide
from governance.policy.licences import Ruleset
from governance.policy.requests import ActorFacts, Component, UseRequest
from governance.policy.vocabulary import ASKED_USES, Outcome, Use

NOBODY = ActorFacts()


class Permission(NamedTuple):
    """The answer for one use, with the clauses and flags that narrow it."""

    use: Use
    outcome: Outcome
    depends_on_answers: bool  # nothing but facts about the person asking is missing
    narrowed_by: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    questions: tuple[Question, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {
            "use": self.use.value,
            "outcome": self.outcome.value,
            "depends_on_answers": self.depends_on_answers,
            "narrowed_by": [reason.to_json() for reason in self.narrowed_by],
            "obligations": [obligation.to_json() for obligation in self.obligations],
            "questions": [question.to_json() for question in self.questions],
        }


def effective_permissions(
    components: Iterable[Component], ruleset: Ruleset, actor: ActorFacts = NOBODY
) -> Mapping[Use, Permission]:
    """Each use that people ask for, with its outcome and what narrows it.

    Without an actor the answer holds for everybody: a use that hangs on the asker's own facts is REVIEW with
    ``depends_on_answers``.
    """
    together = tuple(components)
    return {use: _permission(decide(UseRequest(use, together, actor), ruleset)) for use in ASKED_USES}


def _permission(decision: Decision) -> Permission:
    return Permission(
        use=decision.use,
        outcome=decision.outcome,
        depends_on_answers=decision.depends_on_answers,
        narrowed_by=tuple(reason for reason in decision.reasons if reason.outcome is not Outcome.ALLOW),
        obligations=decision.obligations,
        questions=decision.questions,
    )
