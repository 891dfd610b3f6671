"""Webhooks: signatures, what may be sent to, delivery with retries, the log, and sending again."""

import base64
import hashlib
import hmac
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from moderation.models import RecallNotice
from moderation.services.consent_answers import consent_revoke
from moderation.services.recall import recall_hand_out
from registry.errors import WebhookRefused
from registry.models.outbox import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from registry.outbound import AddressForbidden, NotDelivered, post, public, target_of
from registry.selectors.webhooks import access_endpoint
from registry.services.outbox import PAUSES, due
from registry.services.webhook_messages import trial_queue
from registry.services.webhooks import (
    message_replay,
    message_send,
    webhook_create,
    webhook_disable,
    webhook_secret_change,
)
from registry.webhook_signing import SignatureWrong, secret_create, signature, verify
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_linked, make_receipt
from tests.factories.registry import make_version
from tests.moderation.receivers import Hook, hook_server


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with hook_server() as found:
        yield found


@pytest.fixture
def registered(hook: Hook, db: None) -> tuple[WebhookEndpoint, str]:
    eve = make_user("eve")
    return webhook_create(actor=eve, organisation=make_organisation(eve, "studio"), url=hook.url)


def _delivered(delivery: WebhookDelivery) -> WebhookDelivery:
    message_send(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    return delivery


# Signatures. The vector is the one of the specification's own libraries.


def test_signature_is_that_of_the_specification() -> None:
    made = signature(
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def _headers(secret: str, stamp: int, body: bytes) -> dict[str, str]:
    made = signature(secret=secret, message_id="msg_1", timestamp=stamp, body=body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": f"v1,AAAA {made}"}


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{} "},
        {"secret": secret_create()},
        {"now": 1301.0},
        {"now": 699.0},
        {"received": {"webhook-id": "msg_2"}},
        {"received": {"webhook-timestamp": "1001"}},
        {"received": {"webhook-timestamp": "soon"}},
        {"received": {"webhook-signature": "v1,AAAA"}},
        {"received": {"webhook-id": ""}},
    ],
)
def test_receiver_takes_the_whole_message_only(change: dict[str, Any]) -> None:
    secret = secret_create()
    given = {"secret": secret, "received": _headers(secret, 1000, b"{}"), "body": b"{}", "now": 1000.0}
    verify(**given)
    changed = {**given, **change, "received": {**given["received"], **change.get("received", {})}}
    with pytest.raises(SignatureWrong):
        verify(**changed)


# Where nothing is sent to.

FORBIDDEN = [
    "ftp://example.org/",
    "https://",
    "https://user:secret@example.org/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0.0.0.0/",
    "https://10.0.0.5/",
    "https://192.168.1.1/hook",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[64:ff9b::a00:5]/",
    "https://[2002:7f00:1::]/",
    "https://localhost/",
    "https://224.0.0.1/",
    "http://1.1.1.1/",  # public, but not encrypted
    "https://[not-an-address/",
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_address_that_only_we_can_reach_is_refused(url: str) -> None:
    with pytest.raises(AddressForbidden):
        target_of(url)


@pytest.mark.parametrize("url", ["https://1.1.1.1/hook", "https://[2606:4700:4700::1111]:8443/hook"])
def test_public_address_is_taken(url: str) -> None:
    assert target_of(url).secure


@pytest.mark.parametrize(
    ("address", "is_public"),
    [("8.8.8.8", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True), ("203.0.113.9", False), ("::", False)],
)
def test_address_inside_an_address_decides(address: str, is_public: bool) -> None:
    assert public(ipaddress.ip_address(address)) is is_public


def test_unknown_name_is_not_delivered_to() -> None:
    with pytest.raises(NotDelivered):
        target_of("https://nowhere.invalid/")


def test_redirect_is_not_followed_and_long_answers_are_cut(hook: Hook) -> None:
    hook.answers, hook.answer_headers = [302], {"Location": f"{hook.url}/elsewhere"}
    hook.answer_body = b"x" * 100_000
    answer = post(hook.url, body=b"{}", headers={})
    assert answer.status == 302
    assert len(hook.received) == 1
    assert len(answer.text) <= 2048


def test_certificate_that_does_not_fit_is_refused(hook: Hook) -> None:
    """The receiver speaks no TLS at all; a connection that asks for it is not downgraded."""
    with pytest.raises(NotDelivered):
        post(hook.url.replace("http://", "https://"), body=b"{}", headers={})
    assert hook.received == []


# Endpoints and messages.


@pytest.mark.django_db
def test_private_address_is_refused_when_it_is_registered() -> None:
    eve = make_user("eve")
    with pytest.raises(WebhookRefused, match="public internet"):
        webhook_create(actor=eve, organisation=make_organisation(eve), url="https://127.0.0.1/hook")
    assert not WebhookEndpoint.objects.exists()


def test_secret_is_sealed_and_the_address_registered_once(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    endpoint, secret = registered
    assert secret.startswith("whsec_")
    assert secret.removeprefix("whsec_").encode() not in bytes(endpoint.secret_sealed)
    with pytest.raises(WebhookRefused, match="already"):
        webhook_create(actor=endpoint.created_by, organisation=endpoint.organisation, url=hook.url)


def test_message_arrives_signed_and_is_logged(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    endpoint, secret = registered
    delivery = _delivered(trial_queue(endpoint))
    assert delivery.state == "sent"
    (received,) = hook.received
    assert received.headers["content-type"] == "application/json"
    verify(secret=secret, received=received.headers, body=received.body, now=time.time())
    # The same once more without our own code.
    stamp, message_id = received.headers["webhook-timestamp"], received.headers["webhook-id"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = hmac.new(key, f"{message_id}.{stamp}.".encode() + received.body, hashlib.sha256).digest()
    assert received.headers["webhook-signature"] == "v1," + base64.b64encode(wanted).decode()
    assert json.loads(received.body)["type"] == "webhook.test"
    assert [attempt.status for attempt in delivery.log.all()] == [204]
    message_send(delivery_id=delivery.pk)
    assert len(hook.received) == 1


def test_failure_is_repeated_later_and_later_and_given_up(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    delivery = trial_queue(registered[0])
    hook.answers = [500] * (len(PAUSES) + 1)
    pauses = []
    for _ in range(len(PAUSES)):
        before = timezone.now()
        delivery = _delivered(delivery)
        assert delivery.state == "queued"
        assert due(WebhookDelivery) == []  # not before its time
        pauses.append(round((delivery.next_at - before).total_seconds()))
        WebhookDelivery.objects.update(next_at=timezone.now())
    assert pauses == list(PAUSES)
    assert _delivered(delivery).state == "failed"
    assert delivery.log.count() == len(PAUSES) + 1
    ids = {received.headers["webhook-id"] for received in hook.received}
    assert ids == {f"msg_{delivery.public_id}"}


def test_replay_sends_a_finished_message_again_under_its_id(
    registered: tuple[WebhookEndpoint, str], hook: Hook
) -> None:
    delivery = _delivered(trial_queue(registered[0]))
    message_replay(delivery=delivery)
    assert _delivered(delivery).state == "sent"
    first, second = hook.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert WebhookAttempt.objects.count() == 2


def test_receiver_that_is_gone_for_good_is_switched_off(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    waiting = trial_queue(registered[0])
    hook.answers = [410]
    assert _delivered(trial_queue(registered[0])).state == "failed"
    endpoint = access_endpoint(organisation=registered[0].organisation, public_id=registered[0].public_id)
    assert endpoint.disabled_at is not None
    waiting.refresh_from_db()
    assert waiting.state == "dropped"
    message_replay(delivery=waiting)
    waiting.refresh_from_db()
    assert waiting.state == "dropped"


def test_receiver_that_is_down_is_tried_again(registered: tuple[WebhookEndpoint, str], settings: Any) -> None:
    WebhookEndpoint.objects.update(url="http://127.0.0.1:1/hook")
    delivery = _delivered(trial_queue(registered[0]))
    assert delivery.state == "queued"
    assert delivery.attempts == 1
    assert delivery.log.get().status is None


def test_network_that_is_closed_later_is_not_reached_any_more(
    registered: tuple[WebhookEndpoint, str], hook: Hook, settings: Any
) -> None:
    delivery = trial_queue(registered[0])
    settings.WEBHOOK_NETWORKS = []
    assert _delivered(delivery).state == "queued"
    assert hook.received == []


def test_changed_secret_signs_beside_the_former_for_a_day(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    endpoint, former = registered
    secret = webhook_secret_change(endpoint=endpoint, actor=endpoint.created_by)
    _delivered(trial_queue(endpoint))
    WebhookEndpoint.objects.update(former_until=timezone.now() - timedelta(seconds=1))
    _delivered(trial_queue(endpoint))
    during, after = hook.received
    for one in (secret, former):
        verify(secret=one, received=during.headers, body=during.body, now=time.time())
    verify(secret=secret, received=after.headers, body=after.body, now=time.time())
    with pytest.raises(SignatureWrong):
        verify(secret=former, received=after.headers, body=after.body, now=time.time())


def test_switched_off_endpoint_is_told_nothing(registered: tuple[WebhookEndpoint, str], hook: Hook) -> None:
    endpoint, _ = registered
    delivery = trial_queue(endpoint)
    webhook_disable(endpoint=endpoint, actor=endpoint.created_by, because="Moved.")
    assert _delivered(delivery).state == "dropped"
    assert hook.received == []


def test_recall_reaches_the_organisation_that_holds_receipts(
    registered: tuple[WebhookEndpoint, str], hook: Hook
) -> None:
    endpoint, secret = registered
    version = make_version(actor=make_user("ada"))
    receipt = make_receipt(version, endpoint.created_by, endpoint.organisation)
    consent_revoke(consent=make_linked(version).consent)
    notice = RecallNotice.objects.get()
    recall_hand_out(recall_id=notice.recall_id)
    assert _delivered(WebhookDelivery.objects.get(event="recall.issued")).state == "sent"
    (received,) = hook.received
    verify(secret=secret, received=received.headers, body=received.body, now=time.time())
    message = json.loads(received.body)
    assert message["type"] == "recall.issued"
    data = message["data"]
    assert data["versions"] == [{"adapter": "ada/style", "version": 1}]
    assert data["receipts"] == [{"id": str(receipt.pk), "file": receipt.file.path, "sha256": receipt.file.sha256}]
    assert (data["reason"], data["notice"]) == ("consent-ended", str(notice.public_id))
    assert data["page"].endswith(f"/account/recalls/{notice.public_id}")
    assert "delete every copy" in data["what_to_do"]


def test_default_certificates_are_those_of_the_system() -> None:
    """What the pool loads when no file is named: an empty store would refuse every receiver."""
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 0
