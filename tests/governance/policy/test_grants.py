"""What each licence says about each use, written down by hand from the licence texts and not from the catalogue."""

import pytest

from governance.policy import Outcome, Ruleset, Use
from tests.governance.policy.asking import NOTHING_STANDS_AGAINST, NOTHING_STATED, adapter, ask, base, data

# A: allowed, whoever asks.   ?: a fact about the asker decides; allowed when nothing stands against it.
# R: for a moderator, whoever asks (unsettled, or the text was not at hand).   D: refused, whoever asks.
COLUMNS = (
    Use.PERSONAL, Use.RESEARCH, Use.COMMERCIAL_OUTPUTS, Use.HOSTED_SERVICE, Use.REDISTRIBUTION,
    Use.MERGING, Use.SELLING_WEIGHTS, Use.PUBLISH, Use.PREVIEW, Use.TRAINING,
)  # fmt: skip
AS_BASE = {
    #                               pers res  outp host redi merg sell publ prev train
    # Attachment A binds, nothing is forbidden otherwise; an API is Distribution (§1), allowed (§4); outputs §6.
    "creativeml-openrail-m":        "A    A    A    A    A    A    A    A    A    A",
    "openrail++":                   "A    A    A    A    A    A    A    A    A    A",
    # §1a non-commercial; outputs unstated; §1b no hosted service or API, downloads only "without offering any
    # related service". What the house renders or trains for others is a service.
    "stability-nc-research-2023-11": "A   A    R    D    ?    A    D    ?    D    D",
    # §III: up to 1 M USD of yearly revenue, affiliates included; above it every licence of the agreement ends.
    "stability-community-2024-07":  "?    ?    ?    ?    ?    ?    ?    ?    ?    ?",
    # §1c no payment of any kind; §2d outputs free but for competitors; §2e filter and disclosure; §2b no sale.
    "flux-1-dev-nc-1.1.1":          "A    A    ?    ?    ?    A    D    ?    ?    ?",
    "flux-dev-nc-2.0":              "A    A    ?    ?    ?    A    D    ?    ?    ?",
    "flux-dev-nc-2.1":              "R    R    R    R    R    R    R    R    R    R",  # second-hand
    "apache-2.0":                   "A    A    A    A    A    A    A    A    A    A",  # §2, §4
    # Outputs are not covered; share-alike binds what is given on, not who may use it.
    "fair-ai-public-1.0-sd":        "A    A    A    A    A    A    A    A    A    A",
    "noobai-additions":             "R    R    R    R    R    R    R    R    R    R",  # second-hand, disputed
    # §2c registration for commercial use, a licence of its own above 300 M users.
    "kolors":                       "A    A    ?    ?    A    A    ?    A    A    A",
    # §5c not licensed in the EU, outputs included: every use hangs on the territory. §4: 100 M users.
    "hunyuan-dit":                  "?    ?    ?    ?    ?    ?    ?    ?    ?    ?",
    "ltx-2-community":              "R    R    R    R    R    R    R    R    R    R",  # second-hand, two texts
    # API only: there are no weights, so uploads, previews and training are refused; the rest was not checked.
    "flux-1-pro":                   "R    R    R    R    R    R    R    D    D    D",
    # Known for files; that a base model is under one of these was not checked with a text at hand.
    "cc-by-nc-4.0":                 "R    R    R    R    R    R    R    R    R    R",
    "cc-by-4.0":                    "R    R    R    R    R    R    R    R    R    R",
    "cc-by-sa-4.0":                 "R    R    R    R    R    R    R    R    R    R",
    "cc0-1.0":                      "R    R    R    R    R    R    R    R    R    R",
    "mit":                          "R    R    R    R    R    R    R    R    R    R",
    "all-rights-reserved":          "D    D    D    D    D    D    D    D    D    D",
}  # fmt: skip
AS_ADAPTER = {
    #                               pers res  outp host redi merg sell publ prev train
    "cc-by-4.0":                    "A    A    A    A    A    A    A    A    A    A",  # §2a1
    "cc-by-sa-4.0":                 "A    A    A    A    A    A    A    A    A    A",  # §2a1, share-alike §3b
    "cc0-1.0":                      "A    A    A    A    A    A    A    A    A    A",
    "mit":                          "A    A    A    A    A    A    A    A    A    A",
    "cc-by-nc-4.0":                 "A    A    R    ?    ?    A    D    ?    ?    ?",  # §2a1; silent on outputs
    "all-rights-reserved":          "D    D    D    D    D    D    D    D    D    D",
}  # fmt: skip
AS_TRAINING_DATA = {
    #                               pers res  outp host redi merg sell publ prev train
    "cc-by-4.0":                    "A    A    A    A    A    A    A    A    A    A",
    "cc-by-sa-4.0":                 "A    A    A    A    A    A    A    R    A    A",  # reach to weights unsettled
    "cc0-1.0":                      "A    A    A    A    A    A    A    A    A    A",
    "mit":                          "A    A    A    A    A    A    A    A    A    A",
    "cc-by-nc-4.0":                 "A    A    R    R    R    A    R    ?    ?    ?",  # a file trained on it: unsettled
    "all-rights-reserved":          "R    R    R    R    R    R    R    R    R    R",  # depends on the law
}  # fmt: skip

OUTCOMES = {"A": Outcome.ALLOW, "R": Outcome.REVIEW, "D": Outcome.DENY, "?": Outcome.ALLOW}
CELLS = [
    pytest.param(role, licence, use, cell, id=f"{role}-{licence}-{use.value}")
    for role, table in (("base", AS_BASE), ("adapter", AS_ADAPTER), ("data", AS_TRAINING_DATA))
    for licence, row in table.items()
    for use, cell in zip(COLUMNS, row.split(), strict=True)
]


def _components(role: str, licence: str) -> tuple:
    if role == "base":
        return (base(licence),)
    if role == "adapter":
        return (base("apache-2.0"), adapter(licence))
    return (base("apache-2.0"), adapter("apache-2.0"), data(licence))


def test_table_names_every_licence(rules: Ruleset) -> None:
    assert set(AS_BASE) == set(rules.licences)


@pytest.mark.parametrize(("role", "licence", "use", "cell"), CELLS)
def test_use_when_nothing_stands_against_it(rules: Ruleset, role: str, licence: str, use: Use, cell: str) -> None:
    decision = ask(rules, use, *_components(role, licence), actor=NOTHING_STANDS_AGAINST)
    assert decision.outcome is OUTCOMES[cell], [reason.message for reason in decision.deciding]


@pytest.mark.parametrize(("role", "licence", "use", "cell"), CELLS)
def test_use_when_nothing_was_stated(rules: Ruleset, role: str, licence: str, use: Use, cell: str) -> None:
    decision = ask(rules, use, *_components(role, licence), actor=NOTHING_STATED)
    assert decision.outcome is (Outcome.REVIEW if cell == "?" else OUTCOMES[cell])
    assert bool(decision.depends_on_answers) is (cell == "?")
    if cell == "?":
        assert decision.questions


CLAUSES = [
    ("creativeml-openrail-m", Use.COMMERCIAL_OUTPUTS, "§6"),
    ("creativeml-openrail-m", Use.HOSTED_SERVICE, "§1, §4"),
    ("openrail++", Use.COMMERCIAL_OUTPUTS, "§6"),
    ("openrail++", Use.REDISTRIBUTION, "§4"),
    ("stability-nc-research-2023-11", Use.HOSTED_SERVICE, "§1b"),
    ("stability-nc-research-2023-11", Use.PREVIEW, "§1b"),
    ("stability-nc-research-2023-11", Use.SELLING_WEIGHTS, "§1a"),
    ("stability-community-2024-07", Use.COMMERCIAL_OUTPUTS, "§III, §IVc"),
    ("flux-1-dev-nc-1.1.1", Use.COMMERCIAL_OUTPUTS, "§2d"),
    ("flux-1-dev-nc-1.1.1", Use.SELLING_WEIGHTS, "§1c, §2b"),
    ("flux-dev-nc-2.0", Use.SELLING_WEIGHTS, "§1c, §2b"),
    ("apache-2.0", Use.REDISTRIBUTION, "§2, §4"),
    ("kolors", Use.COMMERCIAL_OUTPUTS, "§2c"),
    ("hunyuan-dit", Use.COMMERCIAL_OUTPUTS, "§4, §5c, §6d"),
]


@pytest.mark.parametrize(("licence", "use", "clause"), CLAUSES)
def test_answer_cites_its_clause(rules: Ruleset, licence: str, use: Use, clause: str) -> None:
    decision = ask(rules, use, base(licence))
    assert [reason.clause for reason in decision.deciding if reason.rule == "licence.grant"] == [clause]


QUOTES = [
    ("creativeml-openrail-m", "works based on the Model"),
    ("stability-nc-research-2023-11", "based on or derived from"),
    ("stability-community-2024-07", "low-rank adaptation"),
    ("flux-1-dev-nc-1.1.1", "customized or fine-tuned version"),
]


@pytest.mark.parametrize(("licence", "quote"), QUOTES)
def test_adapter_is_a_derivative_by_the_words_of_the_licence(rules: Ruleset, licence: str, quote: str) -> None:
    assert rules.licences[licence].derivative.quote == quote
