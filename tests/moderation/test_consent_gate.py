"""Consents are asked for at the moment of use: publishing, the gate, its links, previews; no flag, no sweep between."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from governance.policy import ActorFacts, Use
from inference.models import PreviewJob
from inference.services import preview_lease, preview_queue
from inference.states import JobState
from moderation.consent_terms import ConsentScope
from moderation.models import Consent
from moderation.services.consent_answers import consent_narrow, consent_revoke
from registry.errors import NotAvailable, TransitionRefused
from registry.models import Version
from registry.services.delivery import gate_accept, gate_ask, link_redeem, link_token
from registry.services.holding import version_reinstate
from registry.services.review import version_review
from tests.factories.accounts import make_user
from tests.factories.consents import make_linked, make_receipt, terms
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


@pytest.mark.parametrize(("territory", "allowed"), [("DE", True), ("FR", True), ("US", False), (None, False)], ids=str)
def test_consent_for_some_countries_lets_through_who_is_there(territory: str | None, allowed: bool) -> None:
    version = make_version(actor=make_user())
    make_linked(version, territories=frozenset({"EU"}))
    asked = _asked(version, territory=territory)
    if allowed:
        assert gate_ask(**asked).decision.allowed
        return
    with pytest.raises(NotAvailable, match="some countries only"):
        gate_ask(**asked)


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
