"""What was reported for a grave reason does not come online by itself, neither by checks repeated nor by facts."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Finding, Outcome, UseRequest, decide
from governance.rulebook import current_ruleset
from moderation.errors import DecisionRefused
from moderation.models import Case, CaseKind, CaseSource, Recall, Severity
from moderation.selectors.grave import GRAVE_KINDS, grave_questions
from moderation.selectors.verdicts import Verdict, verdicts_of
from moderation.services.cases import SEVERITIES, case_open
from moderation.services.consent_answers import consent_grant, consent_revoke
from moderation.services.emergency import emergency_hold
from moderation.services.recall_lifting import Ground, recall_reverse
from registry.models import Version
from registry.services.publication import version_found_later, version_recheck, version_screened
from registry.services.review import version_release
from registry.states import NEEDS_FACTS, NEEDS_MAINTAINER, VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_linked
from tests.factories.discussions import make_discussion
from tests.factories.moderation import decide as decide_case
from tests.factories.moderation import make_case, make_report
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
FOUND = Finding("names", "optout-name", "A name was found.", {"entry": "1"})


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def held(ada: User) -> Version:
    """Held by what its checks found."""
    version = make_version(actor=ada)
    assert version_found_later(version=version, findings=[FOUND])
    return _fresh(version)


def _fresh(version: Version) -> Version:
    return Version.objects.select_related("adapter__owner", "decision", "created_by").get(pk=version.pk)


def test_grave_is_what_the_queue_puts_first_and_what_people_opted_out_of() -> None:
    urgent = {kind for kind, severity in SEVERITIES.items() if severity >= Severity.HIGH}
    assert urgent | {CaseKind.OPT_OUT} == GRAVE_KINDS


@pytest.mark.parametrize("kind", [kind for kind in CaseKind if kind not in {CaseKind.APPEAL, CaseKind.PUBLICATION}])
def test_checks_that_find_nothing_any_more_release_it_unless_a_grave_question_is_open(
    kind: CaseKind, held: Version
) -> None:
    make_case(held, kind=kind)
    version_screened(version=held, findings=[])
    version = _fresh(held)
    if kind not in GRAVE_KINDS:
        assert version.state == VersionState.PUBLISHED
        return
    assert (version.state, version.state_detail["code"]) == (VersionState.IN_REVIEW, "open-question")
    assert kind.value.replace("-", " ") in version.state_detail["why"]


def test_question_is_a_reason_of_the_decision_and_the_decision_can_be_taken_again(held: Version) -> None:
    make_report(held, CaseKind.LIKENESS)
    version_screened(version=held, findings=[])
    record = DecisionRecord.objects.get(pk=_fresh(held).decision_id)
    assert record.outcome == Outcome.REVIEW
    reason = next(reason for reason in record.reasons if reason["code"] == "open-question")
    assert (reason["rule"], reason["facts"]) == ("publish.open-question", {"open_questions": ["likeness"]})
    again = decide(UseRequest.from_json(record.request), current_ruleset())
    assert again.to_json()["reasons"] == record.reasons


def test_person_decides_the_question_and_then_it_comes_online(held: Version, mo: User) -> None:
    report, _ = make_report(held, CaseKind.LIKENESS)
    version_screened(version=held, findings=[])
    decide_case(report.case, mo, "approve")
    assert _fresh(held).state == VersionState.PUBLISHED
    assert grave_questions(held) == ()


def test_grave_words_in_a_discussion_are_no_question_about_the_version_until_it_is_reported_too(held: Version) -> None:
    comment = make_discussion(held.adapter, held.created_by).comments.get()
    make_report(held, CaseKind.LIKENESS, comment=comment)
    assert grave_questions(held) == ()
    make_report(held, CaseKind.LIKENESS)  # adds to the same case
    assert grave_questions(held) == ("likeness",)


@pytest.mark.parametrize("first", [True, False])
def test_question_of_the_checks_stands_beside_a_reported_comment(held: Version, first: bool) -> None:
    comment = make_discussion(held.adapter, held.created_by).comments.get()
    if not first:
        make_report(held, CaseKind.LIKENESS, comment=comment)
    found = {"source": CaseSource.SCREENING, "summary": "Found.", "details": {"codes": ["x"]}}
    case_open(kind=CaseKind.LIKENESS, version=held, **found)
    if first:
        make_report(held, CaseKind.LIKENESS, comment=comment)
    assert grave_questions(held) == ("likeness",)


def test_hold_of_a_moderator_in_the_case_of_a_comment_is_a_question_about_the_version(ada: User, mo: User) -> None:
    version = make_version(actor=ada)
    comment = make_discussion(version.adapter, make_user("bob")).comments.get()
    make_report(version, CaseKind.LIKENESS, comment=comment)
    assert grave_questions(version) == ()
    emergency_hold(version=version, actor=mo)
    assert grave_questions(version) == ("likeness",)


def test_of_two_reports_one_is_dismissed_before_the_other_publishes_it(held: Version, mo: User) -> None:
    """Each would otherwise wait for the other."""
    (first, _), (second, _) = make_report(held, CaseKind.LIKENESS), make_report(held, CaseKind.RIGHTS)
    assert Verdict.DISMISS in verdicts_of(first.case, held)
    with pytest.raises(DecisionRefused, match="still wait"):
        decide_case(first.case, mo, "approve")
    decided = decide_case(first.case, mo, "dismiss")
    assert decided.decision is not None
    assert decided.decision.outcome == Outcome.REVIEW
    assert _fresh(held).state == VersionState.IN_REVIEW
    alone = Case.objects.get(pk=second.case_id)
    assert Verdict.DISMISS not in verdicts_of(alone, _fresh(held))  # nothing else would decide about the version
    decide_case(alone, mo, "approve")
    assert _fresh(held).state == VersionState.PUBLISHED


def test_facts_that_were_stated_do_not_release_what_was_reported(ada: User) -> None:
    version = make_version(actor=ada, declared={"depicts_real_person": False})
    Version.objects.filter(pk=version.pk).update(state=VersionState.IN_REVIEW, state_detail={"code": NEEDS_FACTS})
    make_report(_fresh(version), CaseKind.INTIMATE)
    version_recheck(version=_fresh(version), actor=ada)
    assert (_fresh(version).state, _fresh(version).state_detail["code"]) == (VersionState.IN_REVIEW, "open-question")


@pytest.mark.parametrize("reported", [True, False])
def test_maintainer_does_not_release_what_was_reported_meanwhile(reported: bool, ada: User, client: Client) -> None:
    eve = make_user("eve")
    studio = make_organisation(ada, members={"member": eve})
    version = make_version(actor=eve, namespace=studio.namespace)
    assert version.state_detail["code"] == NEEDS_MAINTAINER
    if reported:
        make_case(version, kind=CaseKind.LIKENESS)
    client.force_login(ada)
    page = client.post(
        reverse("release", args=[*str(version.adapter).split("/"), version.number]), follow=True
    ).content.decode()
    found = _fresh(version)
    if not reported:
        assert found.state == VersionState.PUBLISHED
        return
    assert (found.state, found.state_detail["code"]) == (VersionState.IN_REVIEW, "open-question")
    assert "is not published. A question about it is open (likeness)" in page


def test_lifted_recall_leaves_the_reported_question_to_its_case(ada: User, mo: User) -> None:
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    consent_revoke(consent=consent)
    make_case(version, kind=CaseKind.LIKENESS)
    consent.refresh_from_db()
    consent_grant(consent=consent, terms=consent.asked_terms)
    lift: dict[str, Any] = {"actor": mo, "ground": Ground.LIVE_AGAIN, "public_reasoning": "Granted again."}
    assert recall_reverse(recall=Recall.objects.get(), **lift).state == "lifted"
    assert _fresh(version).state == VersionState.QUARANTINED
    decide_case(Case.objects.get(kind=CaseKind.LIKENESS), mo, "approve")
    assert _fresh(version).state == VersionState.PUBLISHED


def test_release_decides_by_what_holds_then(ada: User) -> None:
    eve = make_user("eve")
    studio = make_organisation(ada, members={"member": eve})
    version = make_version(actor=eve, namespace=studio.namespace)
    first = version.decision_id
    released = version_release(version=version, actor=ada)
    assert released.state == VersionState.PUBLISHED
    assert released.decision_id != first
