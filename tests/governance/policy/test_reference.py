"""Every row and every typed duty of the licence survey that the catalogue was made from, written down by hand.

The catalogue tests look at the catalogue from inside; these say what must be in it.
"""

import pytest

from governance.policy import ActorFacts, ConditionKind, ObligationKind, Outcome, Role, Ruleset, Status, Use
from governance.policy.vocabulary import VERIFIED
from tests.governance.policy.asking import NOTHING_STANDS_AGAINST, ask, base, codes

TEXT, SECOND_HAND, KNOWN, UNVERIFIED = "text", "second-hand", "text-known", "unverified"
ROWS = [
    # licence, how well its text is known on a base model, models named, clauses that must be cited somewhere
    ("creativeml-openrail-m", TEXT, "Stable Diffusion 1", "§1 §4 §5 §6 §7"),
    ("openrail++", TEXT, "SDXL", "§1 §4 §5 §6"),
    ("stability-nc-research-2023-11", TEXT, "SDXL-Turbo", "§1a §1b §1c"),
    ("stability-community-2024-07", TEXT, "Stable Diffusion 3.5", "§III §IVa §IVb §IVc §V"),
    ("flux-1-dev-nc-1.1.1", TEXT, "FLUX.1", "§1a §1c §2b §2d §2e §3 §4a(iv)"),
    ("flux-dev-nc-2.0", TEXT, "FLUX.2", "§1c §2b §2d §2e §3"),
    ("flux-dev-nc-2.1", SECOND_HAND, "FLUX.2", ""),
    ("apache-2.0", TEXT, "FLUX.1 [schnell]", "§4"),
    ("fair-ai-public-1.0-sd", TEXT, "Illustrious", ""),
    ("noobai-additions", SECOND_HAND, "NoobAI", ""),
    ("kolors", TEXT, "Kolors", "§1e §2c §3a §3b"),
    ("hunyuan-dit", TEXT, "Hunyuan-DiT", "§1g §4 §5c §6d"),
    ("ltx-2-community", SECOND_HAND, "LTX-2", ""),
    ("flux-1-pro", UNVERIFIED, "FLUX.1 [pro]", ""),
    ("cc-by-nc-4.0", SECOND_HAND, "", "§2a1 §3a1"),
    ("cc-by-4.0", UNVERIFIED, "", ""),
    ("cc-by-sa-4.0", UNVERIFIED, "", ""),
    ("cc0-1.0", UNVERIFIED, "", ""),
    ("mit", UNVERIFIED, "", ""),
]
APACHE_MODELS = ["FLUX.1 [schnell]", "Qwen-Image", "Z-Image", "Wan 2.1", "LTX-Video", "PixArt"]


def _citations(rules: Ruleset, licence_id: str) -> str:
    licence = rules.licences[licence_id]
    clauses = [claim.clause for claim in (*licence.claims.values(), *licence.data_claims.values())]
    clauses += [condition.clause for claim in licence.claims.values() for condition in claim.conditions]
    clauses += [duty.clause for duty in licence.duties] + [trap.clause for trap in licence.traps]
    return ", ".join([*clauses, licence.derivative.clause, licence.downstream.clause])


@pytest.mark.parametrize(("licence", "status", "model", "clauses"), ROWS, ids=[row[0] for row in ROWS])
def test_row_is_in_the_catalogue(rules: Ruleset, licence: str, status: str, model: str, clauses: str) -> None:
    found = rules.licences[licence]
    cited = _citations(rules, licence)
    assert [clause for clause in clauses.split() if clause not in cited] == []
    assert not model or any(model in name for name in found.models)
    known = found.base_status or Status(next(iter({claim.status for claim in found.claims.values()})))
    assert (known in VERIFIED) == (status in {TEXT, KNOWN}), known


@pytest.mark.parametrize(("licence", "status"), [row[:2] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row_without_a_text_decides_nothing_on_a_base_model(rules: Ruleset, licence: str, status: str) -> None:
    if status in {TEXT, KNOWN}:
        assert any(ask(rules, use, base(licence)).outcome is not Outcome.REVIEW for use in Use)
        return
    for use in Use:
        for actor in (NOTHING_STANDS_AGAINST, ActorFacts(annual_revenue_usd=10**12, receives_payment=True)):
            decision = ask(rules, use, base(licence), actor=actor)
            unpublished = {reason.code for reason in decision.deciding} == {"api-only-base"}
            assert decision.outcome is Outcome.REVIEW or unpublished, use


def test_no_licence_beyond_the_survey_but_silence(rules: Ruleset) -> None:
    """`all-rights-reserved` stands for a file whose author grants nothing."""
    assert set(rules.licences) - {row[0] for row in ROWS} == {"all-rights-reserved"}


@pytest.mark.parametrize("model", APACHE_MODELS)
def test_model_of_the_apache_row_is_named(rules: Ruleset, model: str) -> None:
    assert any(model in name for name in rules.licences["apache-2.0"].models)


K, C = ObligationKind, ConditionKind
DUTIES = [
    # the typed duty or limit of the survey, licence that has it, as a duty, as a condition, a use it concerns
    ("restriction pass-on", "creativeml-openrail-m", K.RESTRICTION_PASS_ON, None, Use.REDISTRIBUTION),
    ("restriction pass-on", "openrail++", K.RESTRICTION_PASS_ON, None, Use.REDISTRIBUTION),
    ("restriction pass-on", "kolors", K.RESTRICTION_PASS_ON, None, Use.REDISTRIBUTION),
    ("restriction pass-on", "hunyuan-dit", K.RESTRICTION_PASS_ON, None, Use.REDISTRIBUTION),
    ("use restrictions bind", "creativeml-openrail-m", K.USE_RESTRICTIONS, None, Use.PERSONAL),
    ("share-alike", "fair-ai-public-1.0-sd", K.SHARE_ALIKE, None, Use.REDISTRIBUTION),
    ("share-alike", "stability-nc-research-2023-11", K.SHARE_ALIKE, None, Use.REDISTRIBUTION),
    ("share-alike", "ltx-2-community", K.SHARE_ALIKE, None, Use.REDISTRIBUTION),
    ("notice", "stability-nc-research-2023-11", K.NOTICE, None, Use.REDISTRIBUTION),
    ("notice", "stability-community-2024-07", K.NOTICE, None, Use.REDISTRIBUTION),
    ("notice", "hunyuan-dit", K.NOTICE, None, Use.REDISTRIBUTION),
    ("notice", "apache-2.0", K.NOTICE, None, Use.REDISTRIBUTION),
    ("attribution", "flux-1-dev-nc-1.1.1", K.ATTRIBUTION, None, Use.REDISTRIBUTION),
    ("source given", "kolors", K.ATTRIBUTION, None, Use.REDISTRIBUTION),
    ("Powered by", "stability-community-2024-07", K.POWERED_BY, None, Use.REDISTRIBUTION),
    ("state changes", "stability-community-2024-07", K.STATE_CHANGES, None, Use.REDISTRIBUTION),
    ("state changes", "flux-1-dev-nc-1.1.1", K.STATE_CHANGES, None, Use.REDISTRIBUTION),
    ("state changes", "apache-2.0", K.STATE_CHANGES, None, Use.REDISTRIBUTION),
    ("licence copy", "creativeml-openrail-m", K.LICENCE_COPY, None, Use.REDISTRIBUTION),
    ("no endorsement", "flux-1-dev-nc-1.1.1", K.NO_ENDORSEMENT, None, Use.REDISTRIBUTION),
    ("latest version", "creativeml-openrail-m", K.LATEST_VERSION, None, Use.HOSTED_SERVICE),
    ("revenue cap", "stability-community-2024-07", None, C.REVENUE_CAP, Use.COMMERCIAL_OUTPUTS),
    ("revenue cap", "ltx-2-community", None, C.REVENUE_CAP, Use.COMMERCIAL_OUTPUTS),
    ("user cap", "kolors", None, C.USER_CAP, Use.COMMERCIAL_OUTPUTS),
    ("user cap", "hunyuan-dit", None, C.USER_CAP, Use.COMMERCIAL_OUTPUTS),
    ("payment ban", "flux-1-dev-nc-1.1.1", K.PAYMENT_BAN, C.PAYMENT_BAN, Use.REDISTRIBUTION),
    ("payment ban on training", "flux-1-dev-nc-1.1.1", None, C.PAYMENT_BAN, Use.TRAINING),
    ("host ban", "stability-nc-research-2023-11", K.HOST_BAN, C.HOST_BAN, Use.REDISTRIBUTION),
    ("territory", "hunyuan-dit", K.TERRITORY, C.TERRITORY, Use.COMMERCIAL_OUTPUTS),
    ("content filter", "flux-1-dev-nc-1.1.1", K.CONTENT_FILTER, C.CONTENT_FILTER, Use.HOSTED_SERVICE),
    ("AI disclosure", "flux-1-dev-nc-1.1.1", K.AI_DISCLOSURE, C.AI_DISCLOSURE, Use.HOSTED_SERVICE),
    (
        "no training of competitors",
        "flux-1-dev-nc-1.1.1",
        K.NO_COMPETITOR_TRAINING,
        C.NO_COMPETITOR_TRAINING,
        Use.COMMERCIAL_OUTPUTS,
    ),
    (
        "no training of foundation models",
        "stability-community-2024-07",
        K.NO_COMPETITOR_TRAINING,
        C.NO_COMPETITOR_TRAINING,
        Use.COMMERCIAL_OUTPUTS,
    ),
    (
        "no improving of other models",
        "kolors",
        K.NO_COMPETITOR_TRAINING,
        C.NO_COMPETITOR_TRAINING,
        Use.COMMERCIAL_OUTPUTS,
    ),
    (
        "no biometric processing",
        "flux-1-dev-nc-1.1.1",
        K.NO_BIOMETRIC_PROCESSING,
        C.NO_BIOMETRIC_PROCESSING,
        Use.HOSTED_SERVICE,
    ),
    ("registration", "stability-community-2024-07", K.REGISTRATION, C.REGISTRATION, Use.COMMERCIAL_OUTPUTS),
    ("registration", "kolors", K.REGISTRATION, C.REGISTRATION, Use.COMMERCIAL_OUTPUTS),
    ("source offer", "fair-ai-public-1.0-sd", K.SOURCE_OFFER, None, Use.HOSTED_SERVICE),
]


@pytest.mark.parametrize(
    ("what", "licence", "duty", "condition", "use"), DUTIES, ids=[f"{row[0]} of {row[1]}" for row in DUTIES]
)
def test_typed_duty_is_in_the_catalogue(
    rules: Ruleset, what: str, licence: str, duty: K | None, condition: C | None, use: Use
) -> None:
    found = rules.licences[licence]
    if duty is not None:
        owed = [o for o in ask(rules, use, base(licence)).obligations if o.kind is duty]
        assert owed, what
        assert all(o.clause and o.text for o in owed)
    if condition is not None:
        claim = found.claim_for(use, Role.BASE)
        assert claim is not None
        assert condition in {limit.kind for limit in claim.conditions}, what


def test_every_kind_of_duty_and_limit_is_used_by_some_licence(rules: Ruleset) -> None:
    duties = {duty.kind for licence in rules.licences.values() for duty in licence.duties}
    limits = {
        limit.kind
        for licence in rules.licences.values()
        for claim in (*licence.claims.values(), *licence.data_claims.values())
        for limit in claim.conditions
    }
    assert set(ObligationKind) - duties == set()
    assert set(ConditionKind) - limits == set()


@pytest.mark.parametrize("kind", list(ConditionKind))
def test_every_limit_is_asked_when_nothing_was_stated(rules: Ruleset, kind: ConditionKind) -> None:
    """A missing fact is a question put to the actor, wherever a licence hangs on it."""
    asked = 0
    for licence in rules.licences.values():
        for claim in licence.claims.values():
            for limit in claim.conditions:
                if limit.kind is kind:
                    decision = ask(rules, claim.use, base(licence.id), actor=ActorFacts())
                    assert limit.question in {question.text for question in decision.questions}
                    assert decision.outcome is not Outcome.ALLOW
                    asked += 1
    assert asked


def test_api_only_model_refuses_uploads(rules: Ruleset) -> None:
    decision = ask(rules, Use.PUBLISH, base("flux-1-pro"))
    assert decision.outcome is Outcome.DENY
    assert "api-only-base" in codes(decision)


def test_revision_that_redefines_its_models_is_kept_apart(rules: Ruleset) -> None:
    """v2.0 counts FLUX.1 [dev] among its models: which revision holds for a base has to be stated for it."""
    revisions = {
        rules.licences[name].revision for name in ("flux-1-dev-nc-1.1.1", "flux-dev-nc-2.0", "flux-dev-nc-2.1")
    }
    assert len(revisions) == 3
    assert any("FLUX.1" in trap.text for trap in rules.licences["flux-dev-nc-2.0"].traps)
