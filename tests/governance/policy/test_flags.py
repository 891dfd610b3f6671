"""Creator flags: each needs its own tick, and none widens what the base model's licence gives."""

import pytest

from governance.policy import ActorFacts, CommercialFlag, CreatorFlags, Outcome, Ruleset, Use
from tests.governance.policy.asking import NOTHING_STATED, adapter, ask, base, codes, parent

PAID, UNPAID = ActorFacts(receives_payment=True), ActorFacts(receives_payment=False)
NO_COMMERCE = CreatorFlags(commercial_use=frozenset())

TICKS = [
    # ticked (Civitai's words), use, asker, outcome
    ([], Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.DENY),
    (["Image"], Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.ALLOW),
    (["Sell"], Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.DENY),  # each its own tick in the list form
    ("Sell", Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.ALLOW),  # the older single value includes the steps before
    ("None", Use.COMMERCIAL_OUTPUTS, UNPAID, Outcome.DENY),
    (["Image"], Use.SELLING_WEIGHTS, UNPAID, Outcome.DENY),
    (["Image", "Sell"], Use.SELLING_WEIGHTS, UNPAID, Outcome.ALLOW),
    (["RentCivit"], Use.HOSTED_SERVICE, PAID, Outcome.DENY),  # names one other site's generator
    (["RentCivit"], Use.HOSTED_SERVICE, UNPAID, Outcome.ALLOW),
    (["Image"], Use.HOSTED_SERVICE, NOTHING_STATED, Outcome.REVIEW),
    (["Rent"], Use.HOSTED_SERVICE, PAID, Outcome.ALLOW),
    (None, Use.SELLING_WEIGHTS, PAID, Outcome.ALLOW),  # said nothing
]


@pytest.mark.parametrize(("ticked", "use", "actor", "outcome"), TICKS)
def test_commercial_use_needs_its_tick(
    rules: Ruleset, ticked: object, use: Use, actor: ActorFacts, outcome: Outcome
) -> None:
    flags = CreatorFlags.from_civitai({"allowCommercialUse": ticked})
    decision = ask(rules, use, base("apache-2.0"), adapter("apache-2.0", flags=flags), actor=actor)
    assert decision.outcome is outcome


def test_no_derivatives_refuses_merging_and_training(rules: Ruleset) -> None:
    closed = adapter("apache-2.0", flags=CreatorFlags(allow_derivatives=False))
    for use in (Use.MERGING, Use.TRAINING):
        decision = ask(rules, use, base("apache-2.0"), closed)
        assert decision.outcome is Outcome.DENY
        assert codes(decision) >= {"flag-derivatives"}
    assert ask(rules, Use.PERSONAL, base("apache-2.0"), closed).outcome is Outcome.ALLOW


def test_publishing_a_child_of_a_closed_parent_is_refused(rules: Ruleset) -> None:
    closed = parent("apache-2.0", flags=CreatorFlags(allow_derivatives=False))
    decision = ask(rules, Use.PUBLISH, base("apache-2.0"), closed, adapter("apache-2.0"))
    assert decision.outcome is Outcome.DENY


def test_credit_flag_brings_an_obligation_and_no_refusal(rules: Ruleset) -> None:
    credited = adapter("cc0-1.0", flags=CreatorFlags(allow_no_credit=False))
    decision = ask(rules, Use.COMMERCIAL_OUTPUTS, base("apache-2.0"), credited)
    assert decision.outcome is Outcome.ALLOW
    assert [(duty.kind.value, duty.component) for duty in decision.obligations] == [("attribution", "the adapter")]


def test_flag_on_a_base_model_is_not_a_creator_flag(rules: Ruleset) -> None:
    assert ask(rules, Use.COMMERCIAL_OUTPUTS, base("apache-2.0", flags=NO_COMMERCE)).outcome is Outcome.ALLOW


@pytest.mark.parametrize("value", ["Everything", ["Image", "Everything"], 7])
def test_unknown_civitai_word_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="allowCommercialUse"):
        CreatorFlags.from_civitai({"allowCommercialUse": value})


def test_flags_survive_json() -> None:
    flags = CreatorFlags(commercial_use=frozenset({CommercialFlag.SELL, CommercialFlag.IMAGE}), allow_no_credit=False)
    assert CreatorFlags.from_json(flags.to_json()) == flags
