"""Under which licence an adapter may be published, given what it was made from, and what a merge may become."""

import pytest

from governance.policy import CreatorFlags, Outcome, Ruleset, Use
from tests.governance.policy.asking import adapter, ask, base, codes, data, parent

FAIR, RESEARCH_ONLY, FLUX = "fair-ai-public-1.0-sd", "stability-nc-research-2023-11", "flux-1-dev-nc-1.1.1"

PUBLISHED_UNDER = [
    # base licence, licence of the adapter, outcome, code
    (FAIR, FAIR, Outcome.ALLOW, "share-alike-kept"),
    (FAIR, "apache-2.0", Outcome.ALLOW, "share-alike-kept"),  # "or one allowing everything"
    (FAIR, "mit", Outcome.ALLOW, "share-alike-kept"),
    (FAIR, "cc0-1.0", Outcome.ALLOW, "share-alike-kept"),
    (FAIR, "creativeml-openrail-m", Outcome.DENY, "share-alike-broken"),
    (FAIR, "cc-by-nc-4.0", Outcome.DENY, "share-alike-broken"),
    (FAIR, None, Outcome.REVIEW, "share-alike-broken"),
    (FAIR, "my-own-licence", Outcome.REVIEW, "share-alike-broken"),
    (RESEARCH_ONLY, RESEARCH_ONLY, Outcome.ALLOW, "share-alike-kept"),  # §1c
    (RESEARCH_ONLY, "apache-2.0", Outcome.DENY, "share-alike-broken"),
    ("ltx-2-community", "apache-2.0", Outcome.REVIEW, "share-alike-broken"),  # second-hand
    ("creativeml-openrail-m", "apache-2.0", Outcome.ALLOW, "restrictions-stay"),  # §4
    ("openrail++", "mit", Outcome.ALLOW, "restrictions-stay"),
    (FLUX, "apache-2.0", Outcome.ALLOW, "restrictions-stay"),
    ("kolors", "apache-2.0", Outcome.ALLOW, "restrictions-stay"),  # §3a
    ("apache-2.0", "cc-by-4.0", Outcome.ALLOW, "granted"),  # §4
]


@pytest.mark.parametrize(("base_licence", "own_licence", "outcome", "code"), PUBLISHED_UNDER)
def test_publish_under_a_licence(
    rules: Ruleset, base_licence: str, own_licence: str | None, outcome: Outcome, code: str
) -> None:
    decision = ask(rules, Use.PUBLISH, base(base_licence), adapter(own_licence))
    assert decision.outcome is outcome, [reason.message for reason in decision.deciding]
    assert code in codes(decision)


def test_publish_trained_on_share_alike_pictures_is_unsettled(rules: Ruleset) -> None:
    decision = ask(rules, Use.PUBLISH, base("apache-2.0"), adapter("apache-2.0"), data("cc-by-sa-4.0"))
    assert decision.outcome is Outcome.REVIEW
    assert "share-alike-unsettled" in codes(decision)
    same = ask(rules, Use.PUBLISH, base("apache-2.0"), adapter("cc-by-sa-4.0"), data("cc-by-sa-4.0"))
    assert "share-alike-unsettled" not in codes(same)


def test_publish_on_an_api_only_base_is_refused(rules: Ruleset) -> None:
    decision = ask(rules, Use.PUBLISH, base("flux-1-pro"), adapter("apache-2.0"))
    assert decision.outcome is Outcome.DENY
    assert "api-only-base" in {reason.code for reason in decision.deciding}


def test_sell_flag_on_a_non_commercial_base_is_narrowed_with_the_clause(rules: Ruleset) -> None:
    flags = CreatorFlags.from_civitai({"allowCommercialUse": ["Image", "Rent", "Sell"]})
    decision = ask(rules, Use.PUBLISH, base(FLUX), adapter(FLUX, flags=flags))
    narrowed = [reason for reason in decision.reasons if reason.code == "flag-narrowed-by-base"]
    assert {(reason.facts["use"], reason.clause) for reason in narrowed} >= {("selling-weights", "§1c, §2b")}
    assert ask(rules, Use.SELLING_WEIGHTS, base(FLUX), adapter(FLUX, flags=flags)).outcome is Outcome.DENY


def test_parent_that_forbids_another_licence_binds_its_child(rules: Ruleset) -> None:
    strict = CreatorFlags(allow_different_licence=False)
    other = ask(rules, Use.PUBLISH, base("apache-2.0"), parent("cc-by-4.0", flags=strict), adapter("apache-2.0"))
    same = ask(rules, Use.PUBLISH, base("apache-2.0"), parent("cc-by-4.0", flags=strict), adapter("cc-by-4.0"))
    assert other.outcome is Outcome.DENY
    assert "flag-different-licence" in codes(other)
    assert same.outcome is Outcome.ALLOW


def test_merge_of_two_share_alike_licences_that_exclude_each_other_is_for_a_moderator(rules: Ruleset) -> None:
    decision = ask(rules, Use.MERGING, base(FAIR), parent(RESEARCH_ONLY))
    assert decision.outcome is Outcome.REVIEW
    assert "merge-licences-conflict" in codes(decision)


DISPUTED = [
    # model, entered under, use, outcome
    ("pony-diffusion-v6", "creativeml-openrail-m", Use.COMMERCIAL_OUTPUTS, Outcome.ALLOW),  # all three say the same
    ("pixart", "apache-2.0", Use.COMMERCIAL_OUTPUTS, Outcome.ALLOW),
    ("sdxl-turbo", "stability-nc-research-2023-11", Use.HOSTED_SERVICE, Outcome.DENY),
    ("sdxl-turbo", "stability-community-2024-07", Use.HOSTED_SERVICE, Outcome.REVIEW),
    ("auraflow", "apache-2.0", Use.PERSONAL, Outcome.REVIEW),
    ("chroma", "apache-2.0", Use.PERSONAL, Outcome.REVIEW),
    ("noobai-xl", "fair-ai-public-1.0-sd", Use.COMMERCIAL_OUTPUTS, Outcome.REVIEW),
]


@pytest.mark.parametrize(("model", "licence", "use", "outcome"), DISPUTED)
def test_disputed_base_holds_only_where_all_sources_agree(
    rules: Ruleset, model: str, licence: str, use: Use, outcome: Outcome
) -> None:
    facts = rules.disputes[model].facts_for(licence)
    assert ask(rules, use, base(licence, facts=facts)).outcome is outcome


def test_disputed_share_alike_goes_to_review(rules: Ruleset) -> None:
    facts = rules.disputes["pony-diffusion-v6"].facts_for("creativeml-openrail-m")
    source = base("creativeml-openrail-m", facts=facts)
    decision = ask(rules, Use.PUBLISH, source, adapter("creativeml-openrail-m"))
    assert decision.outcome is Outcome.REVIEW
    assert "share-alike-disputed" in codes(decision)
