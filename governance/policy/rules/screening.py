"""What follows from what the screening found: which findings a person looks at, and which end it at once."""

from collections.abc import Mapping

from governance.policy.decisions import NOTHING, Findings, Reason
from governance.policy.requests import Declarations, Finding
from governance.policy.vocabulary import Outcome

UPLOAD = "this upload"
RULE = "publish.screening"
# Everything that is not named here goes to a person, also a code that a later check invents.
OUTCOMES: Mapping[str, Outcome] = {
    "blocked-copy": Outcome.DENY,  # identical to what was removed for good
    "likeness-refused": Outcome.DENY,  # the person said no, or took their yes back
    "youth-sexual": Outcome.DENY,  # never a matter of weighing
}


def screened(declared: Declarations) -> Findings:
    """A check that did not run is never a pass."""
    if declared.screened is True:
        return NOTHING
    message = (
        "The checks of names, pictures and weights have not come to their end, so a moderator decides. "
        "Nothing is to be done; the checks are repeated by themselves."
    )
    facts = {"screened": declared.screened}
    return Findings((Reason(Outcome.REVIEW, "not-screened", RULE, message, UPLOAD, None, None, None, facts),))


def findings(declared: Declarations) -> Findings:
    """Each finding with the outcome that its code has."""
    return Findings(tuple(map(_reason, declared.findings)))


def _reason(finding: Finding) -> Reason:
    outcome = OUTCOMES.get(finding.code, Outcome.REVIEW)
    facts = {"check": finding.check, **finding.facts}
    return Reason(outcome, finding.code, RULE, finding.message, UPLOAD, None, None, None, facts)
