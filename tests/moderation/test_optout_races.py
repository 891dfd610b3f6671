"""Things that happen at once: nothing is lost, nothing is there twice, nobody waits for ever."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from moderation.models import OptOutClaim, OptOutEntry, OptOutHolder, WorkHash
from moderation.selectors.optout import names_found
from moderation.services import lists
from moderation.services.lists import import_run
from moderation.services.optout import claims_withdraw, optout_confirm, registrations_expire
from moderation.services.optout_mail import holder_mails_send
from tests.factories.accounts import make_user
from tests.factories.optout import (
    csv_of,
    hashes,
    names,
    queue_import,
    register_as,
    register_by_mail,
    secret_in,
    the_entry,
)

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = [f"work,{number + 1:064x},pdq" for number in range(60)]


def _at_once(*actions: Callable[[], object]) -> list[object]:
    """Run them in threads that start together; what each returned or raised."""
    barrier, results = threading.Barrier(len(actions)), [None] * len(actions)  # type: list[object]

    def run(place: int, action: Callable[[], object]) -> None:
        try:
            barrier.wait(20)
            results[place] = action()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "they wait for each other"
    return results


def test_same_things_registered_by_many_at_once_are_there_once() -> None:
    users = [make_user(f"u{number}") for number in range(4)]
    things = [*names("Greg Rutkowski", "Ada Lovelace"), *hashes("pdq:" + "1f" * 16 + "2e" * 16)]
    orders = [things, things[::-1], things, things[::-1]]
    answers = _at_once(
        *(lambda user=user, order=order: register_as(user, *order) for user, order in zip(users, orders, strict=True))
    )
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert (OptOutEntry.objects.count(), OptOutClaim.objects.count(), WorkHash.objects.count()) == (3, 12, 1)


def test_two_lists_and_a_holder_meet_in_the_same_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 7)
    ada = make_user("ada")
    jobs = [queue_import(csv_of(*rows), name=name) for name, rows in (("one", ROWS), ("two", ROWS[::-1]))]
    mine = hashes(*[f"pdq:{row.split(',')[1]}" for row in ROWS[20:40]])
    answers = _at_once(*(lambda job=job: import_run(import_id=job.pk) for job in jobs), lambda: register_as(ada, *mine))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    for job in jobs:
        job.refresh_from_db()
    assert [(job.state, job.added, job.refused) for job in jobs] == [("done", 60, 0)] * 2
    assert (OptOutEntry.objects.count(), WorkHash.objects.count(), OptOutClaim.objects.count()) == (60, 60, 140)
    assert OptOutEntry.objects.filter(state="active", verified=True).count() == 60


def test_two_workers_on_one_import_take_it_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 7)
    job = queue_import(csv_of(*ROWS))
    answers = _at_once(*(lambda: import_run(import_id=job.pk) for _ in range(3)))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    job.refresh_from_db()
    assert (job.state, job.added, job.known, job.lines) == ("done", 60, 0, 60)
    assert OptOutClaim.objects.count() == 60


def test_lease_that_ran_out_lets_only_one_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 10)
    job = queue_import(csv_of(*ROWS))
    real, others = lists.rows_claim, []

    def overtaken(**given: object) -> tuple[int, int]:
        done = real(**given)  # type: ignore[arg-type]
        if not others:  # while the first batch is not committed, another worker takes the import over
            others.append(threading.Thread(target=_other_worker, args=(job.pk,)))
            others[0].start()
        return done

    monkeypatch.setattr(lists, "rows_claim", overtaken)
    import_run(import_id=job.pk)
    others[0].join(60)
    job.refresh_from_db()
    assert (job.state, job.added, job.known) == ("done", 60, 0)
    assert OptOutClaim.objects.count() == 60


def _other_worker(pk: int) -> None:
    from moderation.models import OptOutImport

    try:
        OptOutImport.objects.filter(pk=pk).update(leased_until=None)
        import_run(import_id=pk)
    finally:
        connections.close_all()


def test_confirming_while_it_expires_is_one_or_the_other() -> None:
    from django.utils import timezone

    from moderation.services.optout import CONFIRM_WITHIN

    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    late = timezone.now() + CONFIRM_WITHIN * 2
    confirmed, _ = _at_once(lambda: optout_confirm(secret=secret), lambda: registrations_expire(now=late))
    if isinstance(confirmed, Exception):
        assert not OptOutEntry.objects.exists()
        assert names_found("greg rutkowski") == ()
    else:
        assert len(names_found("greg rutkowski")) == 1


def test_claim_and_withdrawal_at_once_leave_the_entry_true_to_its_claims() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    register_as(ada, *names("Greg Rutkowski"))
    entry, holder = the_entry("Greg Rutkowski"), OptOutHolder.objects.get()
    answers = _at_once(
        lambda: claims_withdraw(holder=holder, entry=entry, actor=ada),
        lambda: register_as(ben, *names("Greg Rutkowski")),
    )
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert [hit.holders for hit in names_found("greg rutkowski")] == [(ben.pk,)]


def test_mail_goes_out_once_although_two_workers_send_it() -> None:
    from django.core import mail

    from moderation.services.optout import optout_register
    from tests.factories.optout import submission

    made = optout_register(submission=submission(*names("Greg Rutkowski")), email="ada@example.org")
    sent = _at_once(*(lambda: holder_mails_send(holder_id=made.holder_id) for _ in range(4)))
    assert sorted(map(str, sent)) == ["0", "0", "0", "1"]
    assert len(mail.outbox) == 1
    assert optout_confirm(secret=secret_in(str(mail.outbox[0].body)))
