"""Which duties come with which use, by hand from the licence texts; and that they add up and travel."""

import pytest

from governance.policy import ObligationKind as Kind
from governance.policy import Ruleset, Use
from tests.governance.policy.asking import adapter, ask, base, data

# licence, use, the kinds that the licence asks for (at least)
SHARED = [
    ("creativeml-openrail-m", Use.REDISTRIBUTION, "restriction-pass-on licence-copy state-changes notice"),
    ("creativeml-openrail-m", Use.HOSTED_SERVICE, "restriction-pass-on use-restrictions latest-version"),
    ("openrail++", Use.REDISTRIBUTION, "restriction-pass-on licence-copy state-changes notice"),
    ("openrail++", Use.HOSTED_SERVICE, "restriction-pass-on use-restrictions"),
    ("stability-nc-research-2023-11", Use.REDISTRIBUTION, "share-alike licence-copy notice host-ban payment-ban"),
    (
        "stability-community-2024-07",
        Use.REDISTRIBUTION,
        "licence-copy notice powered-by state-changes use-restrictions no-competitor-training",
    ),
    ("stability-community-2024-07", Use.COMMERCIAL_OUTPUTS, "registration no-competitor-training"),
    (
        "flux-1-dev-nc-1.1.1",
        Use.REDISTRIBUTION,
        "licence-copy attribution state-changes no-endorsement payment-ban no-biometric-processing",
    ),
    ("flux-1-dev-nc-1.1.1", Use.HOSTED_SERVICE, "content-filter ai-disclosure no-biometric-processing payment-ban"),
    (
        "flux-1-dev-nc-1.1.1",
        Use.COMMERCIAL_OUTPUTS,
        "no-competitor-training ai-disclosure content-filter no-biometric-processing",
    ),
    ("flux-dev-nc-2.0", Use.REDISTRIBUTION, "licence-copy attribution state-changes no-endorsement"),
    ("apache-2.0", Use.REDISTRIBUTION, "licence-copy notice state-changes"),
    ("fair-ai-public-1.0-sd", Use.REDISTRIBUTION, "share-alike licence-copy source-offer"),
    ("fair-ai-public-1.0-sd", Use.HOSTED_SERVICE, "source-offer"),
    ("kolors", Use.REDISTRIBUTION, "restriction-pass-on attribution no-competitor-training"),
    ("kolors", Use.COMMERCIAL_OUTPUTS, "registration no-competitor-training"),
    ("hunyuan-dit", Use.REDISTRIBUTION, "restriction-pass-on notice territory"),
    ("hunyuan-dit", Use.PERSONAL, "territory"),
    ("ltx-2-community", Use.REDISTRIBUTION, "share-alike"),
]


@pytest.mark.parametrize(("licence", "use", "kinds"), SHARED)
def test_use_brings_the_duties_of_the_licence(rules: Ruleset, licence: str, use: Use, kinds: str) -> None:
    found = ask(rules, use, base(licence)).obligations
    assert {duty.kind for duty in found} >= set(map(Kind, kinds.split()))
    assert all(duty.clause and duty.licence == licence for duty in found)


def test_latest_version_is_asked_by_the_first_openrail_only(rules: Ruleset) -> None:
    asked = {
        licence
        for licence in rules.licences
        if any(duty.kind is Kind.LATEST_VERSION for duty in rules.licences[licence].duties)
    }
    assert asked == {"creativeml-openrail-m"}  # §7; the ++ version dropped it


def test_licence_that_allows_everything_asks_nothing(rules: Ruleset) -> None:
    for use in (Use.PERSONAL, Use.REDISTRIBUTION, Use.SELLING_WEIGHTS):
        assert ask(rules, use, base("apache-2.0"), adapter("cc0-1.0")).obligations == tuple(
            duty for duty in ask(rules, use, base("apache-2.0")).obligations
        )


def test_duties_add_up_over_base_adapter_and_pictures(rules: Ruleset) -> None:
    parts = (base("openrail++"), adapter("mit"), data("cc-by-4.0"))
    together = set(ask(rules, Use.REDISTRIBUTION, *parts).obligations)
    assert {(duty.component, duty.kind) for duty in together} >= {
        ("the base", Kind.RESTRICTION_PASS_ON),
        ("the adapter", Kind.NOTICE),
        ("the pictures", Kind.ATTRIBUTION),
    }


def test_publishing_owes_what_redistribution_owes(rules: Ruleset) -> None:
    for licence in rules.licences.values():
        if Use.PUBLISH in licence.claims:
            continue
        shared = {duty.kind for duty in ask(rules, Use.REDISTRIBUTION, base(licence.id)).obligations}
        published = {duty.kind for duty in ask(rules, Use.PUBLISH, base(licence.id)).obligations}
        assert published == shared, licence.id
