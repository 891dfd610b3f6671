"""Mails and webhook messages of consents and recalls: into a mail server and a receiver on this machine."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from config.celery import app
from moderation.models import Consent, ConsentKey, Mail, RecallNotice
from moderation.services.consent_answers import consent_revoke, key_digest
from moderation.services.consents import consent_withdraw
from moderation.services.mail_sending import mail_send
from moderation.services.recall import recall_hand_out
from moderation.tasks import deliver_recalls
from registry.models.outbox import WebhookDelivery
from registry.services.outbox import PAUSES, due
from registry.services.webhooks import webhook_create
from registry.tasks import sweep_webhooks
from registry.webhook_signing import verify
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_asked, make_consent, make_linked, make_receipt
from tests.factories.registry import make_version
from tests.moderation.receivers import Sink, hook_server, smtp_sink

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://127\.0\.0\.1:8000(/consent/[0-9a-f-]{36}/[\w-]{43})")


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with smtp_sink() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found


@pytest.fixture
def at_once() -> Iterator[None]:
    """Tasks run where they are queued."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def _send_all() -> None:
    for pk in due(Mail):
        mail_send(mail_id=pk)


def test_request_reaches_the_subject_as_text_and_html_with_a_link_that_opens_it(sink: Sink, client: Client) -> None:
    consent = make_asked(make_user("ada"), message="I admire your <b>work</b>.")
    _send_all()
    (message,) = sink.messages
    assert message["To"] == "sam@subjects.example"
    assert "ada asks for your consent" in message["Subject"]
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    assert "I admire your <b>work</b>." in text
    assert "I admire your &lt;b&gt;work&lt;/b&gt;." in html
    found = LINK.search(text)
    assert found is not None
    assert found.group(0) in html
    secret = found.group(1).rsplit("/", 1)[1]
    assert [key.digest for key in ConsentKey.objects.all()] == [key_digest(secret)]
    answer = client.get(found.group(1), follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(f"/consent/{consent.public_id}", 302)]  # without the secret
    assert Mail.objects.get().state == "sent"
    _send_all()
    assert len(sink.messages) == 1


def test_each_mail_brings_a_link_of_its_own_and_all_of_them_work(sink: Sink, client: Client) -> None:
    make_consent(make_user("ada"))
    _send_all()
    links = [
        LINK.search(message.get_body(("plain",)).get_content())
        for message in sink.messages
        if message["To"] == "sam@subjects.example"
    ]
    found = {link.group(1) for link in links if link}
    assert len(found) == 1  # the request was overtaken by the answer
    assert Mail.objects.get(kind="consent-asked").state == "dropped"
    assert client.get(found.pop(), follow=True).status_code == 200


def test_request_that_was_taken_back_is_not_sent(sink: Sink) -> None:
    consent = make_asked(make_user())
    consent_withdraw(consent=consent, actor=consent.asked_by)
    _send_all()
    assert sink.messages == []
    assert Mail.objects.get().state == "dropped"


@pytest.mark.parametrize("answer", ["451 later", "421 closing", "554 no"])
def test_mail_that_the_server_does_not_take_is_sent_later(sink: Sink, answer: str) -> None:
    make_asked(make_user())
    sink.refuse = [answer]
    _send_all()
    waiting = Mail.objects.get()
    assert (waiting.state, waiting.attempts) == ("queued", 1)
    assert "sam@" not in waiting.problem
    assert due(Mail) == []
    Mail.objects.update(next_at=timezone.now())
    _send_all()
    assert Mail.objects.get().state == "sent"
    assert len(sink.messages) == 1


def test_mail_server_that_is_down_is_tried_again_and_given_up_in_the_end(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    make_asked(make_user())
    for _ in range(len(PAUSES) + 1):
        Mail.objects.update(next_at=timezone.now())
        _send_all()
    assert Mail.objects.get().state == "failed"


def test_lease_keeps_a_second_worker_out_until_it_runs_out(sink: Sink) -> None:
    make_asked(make_user())
    later = timezone.now() + timedelta(minutes=1)
    Mail.objects.update(lease_until=later, lease_token="6f0f4d5e-0000-4000-8000-000000000000")
    mail_send(mail_id=Mail.objects.get().pk)
    assert sink.messages == []
    Mail.objects.update(lease_until=timezone.now())
    mail_send(mail_id=Mail.objects.get().pk)
    assert len(sink.messages) == 1


def test_revoked_published_and_downloaded_everybody_is_told(sink: Sink, settings: Any, at_once: None) -> None:
    """Within one task: held back, recalled by mail and by signed webhook, each once."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    bob, eve = make_user("bob"), make_user("eve")
    studio = make_organisation(eve, "studio")
    version = make_version(actor=make_user("ada"))
    consent = make_linked(version).consent
    make_receipt(version, bob)
    make_receipt(version, eve, studio)
    with hook_server() as hook:
        _, secret = webhook_create(actor=eve, organisation=studio, url=hook.url)
        consent_revoke(consent=consent)
        deliver_recalls()  # hands the notices out, and each task that this queues runs here
        deliver_recalls()
        sweep_webhooks()
        sweep_webhooks()
        (received,) = hook.received
        verify(secret=secret, received=received.headers, body=received.body, now=time.time())
    recalls = [message for message in sink.messages if "Recall:" in message["Subject"]]
    assert sorted(message["To"] for message in recalls) == ["bob@example.org", "eve@example.org"]
    text = recalls[0].get_body(("plain",)).get_content()
    assert "delete every copy" in text
    assert "ada/style v1" in text
    notices = {str(notice.public_id) for notice in RecallNotice.objects.all()}
    assert all(any(notice in message.get_body(("plain",)).get_content() for notice in notices) for message in recalls)
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"sent"}
    assert not Mail.objects.filter(state="queued").exists()


def test_subject_who_was_erased_gets_no_mail(sink: Sink) -> None:
    from moderation.services.consents import subject_erase

    consent = make_consent(make_user())
    consent_revoke(consent=consent)
    subject_erase(subject=Consent.objects.get().subject)
    _send_all()
    assert [message["Subject"] for message in sink.messages] == ["[Adapter Registry] A consent has ended"]
    assert set(Mail.objects.filter(user=None).values_list("state", flat=True)) == {"dropped"}


def test_hand_out_makes_each_mail_once_whoever_asks_how_often() -> None:
    version = make_version(actor=make_user())
    make_receipt(version, make_user("bob"))
    consent_revoke(consent=make_linked(version).consent)
    notice = RecallNotice.objects.get()
    recall_hand_out(recall_id=notice.recall_id)
    RecallNotice.objects.update(handed_out_at=None)  # as if the worker had died before it said so
    recall_hand_out(recall_id=notice.recall_id)
    assert Mail.objects.filter(kind="recall-issued").count() == 1


def test_name_with_a_line_feed_does_not_reach_the_header(sink: Sink) -> None:
    ada = make_user("ada", display_name="Ada\nBcc: all@example.org")
    make_asked(ada)
    _send_all()
    (message,) = sink.messages
    assert message["Bcc"] is None
    assert message["Subject"] == "[Adapter Registry] Ada Bcc: all@example.org asks for your consent"


def test_mail_whose_workers_always_die_is_given_up(sink: Sink) -> None:
    make_asked(make_user())
    Mail.objects.update(attempts=len(PAUSES) + 1)  # claimed as often, and never said to have failed
    _send_all()
    assert (Mail.objects.get().state, sink.messages) == ("failed", [])
