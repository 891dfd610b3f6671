"""Registry events for organisations: told with what causes them, of what they chose, and to nobody else."""

import json
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Organisation, User
from governance.policy import Use
from registry.models import Version, WebhookDelivery, WebhookEndpoint
from registry.models.outbox import Topic
from registry.services.delivery import gate_accept, gate_ask
from registry.services.holding import version_quarantine
from registry.services.versions import version_withdraw
from registry.services.webhooks import message_send, webhook_create, webhook_disable, webhook_topics_set
from registry.states import VersionState
from registry.webhook_signing import verify
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_version
from tests.moderation.receivers import hook_server
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
URL = "https://203.0.113.7/hook"


@pytest.fixture
def eve() -> User:
    return make_user("eve")


@pytest.fixture
def studio(eve: User) -> Organisation:
    return make_organisation(eve)


@pytest.fixture
def endpoint(eve: User, studio: Organisation, monkeypatch: pytest.MonkeyPatch) -> WebhookEndpoint:
    monkeypatch.setattr("registry.services.webhooks.target_of", lambda url: None)
    return webhook_create(actor=eve, organisation=studio, url=URL)[0]


def told() -> list[tuple[str, dict[str, Any]]]:
    rows = WebhookDelivery.objects.order_by("pk")
    for row in rows:
        assert json.loads(row.body)["type"] == row.event
    return [(row.event, json.loads(row.body)["data"]) for row in rows]


def published(actor: User, studio: Organisation, **given: Any) -> Version:
    return make_version(actor=actor, name="dots", namespace=studio.namespace, **given)


def test_states_of_a_version_are_told_to_its_organisation(
    eve: User, studio: Organisation, endpoint: WebhookEndpoint
) -> None:
    version = published(eve, studio)
    held = {"code": "asked", "what": "It is held back.", "why": "A question.", "remedy": "Wait."}
    version_quarantine(version=version, actor=make_user("max", is_moderator=True), **held)
    version.refresh_from_db()
    version_withdraw(version=version, actor=eve, reason="Made anew.")
    events = told()
    assert [event for event, _ in events] == ["version.published", "version.quarantined", "version.withdrawn"]
    assert events[0][1] | {"adapter": "studio/dots", "version": 1, "before": "scanning", "why": ""} == events[0][1]
    assert events[0][1]["page"].endswith("/studio/dots/v/1")
    assert events[2][1]["why"] == "Made anew."


def test_drafts_scans_and_adapters_of_people_are_not_told(
    eve: User, studio: Organisation, endpoint: WebhookEndpoint
) -> None:
    make_submitted(actor=eve, name="waiting", namespace=studio.namespace)
    make_version(actor=eve, name="own", content=lora_bytes(seed=2))
    assert told() == []


def test_receipt_is_told_to_the_organisation_it_was_issued_for_alone(
    eve: User, studio: Organisation, endpoint: WebhookEndpoint
) -> None:
    bob = make_user("bob")
    version = make_version(actor=make_user("rosa"), name="dots")
    for actor, organisation in ((bob, None), (eve, studio)):
        asked: dict[str, Any] = {"actor": actor, "organisation": organisation, "version": version, "use": Use.RESEARCH}
        receipt = gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
    [(event, data)] = told()
    assert event == "receipt.issued"
    assert (data["receipt"], data["recipient"], data["use"]) == (str(receipt.pk), "eve", "research")
    assert data["sha256"] == version.files.get().sha256


def test_what_was_not_chosen_is_not_told(eve: User, studio: Organisation, endpoint: WebhookEndpoint) -> None:
    webhook_topics_set(endpoint=endpoint, actor=eve, topics=[Topic.RECEIPT])
    published(eve, studio)
    assert told() == []
    webhook_topics_set(endpoint=endpoint, actor=eve, topics=[Topic.VERSION])
    published(eve, studio, content=lora_bytes(seed=2))
    assert [event for event, _ in told()] == ["version.published"]


def test_disabled_endpoint_is_not_told(eve: User, studio: Organisation, endpoint: WebhookEndpoint) -> None:
    webhook_disable(endpoint=endpoint, actor=eve, because="Enough.")
    published(eve, studio)
    assert told() == []


def test_what_is_undone_is_not_told(eve: User, studio: Organisation, endpoint: WebhookEndpoint) -> None:
    version = published(eve, studio)
    with transaction.atomic():
        version_withdraw(version=version, actor=eve, reason="Never mind.")
        transaction.set_rollback(True)
    assert [event for event, _ in told()] == ["version.published"]
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED


def test_message_arrives_signed(eve: User, studio: Organisation, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with hook_server() as hook:
        _, secret = webhook_create(actor=eve, organisation=studio, url=hook.url)
        published(eve, studio)
        row = WebhookDelivery.objects.get()
        message_send(delivery_id=row.pk)
    [message] = hook.received
    verify(secret=secret, received=message.headers, body=message.body, now=row.created_at.timestamp())
    assert json.loads(message.body)["data"]["adapter"] == "studio/dots"
    row.refresh_from_db()
    assert row.state == "sent"
