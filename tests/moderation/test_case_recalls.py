"""Recalls that moderators send with a decision: asked for, told to whoever holds it, lifted when it is online again."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from governance.models import AuditEntry
from moderation.errors import DecisionRefused
from moderation.models import Case, CaseKind, Recall, RecallNotice
from moderation.recall_texts import DELETE, HOLD_STILL, REMOVED, recall_text
from moderation.selectors.case_recalls import holders, recall_answer_needed
from moderation.selectors.grave import GRAVE_KINDS
from moderation.selectors.recall import recalls_for_moderators
from moderation.services.appeals import appeal_submit, reporter_appeal_submit
from moderation.services.recall import recall_hand_out
from moderation.services.recall_lifting import recall_reverse
from registry.models import Version
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_receipt
from tests.factories.moderation import REASONING, decide, make_case, make_report
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
TOLD: dict[str, Any] = {"recall": True, "what_to_do": "Delete it, and say so."}


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def _state(version: Version) -> str:
    return Version.objects.values_list("state", flat=True).get(pk=version.pk)


def _held_by(version: Version, *people: User) -> Case:
    for person in people:
        make_receipt(version, person)
    return make_case(version, kind=CaseKind.LIKENESS)


def test_taken_down_version_is_recalled_from_each_holder_once(version: Version, mo: User, bob: User) -> None:
    eve, mel = make_user("eve"), make_user("mel")
    studio = make_organisation(eve, "studio", {"member": mel})
    make_receipt(version, eve, studio)
    make_receipt(version, mel, studio)
    case = _held_by(version, bob)
    assert holders(version) == 2  # bob, and the studio once
    decided = decide(case, mo, "take-down", **TOLD)
    recall = Recall.objects.get()
    assert (recall.reason_code, recall.what_to_do, recall.consent) == ("case-likeness", TOLD["what_to_do"], None)
    assert REASONING in recall.public_text
    entry = recall.versions.get()
    assert (entry.state_before, entry.decision) == ("published", decided.decision)
    assert RecallNotice.objects.count() == recall_hand_out(recall_id=recall.pk) == 2
    assert AuditEntry.objects.get(action="recall.issued").data["reason"] == "case-likeness"
    assert recalls_for_moderators().get().holders == 2


def test_grave_decision_has_to_say_whether_holders_are_told(version: Version, mo: User, bob: User) -> None:
    case = _held_by(version, bob)
    with pytest.raises(DecisionRefused, match="nothing says whether those who hold it are told"):
        decide(case, mo, "take-down")
    with pytest.raises(DecisionRefused, match="has to say what"):
        decide(case, mo, "take-down", recall=True, what_to_do=" ")
    assert _state(version) == VersionState.PUBLISHED
    decide(case, mo, "take-down", recall=False)
    assert (_state(version), Recall.objects.count()) == (VersionState.TAKEN_DOWN, 0)


@pytest.mark.parametrize(
    ("kind", "downloaded", "needed"),
    [(kind, True, kind in GRAVE_KINDS) for kind in CaseKind if kind is not CaseKind.APPEAL]
    + [(CaseKind.INTIMATE, False, False)],
)
def test_answer_is_needed_where_it_is_grave_and_somebody_holds_it(
    kind: CaseKind, downloaded: bool, needed: bool, version: Version, mo: User, bob: User
) -> None:
    if downloaded:
        make_receipt(version, bob)
    case = make_case(version, kind=kind)
    assert recall_answer_needed(case=case, version=version) is needed


def test_nobody_holds_it_so_nobody_is_told(version: Version, mo: User) -> None:
    decide(make_case(version, kind=CaseKind.LIKENESS), mo, "take-down", **TOLD)
    assert not Recall.objects.exists()


def test_verdict_that_restricts_nothing_recalls_nothing(version: Version, mo: User, bob: User) -> None:
    decide(_held_by(version, bob), mo, "dismiss", **TOLD)
    assert not Recall.objects.exists()


def test_held_for_now_and_online_again_lifts_the_recall(version: Version, mo: User, bob: User) -> None:
    case = _held_by(version, bob)
    decide(case, mo, "quarantine", recall=True, what_to_do=HOLD_STILL)
    recall = Recall.objects.get()
    assert recall.versions.get().cause == "moderator-held"
    recall_hand_out(recall_id=recall.pk)
    decide(Case.objects.get(pk=case.pk), mo, "approve")
    recall.refresh_from_db()
    assert (_state(version), recall.state, recall.lifted_by) == (VersionState.PUBLISHED, "lifted", mo)
    assert recall.lifted_reasoning == REASONING
    assert not recall.versions.filter(open=True).exists()
    assert sorted(RecallNotice.objects.values_list("kind", "user__username")) == [("issued", "bob"), ("lifted", "bob")]


def test_held_and_then_removed_is_told_both_and_lifted_together_by_an_appeal(
    version: Version, mo: User, bob: User
) -> None:
    case = _held_by(version, bob)
    decide(case, mo, "quarantine", recall=True, what_to_do=HOLD_STILL)
    assert recall_answer_needed(case=Case.objects.get(pk=case.pk), version=version)  # for now is not for good
    decide(Case.objects.get(pk=case.pk), mo, "take-down", **TOLD)
    assert {recall.versions.get().cause for recall in Recall.objects.all()} == {"moderator-held", "moderator-removed"}
    fresh = Version.objects.get(pk=version.pk)
    appeal = appeal_submit(version=fresh, actor=version.created_by, text="It is a drawing of mine.")
    decide(appeal.case, make_user("max", is_moderator=True), "approve")
    assert _state(version) == VersionState.PUBLISHED
    assert set(Recall.objects.values_list("state", flat=True)) == {"lifted"}


def test_recalled_twice_tells_once(version: Version, mo: User, bob: User) -> None:
    case = _held_by(version, bob)
    decide(case, mo, "take-down", **TOLD)
    other = make_case(version, kind=CaseKind.INTIMATE)
    assert not recall_answer_needed(case=other, version=version)  # it is in force
    assert Recall.objects.count() == 1


def test_moderator_lifts_the_recall_alone_and_the_decision_stands(version: Version, mo: User, bob: User) -> None:
    decide(_held_by(version, bob), mo, "take-down", **TOLD)
    recall = recall_reverse(recall=Recall.objects.get(), actor=mo, public_reasoning="What you hold may be kept.")
    assert (recall.state, _state(version)) == ("lifted", VersionState.TAKEN_DOWN)


def test_appeal_asks_by_what_it_was_about(version: Version, mo: User, bob: User) -> None:
    """A reporter objects that it stayed online; whoever decides that says the same as in the first place."""
    make_receipt(version, bob)
    report, _ = make_report(version, CaseKind.INTIMATE)
    decide(report.case, mo, "dismiss")
    report.refresh_from_db()
    appeal = reporter_appeal_submit(report=report, text="It is me.")
    assert recall_answer_needed(case=appeal.case, version=version)
    decide(appeal.case, make_user("max", is_moderator=True), "take-down", **TOLD)
    assert Recall.objects.get().reason_code == "case-intimate"


# The prepared words


@pytest.mark.parametrize("kind", list(CaseKind))
def test_every_kind_has_words_that_say_what_to_do(kind: CaseKind) -> None:
    assert recall_text(kind=kind, removed=False) == HOLD_STILL
    words = recall_text(kind=kind, removed=True)
    assert words == REMOVED.get(kind, DELETE)
    assert "cop" in words.lower()
    assert len(words) <= 2000


# The page


def _form(case: Case, **given: Any) -> dict[str, Any]:
    return {"revision": case.revision, "public_reasoning": REASONING, "ground": "terms", **given}


def test_page_asks_shows_the_prepared_words_and_the_recall(
    version: Version, mo: User, bob: User, client: Client
) -> None:
    case = _held_by(version, bob)
    client.force_login(mo)
    page = client.get(case.get_absolute_url()).content.decode()
    assert "1 person or organisation holds a receipt for it" in page
    assert recall_text(kind="likeness", removed=True) in page
    sent = _form(case, verdict="take-down")
    refused = client.post(case.get_absolute_url(), sent).content.decode()
    assert "Say whether those who downloaded it are told." in refused
    refused = client.post(case.get_absolute_url(), sent | {"recall": "yes", "what_to_do": " "}).content.decode()
    assert "A recall has to say what they must do." in refused
    assert _state(version) == VersionState.PUBLISHED
    client.post(case.get_absolute_url(), sent | {"recall": "yes", "what_to_do": "Delete it."})
    recall = Recall.objects.get()
    assert recall.what_to_do == "Delete it."
    shown = client.get(case.get_absolute_url()).content.decode()
    assert f"/moderation/recalls/{recall.public_id}" in shown
    assert "1 told, 0 confirmed" in shown
    assert "Ground" not in client.get(f"/moderation/recalls/{recall.public_id}").content.decode()


def test_page_does_not_ask_where_nobody_holds_it_and_chooses_no_where_it_is_not_grave(
    version: Version, mo: User, bob: User, client: Client
) -> None:
    client.force_login(mo)
    case = make_case(version, kind=CaseKind.QUALITY)
    assert 'name="recall"' not in client.get(case.get_absolute_url()).content.decode()
    make_receipt(version, bob)
    page = client.get(case.get_absolute_url()).content.decode()
    assert 'name="recall" value="no"' in page
    client.post(case.get_absolute_url(), _form(case, verdict="take-down", recall="no"))
    assert (_state(version), Recall.objects.count()) == (VersionState.TAKEN_DOWN, 0)


def test_emergency_hold_tells_nobody_until_a_moderator_says_what_to_do(version: Version, mo: User, bob: User) -> None:
    from moderation.selectors.verdicts import Verdict, verdicts_of
    from moderation.services.emergency import emergency_hold

    make_receipt(version, bob)
    case = emergency_hold(version=version, actor=mo)
    held = Version.objects.get(pk=version.pk)
    assert (held.state, Recall.objects.count()) == (VersionState.QUARANTINED, 0)
    with pytest.raises(DecisionRefused, match="has to say what"):
        decide(case, mo, "tell")
    decide(case, mo, "tell", what_to_do=HOLD_STILL)
    recall = Recall.objects.get()
    entry = recall.versions.get()
    assert (entry.cause, recall.what_to_do, _state(version)) == ("moderator-held", HOLD_STILL, "quarantined")
    assert RecallNotice.objects.get().user == bob
    fresh = Case.objects.get(pk=case.pk)
    assert fresh.is_open
    assert Verdict.TELL not in verdicts_of(fresh, held)  # they know
    decide(fresh, mo, "approve")
    assert (_state(version), Recall.objects.get().state) == (VersionState.PUBLISHED, "lifted")
    assert sorted(RecallNotice.objects.values_list("kind", flat=True)) == ["issued", "lifted"]


def test_nobody_is_there_to_be_told_of_a_hold(version: Version, mo: User) -> None:
    from moderation.selectors.verdicts import Verdict, verdicts_of
    from moderation.services.emergency import emergency_hold

    case = emergency_hold(version=version, actor=mo)
    assert Verdict.TELL not in verdicts_of(case, Version.objects.get(pk=version.pk))
    with pytest.raises(DecisionRefused, match="cannot be decided"):
        decide(case, mo, "tell", what_to_do=HOLD_STILL)
