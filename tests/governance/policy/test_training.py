"""May it be trained: what is known of the pictures, beside every licence."""

import pytest

from governance.policy import (
    Component,
    Declarations,
    Finding,
    Outcome,
    Role,
    Use,
    UseRequest,
    decide,
)
from governance.rulebook import current_ruleset

BASE = Component(Role.BASE, "Tinybase", "apache-2.0")
PICTURES = Component(Role.TRAINING_DATA, "pictures", "cc0-1.0")
GOOD = {
    "rights_affirmed": True,
    "depicts_real_person": False,
    "training_sources": ("Own work",),
    "screened": True,
}


def asked(*components: Component, **changes: object):
    declared = Declarations(**{**GOOD, **changes})  # type: ignore[arg-type]
    return decide(UseRequest(Use.TRAINING, (BASE, *components), declarations=declared), current_ruleset())


def test_own_pictures_on_an_open_base_are_allowed() -> None:
    assert asked().outcome is Outcome.ALLOW
    assert asked(PICTURES).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"rights_affirmed": None}, Outcome.DENY, "rights-not-affirmed"),
        ({"depicts_real_person": True}, Outcome.REVIEW, "likeness-without-consent"),
        ({"depicts_real_person": None}, Outcome.REVIEW, "missing-fact"),
        ({"training_sources": ()}, Outcome.REVIEW, "training-sources-missing"),
        ({"screened": None}, Outcome.REVIEW, "not-screened"),
        ({"findings": (Finding("dataset", "optout-match", "A match."),)}, Outcome.REVIEW, "optout-match"),
        ({"findings": (Finding("dataset", "likeness-refused", "She said no."),)}, Outcome.DENY, "likeness-refused"),
    ],
)
def test_what_is_missing_or_found_is_never_an_allow(changes: dict[str, object], outcome: Outcome, code: str) -> None:
    decision = asked(**changes)
    assert decision.outcome is outcome
    assert code in {reason.code for reason in decision.reasons}


def test_a_real_person_with_a_consent_is_allowed() -> None:
    assert asked(depicts_real_person=True, consent_ids=("c-1",)).outcome is Outcome.ALLOW


def test_pictures_about_which_nothing_is_declared_are_never_allowed() -> None:
    assert decide(UseRequest(Use.TRAINING, (BASE, PICTURES)), current_ruleset()).outcome is Outcome.DENY


def test_a_question_about_a_licence_alone_declares_nothing() -> None:
    assert decide(UseRequest(Use.TRAINING, (BASE,)), current_ruleset()).outcome is Outcome.ALLOW
