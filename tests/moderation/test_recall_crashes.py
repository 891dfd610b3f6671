"""Workers that are killed for real, and work that meets: nothing is lost, nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.celery import app
from config.environment import PROJECT
from governance.audit import chain_fault
from governance.models import AuditEntry
from moderation.errors import ConsentDoesNotCover
from moderation.models import Consent, ConsentLink, Mail, Recall, RecallNotice
from moderation.selectors.consents import missing_consents
from moderation.services.consent_answers import consent_revoke
from moderation.services.consents import consent_link
from moderation.services.mail_sending import mail_send
from moderation.services.recall import recall_hand_out
from moderation.tasks import deliver_recalls, expire_consents
from registry.errors import NotAvailable, TransitionRefused
from registry.models import Receipt, Version
from registry.models.outbox import WebhookDelivery
from registry.services.inspection import version_inspect
from registry.services.outbox import due
from registry.services.publication import version_screened
from registry.services.review import version_review
from registry.services.webhooks import webhook_create
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_consent, make_linked, make_receipt
from tests.factories.registry import make_submitted, make_version
from tests.moderation.receivers import Hook, Sink, hook_server, smtp_sink
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# A worker of its own: it works on this test's database, says how far it is, and stands still there.
WORKER = """
import os, sys, time, django
django.setup()
from django.conf import settings
if os.environ.get("EMAIL_HOST"):  # the settings of the test suite keep mails in memory
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
from moderation.signals import recall_issued, mail_queued
def still(**_):
    print("there", flush=True)
    time.sleep(600)
signal = {"recall": recall_issued, "mail": mail_queued}.get(sys.argv[2])
if signal is not None:
    signal.connect(still, weak=False)
    signal.receivers.reverse()  # before the task is queued
    signal.sender_receivers_cache.clear()
from moderation import tasks
getattr(tasks, sys.argv[1])(*map(int, sys.argv[3:]))
"""


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with smtp_sink() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found


@pytest.fixture
def hook(settings: Any) -> Iterator[Hook]:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with hook_server() as found:
        yield found


@pytest.fixture
def at_once() -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@contextmanager
def _worker(task: str, *ids: int, until: str = "", **environment: str) -> Iterator[subprocess.Popen[str]]:
    connection.ensure_connection()
    here = connection.connection.info
    place = f"host={quote(here.host, safe='')}&port={here.port}"
    url = f"postgresql://{here.user}:{quote(here.password or '')}@/{here.dbname}?{place}"
    given = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": url, **environment}
    command = [sys.executable, "-c", WORKER, task, until, *map(str, ids)]
    with subprocess.Popen(command, cwd=PROJECT, env=given, stdout=subprocess.PIPE, text=True) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def _kill(worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=30)
    assert worker.returncode == -signal.SIGKILL


def _situation(hook: Hook) -> tuple[Version, Consent]:
    """A version that a person and an organisation have downloaded, and whose consent has run out."""
    bob, eve = make_user("bob"), make_user("eve")
    studio = make_organisation(eve, "studio")
    webhook_create(actor=eve, organisation=studio, url=hook.url, topics=["recall"])
    version = make_version(actor=make_user("ada"))
    consent = make_linked(version).consent
    make_receipt(version, bob)
    make_receipt(version, eve, studio)
    Mail.objects.all().delete()
    Consent.objects.update(valid_until=timezone.now())
    return version, consent


def _recalls(sink: Sink) -> list[str]:
    return sorted(str(message["To"]) for message in sink.messages if "Recall:" in message["Subject"])


def _whole() -> None:
    assert chain_fault(AuditEntry.objects.order_by("sequence")) is None


def test_worker_killed_between_quarantine_and_notices_is_made_up_for(sink: Sink, hook: Hook, at_once: None) -> None:
    version, _ = _situation(hook)
    with _worker("expire_consents", until="recall") as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "there\n"  # the transaction is committed, and nobody was told
        _kill(worker)
    version.refresh_from_db()
    assert version.state == "quarantined"
    assert (_recalls(sink), hook.received) == ([], [])
    assert RecallNotice.objects.filter(handed_out_at=None).count() == 2

    for _ in range(3):
        expire_consents()
        deliver_recalls()

    assert _recalls(sink) == ["bob@example.org", "eve@example.org"]
    assert len(hook.received) == 1
    assert (Recall.objects.count(), RecallNotice.objects.count()) == (1, 2)
    _whole()


def test_worker_killed_inside_the_transaction_has_done_nothing(sink: Sink, hook: Hook, at_once: None) -> None:
    version, consent = _situation(hook)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE moderation_recallnotice IN SHARE MODE")
        with _worker("expire_consents") as worker:
            _until_somebody_waits("moderation_recallnotice")
            _kill(worker)
    version.refresh_from_db()
    consent.refresh_from_db()
    assert (version.state, consent.state) == ("published", "granted")
    assert not Recall.objects.exists()

    for _ in range(2):
        expire_consents()
        deliver_recalls()
    version.refresh_from_db()
    assert version.state == "quarantined"
    assert _recalls(sink) == ["bob@example.org", "eve@example.org"]
    assert len(hook.received) == 1
    _whole()


def _until_somebody_waits(table: str) -> None:
    """Until a backend waits for a lock in a statement about this table."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    waits = threading.Event()
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(query, [f'%"{table}"%'])
            if cursor.fetchone()[0]:
                return
        waits.wait(0.1)
    raise AssertionError("nobody came to wait")


def test_worker_killed_while_a_mail_is_under_way_is_made_up_for(sink: Sink, hook: Hook, at_once: None) -> None:
    """The mail server may have taken it: it is sent again under the same Message-ID, which its reader shows once."""
    _situation(hook)
    app.conf.task_always_eager = False
    expire_consents()
    recall_hand_out(recall_id=Recall.objects.get().pk)
    mail = Mail.objects.get(kind="recall-issued", user__username="bob")
    sink.hold = threading.Event()
    address = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(sink.port)}
    with _worker("send_mail", mail.pk, **address) as worker:
        assert sink.holding.wait(60)
        _kill(worker)
    sink.hold.set()
    sink.hold = None
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("queued", 1)

    app.conf.task_always_eager = True
    deliver_recalls()
    mail.refresh_from_db()
    assert mail.state == "queued"  # the dead worker's lease holds still
    Mail.objects.filter(pk=mail.pk).update(lease_until=timezone.now())
    deliver_recalls()
    deliver_recalls()
    mail.refresh_from_db()
    assert mail.state == "sent"
    to_bob = {str(message["Message-ID"]) for message in sink.messages if message["To"] == "bob@example.org"}
    assert to_bob == {f"<{mail.public_id}@127.0.0.1>"}


def _together(*works: Callable[[], None]) -> list[Exception]:
    """Each work in a thread and a connection of its own, all at once; what went wrong."""
    wrong: list[Exception] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            gate.wait(timeout=30)
            work()
        except Exception as error:  # noqa: BLE001 (handed to the test)
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return wrong


def test_many_workers_tell_each_holder_once(sink: Sink, hook: Hook) -> None:
    _situation(hook)
    assert _together(*[expire_consents] * 4) == []
    recall = Recall.objects.get()
    assert _together(*[lambda: (recall_hand_out(recall_id=recall.pk), None)[1]] * 4) == []
    assert Mail.objects.filter(kind="recall-issued").count() == 2
    assert WebhookDelivery.objects.count() == 1
    waiting = due(Mail)
    assert _together(*[lambda: [mail_send(mail_id=pk) for pk in waiting] and None] * 4) == []
    assert _recalls(sink) == ["bob@example.org", "eve@example.org"]
    _whole()


ROUNDS = 8


def test_revocation_while_a_moderator_publishes_never_leaves_it_published() -> None:
    """Whoever comes first: the version is not in circulation when both are done."""
    ada, mona = make_user("ada"), make_user("mona", is_moderator=True)
    for number in range(ROUNDS):
        version = make_version(
            actor=ada,
            name=f"held{number}",
            content=lora_bytes(seed=50 + number),
            declared={"depicts_real_person": True},
        )
        assert version.state == "in-review"
        consent = make_linked(version, make_consent(ada, email=f"sam{number}@subjects.example")).consent

        def publish(version: Version = version) -> None:
            fresh = Version.objects.select_related("adapter__owner", "decision").get(pk=version.pk)
            version_review(version=fresh, actor=mona, approve=True, public_reasoning="The consent was seen.")

        wrong = _together(publish, lambda consent=consent: (consent_revoke(consent=consent), None)[1])
        assert all(isinstance(error, TransitionRefused) for error in wrong)
        version.refresh_from_db()
        assert version.state == "quarantined"
    _whole()


def test_revocation_while_the_screening_publishes_never_leaves_it_published() -> None:
    ada = make_user("ada")
    states = []
    for number in range(ROUNDS):
        version = make_submitted(actor=ada, name=f"fresh{number}", content=lora_bytes(seed=80 + number))
        version_inspect(version_id=version.pk)
        consent = make_linked(version, make_consent(ada, email=f"sam{number}@subjects.example")).consent
        wrong = _together(
            lambda v=version: (version_screened(version=v, findings=()), None)[1],
            lambda c=consent: (consent_revoke(consent=c), None)[1],
        )
        assert wrong == []
        version.refresh_from_db()
        states.append(version.state)
    assert set(states) <= {"in-review", "quarantined"}
    expire_consents()  # what was on its way in when the consent ended is held back as well
    assert set(Version.objects.values_list("state", flat=True)) == {"quarantined"}
    _whole()


def test_revocation_while_people_download_tells_everybody_who_got_it() -> None:
    """A receipt is written before the end and is recalled, or it is not written."""
    ada = make_user("ada")
    people = [make_user(f"bob{number}") for number in range(5)]
    version = make_version(actor=ada)
    consent = make_linked(version).consent
    downloads = [lambda person=person: (make_receipt(version, person), None)[1] for person in people]
    wrong = _together(*downloads, lambda: (consent_revoke(consent=consent), None)[1])
    assert all(isinstance(error, NotAvailable) for error in wrong)
    holders = set(Receipt.objects.values_list("acceptance__user", flat=True))
    assert set(RecallNotice.objects.values_list("user", flat=True)) == holders
    assert len(holders) + len(wrong) == len(people)
    _whole()


def test_revocation_while_versions_are_linked_leaves_nothing_uncovered() -> None:
    ada = make_user("ada")
    versions = [make_version(actor=ada, name=f"v{number}", content=lora_bytes(seed=number)) for number in range(1, 5)]
    consent = make_consent(ada)
    links = [lambda v=v: (consent_link(version=v, consent=consent, actor=ada), None)[1] for v in versions]
    wrong = _together(*links, lambda: (consent_revoke(consent=consent), None)[1])
    assert all(isinstance(error, ConsentDoesNotCover) for error in wrong)
    linked = set(ConsentLink.objects.values_list("version", flat=True))
    for version in versions:
        version.refresh_from_db()
        assert (version.state == "quarantined") is (version.pk in linked)
        assert bool(missing_consents(version)) is (version.pk in linked)
    _whole()
