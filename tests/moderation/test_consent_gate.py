"""Consents are asked for at the moment of use: publishing, the gate, its links, previews; no flag, no sweep between."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from governance.errors import GovernanceRefused
from governance.models import DecisionRecord
from governance.policy import ActorFacts, Outcome, Use, UseRequest, decide
from governance.policy.rules.consents import RULE, consents_cover
from governance.rulebook import current_ruleset
from governance.services import audited
from inference.models import PreviewJob
from inference.services.previews import preview_lease, preview_queue
from inference.states import JobState
from moderation.consent_terms import ConsentScope
from moderation.models import Consent
from moderation.services.consent_answers import consent_narrow, consent_revoke
from registry.errors import AcceptanceNeeded, NotAvailable, TransitionRefused
from registry.models import Adapter, Receipt, Version
from registry.selectors.pages import licence_card
from registry.services.delivery import _issue, gate_accept, gate_ask, link_redeem, link_token
from registry.services.holding import version_reinstate
from registry.services.policy import version_components
from registry.services.review import version_review
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent, make_linked, make_receipt, terms
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db


def _run_out() -> None:
    """The consent's time is over and no sweep has come by: the version is published still."""
    Consent.objects.update(valid_until=timezone.now())
    assert Version.objects.get().state == "published"


def _asked(version: Version, **facts: Any) -> dict[str, Any]:
    bob = make_user("bob")
    return {
        "actor": bob,
        "organisation": None,
        "version": version,
        "use": Use.PERSONAL,
        "facts": ActorFacts(**facts),
    }


def test_gate_refuses_in_the_moment_in_which_the_consent_runs_out() -> None:
    version = make_version(actor=make_user())
    make_linked(version)
    asked = _asked(version)
    terms_read = gate_ask(**asked).terms.digest
    _run_out()
    with pytest.raises(NotAvailable, match="consent that does not hold"):
        gate_ask(**asked)
    with pytest.raises(NotAvailable):
        gate_accept(**asked, accepted_terms=terms_read)


def test_link_that_was_handed_out_before_does_not_work_after() -> None:
    version = make_version(actor=make_user())
    make_linked(version)
    token = link_token(receipt=make_receipt(version, make_user("bob")))
    assert link_redeem(token=token).version == version
    _run_out()
    with pytest.raises(NotAvailable):
        link_redeem(token=token)


@pytest.mark.parametrize(
    ("territory", "outcome", "code"),
    [
        ("DE", Outcome.ALLOW, "consent-given"),
        ("FR", Outcome.ALLOW, "consent-given"),
        ("US", Outcome.DENY, "consent-territory"),
        (None, Outcome.REVIEW, "missing-fact"),
    ],
    ids=str,
)
def test_consent_for_some_countries_decides_by_the_place_or_asks_for_it(
    territory: str | None, outcome: Outcome, code: str
) -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version, territories=frozenset({"EU"})).consent
    answer = gate_ask(**_asked(version, territory=territory))
    assert answer.decision.outcome is outcome
    reason = next(reason for reason in answer.decision.reasons if reason.rule == RULE)
    assert (reason.code, reason.clause) == (code, f"{consent}: territories")
    assert [question.fact for question in answer.decision.questions] == ([] if territory else ["territory"])
    assert answer.record.outcome == outcome.value


COMMERCIAL_LEFT_OUT = frozenset(ConsentScope) - {ConsentScope.COMMERCIAL}


def _not_for_money() -> tuple[Version, Consent]:
    version = make_version(actor=make_user(), declared={"commercial_use": ()})
    return version, make_linked(version, scopes=COMMERCIAL_LEFT_OUT).consent


def test_consent_without_commercial_use_refuses_that_on_record_and_the_decision_can_be_taken_again() -> None:
    version, consent = _not_for_money()
    asked = _asked(version) | {"use": Use.SELLING_WEIGHTS}
    answer = gate_ask(**asked)
    assert answer.decision.outcome is Outcome.DENY
    record = DecisionRecord.objects.get(pk=answer.record.pk)
    reason = next(reason for reason in record.reasons if reason["rule"] == RULE)
    assert reason["code"] == "consent-scope"
    assert reason["clause"] == f"{consent}: uses"
    assert reason["facts"]["needed"] == ["commercial-use"]
    with pytest.raises(GovernanceRefused):
        gate_accept(**asked, accepted_terms="")
    consent_revoke(consent=consent)  # the snapshot holds the terms, so the answer does not change with them
    again = decide(UseRequest.from_json(record.request), current_ruleset())
    assert again.to_json()["reasons"] == record.reasons


def test_paid_service_is_asked_about_and_a_free_one_is_let_through_with_the_duty() -> None:
    version = make_version(actor=make_user(), declared={"commercial_use": ()})
    make_linked(version, scopes=COMMERCIAL_LEFT_OUT)
    version.refresh_from_db()
    component = next(part for part in version_components(version) if part.role == "adapter")
    for paid, outcome in ((None, Outcome.REVIEW), (False, Outcome.ALLOW), (True, Outcome.DENY)):
        found = consents_cover(component, Use.HOSTED_SERVICE, ActorFacts(receives_payment=paid))
        assert [reason.outcome for reason in found.reasons] == [outcome]
        assert [question.fact for question in found.questions] == (["receives_payment"] if paid is None else [])
    answer = gate_ask(**_asked(version))
    assert answer.decision.allowed
    assert "Do not earn money with it" in answer.terms.text


def test_link_dies_with_the_use_that_it_was_given_for() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    asked = _asked(version, territory="US")
    token = link_token(receipt=gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest))
    assert link_redeem(token=token).version == version
    consent_narrow(consent=consent, terms=terms(territories=frozenset({"DE"}), until=consent.valid_until))
    assert Version.objects.get().state == "published"
    with pytest.raises(NotAvailable, match="not open any more"):
        link_redeem(token=token)


def test_narrowing_between_the_answer_and_the_receipt_issues_none() -> None:
    """What was accepted was decided by terms that do not hold any more."""
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    asked = _asked(version, territory="US")
    answer = gate_ask(**asked)
    consent_narrow(consent=consent, terms=terms(territories=frozenset({"DE"}), until=consent.valid_until))
    with pytest.raises(AcceptanceNeeded, match="has changed"), audited():
        _issue(asked["actor"], None, version, answer)
    assert not Receipt.objects.exists()


def test_licence_card_and_facet_follow_the_consent() -> None:
    version, consent = _not_for_money()
    other = make_consent(version.created_by, scopes=COMMERCIAL_LEFT_OUT, territories=frozenset({"DE"}))

    def card(use: Use) -> dict[str, Any]:
        fresh = Version.objects.select_related("adapter__owner", "base_model", "created_by").get()
        return next(row for row in licence_card(fresh)["rows"] if row["use"] == use.value)

    def facet() -> list[str]:
        return Adapter.objects.get().permitted_uses

    assert card(Use.PERSONAL)["outcome"] == "allow"
    assert "personal" in facet()
    selling = card(Use.SELLING_WEIGHTS)
    assert selling["outcome"] == "deny"
    assert "consent-scope" in {reason["code"] for reason in selling["narrowed_by"]}
    until = consent.valid_until
    consent_narrow(consent=consent, terms=terms(scopes=COMMERCIAL_LEFT_OUT, territories=frozenset({"FR"}), until=until))
    assert card(Use.PERSONAL)["depends_on_answers"]
    assert card(Use.PERSONAL)["questions"][0]["fact"] == "territory"
    assert "personal" not in facet()
    assert Version.objects.get().permissions["uses"]["personal"]["outcome"] == "review"
    consent_revoke(consent=other)  # another consent of the same person counts as well
    reason = card(Use.PERSONAL)["narrowed_by"][0]
    assert reason["facts"]["limit"] == ["FR"]


def test_may_i_asks_where_and_answers() -> None:
    version = make_version(actor=make_user(), declared={"commercial_use": ()})
    make_linked(version, territories=frozenset({"DE"}))
    parameters = {"adapter": version.adapter_id, "use": "personal"}
    page = Client().get("/may-i", parameters).content.decode()
    assert "Where will you use it?" in page
    assert "<code>missing-fact</code>" in page
    refused = Client().get("/may-i", parameters | {"territory": "US"}).content.decode()
    assert "<code>consent-territory</code>" in refused
    assert "consented to its use in DE only" in refused
    assert "<code>consent-given</code>" in Client().get("/may-i", parameters | {"territory": "DE"}).content.decode()


def test_preview_needs_the_scope_of_its_own() -> None:
    version = make_version(actor=make_user())
    consent = make_linked(version).consent
    PreviewJob.objects.all().delete()
    job = preview_queue(version=version)
    assert job is not None
    assert job.state == JobState.QUEUED
    kept = frozenset({ConsentScope.PUBLICATION, ConsentScope.COMMERCIAL})
    consent_narrow(consent=consent, terms=terms(scopes=kept, until=consent.valid_until - timedelta(days=1)))
    assert Version.objects.get().state == "published"
    assert preview_lease(job_id=str(job.pk), worker="w") is None
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "needs a consent" in job.problem["what"]
    skipped = preview_queue(version=version)
    assert skipped is not None
    assert skipped.state == JobState.SKIPPED


def test_moderator_cannot_publish_what_has_lost_its_consent() -> None:
    version = make_version(actor=make_user())
    consent_revoke(consent=make_linked(version).consent)
    mona = make_user("mona", is_moderator=True)
    version = Version.objects.select_related("adapter__owner", "decision").get()
    for publish in (
        lambda: version_review(version=version, actor=mona, approve=True, public_reasoning="It looks fine."),
        lambda: version_reinstate(version=version, actor=mona, public_reasoning="It looks fine."),
    ):
        with pytest.raises(TransitionRefused, match="taken it back"):
            publish()
    assert Version.objects.get().state == "quarantined"
