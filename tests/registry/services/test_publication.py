"""What an uploader states decides about the publication, and can be stated after the upload."""

import pytest
from django.test import Client

from accounts.models import User
from governance.handles import handle_of
from governance.models import AuditEntry, DecisionRecord
from governance.services import actor_profile_update
from registry.errors import TransitionRefused
from registry.models import Version
from registry.services.publication import version_recheck
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db

ASKING = {"licence_id": "stability-community-2024-07", "commercial_use": ()}
ANSWERS = {
    "annual_revenue_usd": 1000,
    "registered_with": ["stability-ai"],
    "trains_competing_model": False,
    "serves_end_users": False,
    "offers_related_service": False,
}


@pytest.fixture
def ada() -> User:
    return make_user()


def _state(user: User, **changes: object) -> None:
    actor_profile_update(actor=user, organisation=None, facts={**ANSWERS, **changes})


def _now(version: Version) -> Version:
    return Version.objects.get(pk=version.pk)


def test_facts_stated_before_the_upload_count(ada: User) -> None:
    _state(ada)
    version = make_version(actor=ada, declared=ASKING)
    assert version.state == VersionState.PUBLISHED
    assert version.decision.request["actor"]["annual_revenue_usd"] == 1000


def test_payment_is_what_the_house_says_not_the_uploader(ada: User) -> None:
    _state(ada, receives_payment=True)
    assert make_version(actor=ada, declared=ASKING).decision.request["actor"]["receives_payment"] is False


def test_missing_facts_are_asked_for_with_the_way_to_answer(ada: User) -> None:
    version = make_version(actor=ada, declared=ASKING)
    assert version.state == VersionState.IN_REVIEW
    assert version.state_detail["code"] == "needs-facts"
    assert version.state_detail["answer_at"] == "/account/facts"
    for question in version.decision.questions:
        assert question["text"] in version.state_detail["why"]


def test_answer_and_another_check_publish(ada: User) -> None:
    version = make_version(actor=ada, declared=ASKING)
    _state(ada)
    version_recheck(version=version, actor=ada)
    now = _now(version)
    assert now.state == VersionState.PUBLISHED
    assert now.decision.outcome == "allow"
    assert now.decision_id != version.decision_id
    assert AuditEntry.objects.filter(action="version.rechecked", actor=handle_of(ada)).count() == 1
    version_recheck(version=version, actor=ada)  # asked twice
    assert DecisionRecord.objects.filter(action="publish").count() == 2


def test_check_without_news_records_nothing(ada: User) -> None:
    version = make_version(actor=ada, declared=ASKING)
    before = AuditEntry.objects.count()
    version_recheck(version=version, actor=ada)
    assert AuditEntry.objects.count() == before
    assert _now(version).decision_id == version.decision_id


def test_some_answers_leave_the_other_questions(ada: User) -> None:
    version = make_version(actor=ada, declared=ASKING)
    _state(ada, annual_revenue_usd=None, trains_competing_model=None)
    version_recheck(version=version, actor=ada)
    now = _now(version)
    assert (now.state, now.state_detail["code"]) == (VersionState.IN_REVIEW, "needs-facts")
    assert now.decision_id != version.decision_id


def test_answers_that_the_licence_forbids_refuse(ada: User) -> None:
    version = make_version(actor=ada, declared=ASKING)
    _state(ada, annual_revenue_usd=10**9)
    version_recheck(version=version, actor=ada)
    assert _now(version).state == VersionState.REFUSED


def test_version_that_waits_for_something_else_is_not_asked_about(ada: User) -> None:
    version = make_version(actor=ada, declared={"licence_id": "kolors", "depicts_real_person": True})
    with pytest.raises(TransitionRefused):
        version_recheck(version=version, actor=ada)


def test_facts_of_the_organisation_count_and_its_member_still_needs_a_maintainer(ada: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, members={"member": bob})
    version = make_version(actor=bob, namespace=studio.namespace, declared=ASKING)
    assert version.state_detail["answer_at"] == "/account/facts?organisation=studio"
    _state(bob)
    assert version_recheck(version=version, actor=bob).state_detail["code"] == "needs-facts"
    actor_profile_update(actor=ada, organisation=studio, facts=ANSWERS)
    assert version_recheck(version=version, actor=bob).state_detail["code"] == "needs-maintainer"


def test_page_leads_to_the_questions_and_checks_again(ada: User, client: Client) -> None:
    version = make_version(actor=ada, declared=ASKING)
    client.force_login(ada)
    page = client.get("/ada/style/v/1").content.decode()
    assert 'href="/account/facts"' in page
    assert "Check again" in page
    _state(ada)
    client.post("/ada/style/v/1/recheck")
    assert _now(version).state == VersionState.PUBLISHED
    assert "Check again" not in client.get("/ada/style/v/1").content.decode()


def test_api_checks_again_for_its_people_only(ada: User, client: Client) -> None:
    version = make_version(actor=ada, declared=ASKING, content=lora_bytes(seed=4))
    address = "/api/v1/adapters/ada/style/versions/1/recheck"
    eve = {"Authorization": f"Bearer {make_token(make_user('eve'))[1]}"}
    assert client.post(address, headers=eve).status_code == 404
    assert client.post(address).status_code in (401, 404)
    mo = {"Authorization": f"Bearer {make_token(make_user('mo', is_moderator=True))[1]}"}
    assert client.post(address, headers=mo).status_code == 403
    _state(ada)
    mine = {"Authorization": f"Bearer {make_token(ada)[1]}"}
    assert client.post(address, headers=mine).json()["state"] == "published"
    assert _now(version).state == VersionState.PUBLISHED
