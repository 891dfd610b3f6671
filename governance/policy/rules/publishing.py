"""Publishing here: what the uploader declares and affirms, and what inspection found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from governance.policy.decisions import MISSING_FACT, NOTHING, Findings, Question, Reason
from governance.policy.licences import Ruleset
from governance.policy.requests import Component, Declarations, UseRequest
from governance.policy.rules import screening
from governance.policy.vocabulary import Outcome, Role

UNKNOWN_FAMILY = "unknown"  # as the inspection says it
UPLOAD = "this upload"  # the component name of findings about the upload as a whole


def rights_affirmed(declared: Declarations) -> Findings:
    """Without the uploader's word that they hold the rights nothing is published."""
    if declared.rights_affirmed is True:
        return NOTHING
    message = (
        "The uploader has not affirmed that they hold the rights to this file, so it cannot be published. "
        "Read the rights statement and affirm it."
    )
    facts = {"rights_affirmed": declared.rights_affirmed}
    return Findings((_reason(Outcome.DENY, "rights-not-affirmed", "publish.rights", message, facts),))


def likeness_declared(declared: Declarations) -> Findings:
    """A real person's likeness needs that person's consent on file; silence is a question."""
    rule = "publish.likeness"
    if declared.depicts_real_person is False or (declared.depicts_real_person and declared.consent_ids):
        return NOTHING
    if declared.depicts_real_person:
        message = (
            "It depicts a real person and no consent of that person is on file, so a moderator decides. "
            "Ask the person for consent and attach it."
        )
        facts = {"depicts_real_person": True, "consent_ids": []}
        return Findings((_reason(Outcome.REVIEW, "likeness-without-consent", rule, message, facts),))
    text = "Does it depict a real person?"
    message = f"This decides, and it was not stated yet: {text}"
    reason = _reason(Outcome.REVIEW, MISSING_FACT, rule, message, {"fact": "depicts_real_person"})
    return Findings((reason,), (), (Question("depicts_real_person", text, UPLOAD, None, None),))


def training_sources_declared(declared: Declarations) -> Findings:
    """Where the training pictures come from has to be said."""
    if declared.training_sources:
        return NOTHING
    text = "Where do the training pictures come from?"
    message = f"The sources of the training data are not stated, so a moderator decides. {text}"
    facts = {"fact": "training_sources"}
    reason = _reason(Outcome.REVIEW, "training-sources-missing", "publish.training-sources", message, facts)
    return Findings((reason,), (), (Question("training_sources", text, UPLOAD, None, None),))


def not_a_duplicate(declared: Declarations) -> Findings:
    """The same tensors under another owner are shown to a moderator first."""
    if not declared.duplicates_of:
        return NOTHING
    message = (
        f"The same weights are here already ({', '.join(sorted(declared.duplicates_of))}), so a moderator "
        "decides whether they may be published again."
    )
    facts = {"duplicates_of": sorted(declared.duplicates_of)}
    return Findings((_reason(Outcome.REVIEW, "duplicate", "publish.duplicate", message, facts),))


def not_held_back(declared: Declarations) -> Findings:
    """A copy of what people took out of circulation does not come back without one of them."""
    if not declared.copies_held_back:
        return NOTHING
    message = (
        "Weights with the same content were held back here before, so a moderator decides whether this upload "
        "may be published."
    )
    facts = {"copies_held_back": True}
    return Findings((_reason(Outcome.REVIEW, "held-back-before", "publish.held-back", message, facts),))


def no_open_question(declared: Declarations) -> Findings:
    """What was reported for a grave reason does not come online by itself, whatever the checks say."""
    if not declared.open_questions:
        return NOTHING
    kinds = sorted(declared.open_questions)
    named = ", ".join(kind.replace("-", " ") for kind in kinds)
    message = (
        f"A question about it is open ({named}), and it is not published before a person has decided that. You need "
        "not do anything."
    )
    facts = {"open_questions": kinds}
    return Findings((_reason(Outcome.REVIEW, "open-question", "publish.open-question", message, facts),))


def base_family_fits(declared: Declarations) -> Findings:
    """The licence of the wrong base model must not be shown and enforced: the tensors decide, not the form."""
    found, named = declared.family_found, declared.family_declared
    if found in {"", named}:
        return NOTHING
    facts = {"family_declared": named, "family_found": found}
    if found == UNKNOWN_FAMILY:
        code = "family-unknown"
        message = (
            f"It is declared for a base model of the family {named}, and its tensors fit several, or none that "
            "is known here. The licence of the base decides what may be done with it, so a moderator decides."
        )
    else:
        code = "family-mismatch"
        message = (
            f"It is declared for a base model of the family {named}, but its tensors are those of {found}. "
            "Withdraw this version and upload it again for the right base model."
        )
    return Findings((_reason(Outcome.REVIEW, code, "publish.base-family", message, facts),))


_DECLARATION_RULES: tuple[Callable[[Declarations], Findings], ...] = (
    rights_affirmed,
    likeness_declared,
    training_sources_declared,
    not_a_duplicate,
    not_held_back,
    no_open_question,
    base_family_fits,
    screening.screened,
    screening.findings,
)


def declarations(request: UseRequest) -> list[Findings]:
    """Every rule about the declarations; an upload without any has declared nothing."""
    declared = request.declarations or Declarations()
    return [rule(declared) for rule in _DECLARATION_RULES]


def claimed_licence(request: UseRequest, rules: Ruleset) -> Findings:
    """The licence that the file's own metadata claims has to be the one that the uploader declares."""
    claimed = request.declarations.claimed_licence if request.declarations else None
    if not claimed:
        return NOTHING
    adapters = [component for component in request.components if component.role is Role.ADAPTER]
    return Findings(tuple(_mismatch(adapter, claimed) for adapter in adapters if not _same(adapter, claimed, rules)))


def _same(adapter: Component, claimed: str, rules: Ruleset) -> bool:
    found, declared = rules.find(claimed), rules.find(adapter.licence_id)
    if found is None or declared is None:
        return claimed.strip().lower() == (adapter.licence_id or "").strip().lower()
    return found is declared


def _mismatch(adapter: Component, claimed: str) -> Reason:
    declared = adapter.licence_id or "no licence"
    message = (
        f"{adapter.name}: the file's own metadata claims the licence “{claimed}”, the uploader declares "
        f"“{declared}”. A moderator decides which holds; correct the declaration or the file, whichever is wrong."
    )
    facts = {"claimed": claimed, "declared": adapter.licence_id}
    code, rule = "claimed-licence-differs", "publish.claimed-licence"
    return Reason(Outcome.REVIEW, code, rule, message, adapter.name, adapter.licence_id, None, None, facts)


def _reason(outcome: Outcome, code: str, rule: str, message: str, facts: dict[str, Any]) -> Reason:
    return Reason(outcome, code, rule, message, UPLOAD, None, None, None, facts)
