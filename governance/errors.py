"""What governance refuses."""

from typing import TYPE_CHECKING

from accounts.errors import DomainError
from governance.policy import Decision, Outcome

if TYPE_CHECKING:
    from governance.models import DecisionRecord


class GovernanceError(DomainError):
    """Base of the errors of governance."""


class GovernanceRefused(GovernanceError):
    """The policy engine did not allow it. Raised after the decision is on record."""

    code = "refused-by-policy"
    status = 403
    title = "Refused"

    def __init__(self, *, decision: Decision, record: "DecisionRecord") -> None:
        self.decision, self.record = decision, record
        if decision.outcome is Outcome.REVIEW:
            self.code, self.title = "needs-review", "Not settled"
        remedy = "Read the reasons; another use, another adapter or a licence of your own may serve."
        if decision.questions:
            self.code = "needs-facts"
            remedy = "Answer the questions on your account's facts page, and ask again."
        super().__init__(
            " ".join(reason.message for reason in decision.reasons[:3]),
            remedy=remedy,
            decision=decision.to_json(),
            record=str(record.public_id),
        )
