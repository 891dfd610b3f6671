"""A moderator's decision: on record over the engine's, told to the uploader, taken once, never in one's own case."""

import json
import threading
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client

from accounts.models import User
from governance.handles import handle_of
from governance.models import AuditEntry, DecisionRecord
from registry.errors import ConflictOfInterest, TransitionRefused
from registry.models import Version
from registry.selectors.search import AdapterQuery, adapter_search
from registry.services.inspection import MAX_ATTEMPTS
from registry.services.review import version_release, version_review
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import inspect_and_screen, make_submitted, make_version

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}
REASONING = "The consent that you sent covers this use."
NOTES = "Called the agency; Mrs Smith confirmed."


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def moderator() -> User:
    return make_user("mo", is_moderator=True)


@pytest.fixture
def held(ada: User) -> Version:
    version = make_version(actor=ada, declared=HELD)
    assert version.state == VersionState.IN_REVIEW
    return version


def _review(version: Version, actor: User, *, approve: bool = True, **more: str) -> DecisionRecord:
    return version_review(version=version, actor=actor, approve=approve, public_reasoning=REASONING, **more)


def _state(version: Version) -> str:
    return Version.objects.get(pk=version.pk).state


@pytest.mark.parametrize(("approve", "state", "outcome"), [(True, "published", "allow"), (False, "refused", "deny")])
def test_decision_is_on_record_over_the_engines(
    approve: bool, state: str, outcome: str, held: Version, moderator: User
) -> None:
    engines = held.decision
    record = _review(held, moderator, approve=approve, private_notes=NOTES)
    version = Version.objects.get(pk=held.pk)
    assert version.state == state
    assert version.decision == record
    assert (record.outcome, record.override_of, record.actor) == (outcome, engines, moderator)
    assert (record.public_reasoning, record.private_notes) == (REASONING, NOTES)
    assert record.reasons[0]["code"] == "decided-by-a-person"
    assert record.request == engines.request  # type: ignore[union-attr]
    assert DecisionRecord.objects.get(pk=engines.pk).outcome == "review"  # type: ignore[union-attr]
    actions = list(AuditEntry.objects.order_by("-sequence").values_list("action", "actor")[:2])
    assert sorted(actions) == sorted(
        [(f"decision.{outcome}", handle_of(moderator)), (f"version.{state}", handle_of(moderator))]
    )
    assert NOTES not in json.dumps(list(AuditEntry.objects.values_list("data", flat=True)))


def test_approved_version_is_found_and_a_refused_one_is_not(ada: User, moderator: User, client: Client) -> None:
    def found() -> list[str]:
        return [adapter.name for adapter in adapter_search(actor=AnonymousUser(), query=AdapterQuery()).adapters]

    version = make_version(actor=ada, declared=HELD)
    assert found() == []
    _review(version, moderator, approve=False)
    assert found() == []
    again = make_version(actor=ada, name="again", declared=HELD)
    _review(again, moderator)
    assert found() == ["again"]
    assert client.get("/ada/again").status_code == 200
    assert client.get("/ada/style").status_code == 404


@pytest.mark.parametrize("approve", [True, False])
def test_uploader_reads_the_reasoning_and_never_the_notes(
    approve: bool, held: Version, ada: User, moderator: User
) -> None:
    record = _review(held, moderator, approve=approve, private_notes=NOTES)
    _, secret = make_token(ada)
    uploader, program = Client(), Client(headers={"Authorization": f"Bearer {secret}"})
    uploader.force_login(ada)
    pages = [
        uploader.get(f"/decisions/{record.public_id}"),
        uploader.get(f"/decisions/{record.override_of.public_id}"),  # type: ignore[union-attr]
        uploader.get(f"/decisions/{record.public_id}.json"),
        program.get(f"/api/v1/decisions/{record.public_id}"),
        uploader.get("/ada/style"),
        program.get("/api/v1/adapters/ada/style"),
        program.get("/api/v1/adapters/ada/style/versions"),
        program.get("/api/v1/adapters/ada/style/versions/1"),
        program.get("/api/v1/decisions"),
    ]
    for response in pages:
        text = response.content.decode()
        assert response.status_code == 200, response.request["PATH_INFO"]
        assert "agency" not in text, response.request["PATH_INFO"]
        assert "private_notes" not in text, response.request["PATH_INFO"]
    for response in pages[:5]:
        assert REASONING in response.content.decode(), response.request["PATH_INFO"]


def test_stranger_reads_neither(held: Version, moderator: User, client: Client) -> None:
    record = _review(held, moderator, private_notes=NOTES)
    for user in (None, make_user("eve")):
        if user:
            client.force_login(user)
        assert client.get(f"/decisions/{record.public_id}").status_code == 404
        for path in ("/ada/style", "/api/v1/adapters/ada/style/versions/1"):
            assert "agency" not in client.get(path).content.decode()


def test_second_decision_is_refused_and_leaves_no_record(held: Version, moderator: User) -> None:
    _review(held, moderator)
    records = DecisionRecord.objects.count()
    with pytest.raises(TransitionRefused, match="does not wait for a decision: it is published"):
        _review(held, make_user("second", is_moderator=True), approve=False)  # `held` still says in review
    assert _state(held) == "published"
    assert DecisionRecord.objects.count() == records


@pytest.mark.django_db(transaction=True)
def test_two_moderators_at_once_decide_once() -> None:
    version = make_version(actor=make_user("ada"), declared=HELD)
    moderators = [make_user("mo", is_moderator=True), make_user("max", is_moderator=True)]
    barrier, results = threading.Barrier(2), [None, None]

    def decide(number: int) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = _review(version, moderators[number], approve=number == 0)
        except TransitionRefused as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(type(result).__name__ for result in results) == ["DecisionRecord", "TransitionRefused"]
    assert DecisionRecord.objects.filter(override_of__isnull=False).count() == 1
    won = next(result for result in results if isinstance(result, DecisionRecord))
    assert _state(version) == {"allow": "published", "deny": "refused"}[won.outcome]


# In one's own case


def _own(case: str, moderator: User) -> Version:
    """A held version that is, in one way or another, the moderator's own."""
    if case == "uploaded it":
        return make_version(actor=moderator, declared=HELD)
    ada = make_user("ada")
    role = {"member of its organisation": "member", "reader of it": "reader", "owner of it": "owner"}.get(case)
    studio = make_organisation(ada, members={role: moderator} if role else {"member": moderator})
    if case == "uploaded it for others":
        version = make_version(actor=moderator, declared=HELD, namespace=studio.namespace)
        studio.memberships.filter(user=moderator).delete()
        return version
    return make_version(actor=ada, declared=HELD, namespace=studio.namespace)


OWN = ["uploaded it", "uploaded it for others", "member of its organisation", "reader of it", "owner of it"]


@pytest.mark.parametrize("case", OWN)
@pytest.mark.parametrize("approve", [True, False])
def test_nobody_decides_in_their_own_case(case: str, approve: bool, moderator: User) -> None:
    version = _own(case, moderator)
    assert version.state == VersionState.IN_REVIEW
    records = DecisionRecord.objects.count()
    with pytest.raises(ConflictOfInterest) as refused:
        _review(version, moderator, approve=approve)
    assert refused.value.status == 403
    assert refused.value.remedy == "Leave it in the queue for another moderator."
    assert _state(version) == "in-review"
    assert DecisionRecord.objects.count() == records
    assert _review(version, make_user("other", is_moderator=True), approve=approve).outcome in {"allow", "deny"}


def test_page_says_so_before_and_refuses_after(client: Client, moderator: User) -> None:
    version = make_version(actor=moderator, declared=HELD)
    client.force_login(moderator)
    path = f"/moderation/versions/{version.pk}"
    text = client.get(path).content.decode()
    assert "You cannot decide about your own upload" in text
    assert "Leave it in the queue for another moderator." in text
    assert "Put the decision on record" not in text
    response = client.post(path, {"verdict": "approve", "public_reasoning": "Mine is fine."})
    assert response.status_code == 403
    assert "Leave it in the queue for another moderator." in response.content.decode()
    assert _state(version) == "in-review"


# What is no moderator's to decide


def test_version_still_being_inspected_is_not_decided(ada: User, moderator: User, client: Client) -> None:
    """The table of states lets the inspection publish; a moderator's word does not take its place."""
    version = make_submitted(actor=ada)
    for approve in (True, False):
        with pytest.raises(TransitionRefused, match="it is scanning"):
            _review(version, moderator, approve=approve)
    client.force_login(moderator)
    path = f"/moderation/versions/{version.pk}"
    assert client.post(path, {"verdict": "approve", "public_reasoning": "x"}).status_code in {404, 409}
    assert _state(version) == "scanning"


@pytest.mark.parametrize("state", [VersionState.PUBLISHED, VersionState.REFUSED, VersionState.WITHDRAWN])
def test_version_that_does_not_wait_is_not_decided(state: VersionState, held: Version, moderator: User) -> None:
    version_transition(version=held, to=state, actor=None)
    with pytest.raises(TransitionRefused, match=f"it is {state.value}"):
        _review(held, moderator, approve=False)
    assert _state(held) == state


def test_quarantined_version_is_decided(held: Version, moderator: User) -> None:
    version_transition(version=held, to=VersionState.QUARANTINED, actor=None)
    _review(held, moderator)
    assert _state(held) == "published"


def test_what_waits_for_its_maintainer_is_theirs(ada: User, moderator: User) -> None:
    ben = make_user("ben")
    studio = make_organisation(ada, members={"member": ben})
    version = make_version(actor=ben, namespace=studio.namespace)
    with pytest.raises(TransitionRefused, match="waits for a maintainer"):
        _review(version, moderator)
    version_release(version=version, actor=ada)
    assert _state(version) == "published"
    with pytest.raises(TransitionRefused):
        version_release(version=version, actor=ada)


def test_what_waits_for_a_moderator_is_not_released_by_its_owner(held: Version, ada: User) -> None:
    with pytest.raises(TransitionRefused, match="does not wait for a maintainer"):
        version_release(version=held, actor=ada)
    assert _state(held) == "in-review"


def test_what_was_never_inspected_can_only_be_refused(ada: User, moderator: User) -> None:
    version = make_submitted(actor=ada)
    Version.objects.filter(pk=version.pk).update(scan_attempts=MAX_ATTEMPTS)
    inspect_and_screen(version_id=version.pk)
    with pytest.raises(TransitionRefused, match="never came to its end"):
        _review(version, moderator)
    assert _state(version) == "in-review"
    record = _review(version, moderator, approve=False)
    assert _state(version) == "refused"
    assert record.override_of is None


# The page


def test_page_shows_what_is_to_decide_and_takes_the_decision(held: Version, moderator: User, client: Client) -> None:
    client.force_login(moderator)
    path = f"/moderation/versions/{held.pk}"
    text = client.get(path).content.decode()
    assert "no consent of that person is on file" in text
    assert "Reasoning for the uploader" in text
    sent = {"verdict": "refuse", "public_reasoning": REASONING, "private_notes": NOTES}
    response = client.post(path, sent, follow=True)
    assert response.redirect_chain == [("/moderation", 302)]
    assert "is on record" in response.content.decode()
    version = Version.objects.select_related("decision").get(pk=held.pk)
    assert version.state_detail["why"] == REASONING
    assert version.decision is not None
    assert version.decision.private_notes == NOTES
    assert "agency" in client.get(f"/decisions/{version.decision.public_id}").content.decode()


BAD: list[dict[str, Any]] = [
    {"verdict": "approve", "public_reasoning": ""},
    {"verdict": "approve", "public_reasoning": "   "},
    {"verdict": "perhaps", "public_reasoning": "x"},
    {"public_reasoning": "x"},
    {"verdict": "approve", "public_reasoning": "x" * 4001},
    {"verdict": "approve", "public_reasoning": "x", "private_notes": "x" * 4001},
]


@pytest.mark.parametrize("sent", BAD, ids=range(len(BAD)))
def test_decision_without_a_verdict_or_reasoning_is_none(
    sent: dict[str, Any], held: Version, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    response = client.post(f"/moderation/versions/{held.pk}", sent)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert _state(held) == "in-review"


def test_absent_version_is_not_found(client: Client, moderator: User) -> None:
    client.force_login(moderator)
    assert client.get("/moderation/versions/999999").status_code == 404
