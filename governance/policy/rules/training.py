"""Training here: what is known of the pictures that a run would learn from."""

from __future__ import annotations

from collections.abc import Callable

from governance.policy.decisions import NOTHING, Findings, Reason
from governance.policy.requests import Declarations, UseRequest
from governance.policy.rules import screening
from governance.policy.rules.publishing import UPLOAD, likeness_declared, training_sources_declared
from governance.policy.vocabulary import Outcome, Role


def rights_affirmed(declared: Declarations) -> Findings:
    """Without somebody's word that they hold the rights to the pictures nothing is trained on them."""
    if declared.rights_affirmed is True:
        return NOTHING
    message = (
        "Nobody has affirmed the rights to the training pictures. Read the rights statement on the dataset's page and "
        "affirm it."
    )
    facts = {"rights_affirmed": declared.rights_affirmed}
    rule = "training.rights"
    return Findings((Reason(Outcome.DENY, "rights-not-affirmed", rule, message, UPLOAD, None, None, None, facts),))


_RULES: tuple[Callable[[Declarations], Findings], ...] = (
    rights_affirmed,
    likeness_declared,
    training_sources_declared,
    screening.screened,
    screening.findings,
)


def training(request: UseRequest) -> list[Findings]:
    """Every rule about the pictures. A question about licences alone names no pictures and declares nothing."""
    declared = request.declarations
    if declared is None:
        if all(component.role is not Role.TRAINING_DATA for component in request.components):
            return []
        declared = Declarations()
    return [rule(declared) for rule in _RULES]
