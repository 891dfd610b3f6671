"""The table of transitions is the same in Python and in the database, and the database holds everybody to it."""

import uuid
from contextlib import AbstractContextManager

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories.training import make_run
from training.models import EventKind, RunEvent, TrainingRun
from training.services.run_states import run_log
from training.states import ENDED, MEANINGS, TRANSITIONS, RunState, may_become


def test_every_state_has_a_meaning_and_a_row() -> None:
    assert set(MEANINGS) == set(TRANSITIONS) == set(RunState)


def test_what_has_ended_well_or_by_will_stays_ended() -> None:
    for state in (RunState.DONE, RunState.CANCELLED, RunState.STOPPED):
        assert state in ENDED
        assert not TRANSITIONS[state]


@pytest.mark.django_db
def test_the_database_has_the_same_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_state, to_state FROM training_runtransition")
        found = set(cursor.fetchall())
    assert found == {(old.value, new.value) for old, news in TRANSITIONS.items() for new in news}


@pytest.mark.django_db
@pytest.mark.parametrize("old", list(RunState))
def test_a_forbidden_step_is_refused_by_the_database(old: RunState) -> None:
    run = make_run(state=old)
    for new in RunState:
        if new is old or may_become(old, new):
            continue
        with pytest.raises(IntegrityError), _savepoint():
            TrainingRun.objects.filter(pk=run.pk).update(state=new.value)
    run.refresh_from_db()
    assert run.state == old


def _savepoint() -> AbstractContextManager[None]:
    return transaction.atomic()


@pytest.mark.django_db
def test_a_run_begins_as_a_draft() -> None:
    run = make_run()
    run.pk, run.state = None, "queued"
    run.public_id = uuid.uuid4()
    with pytest.raises(IntegrityError, match="begins as a draft"), _savepoint():
        run.save(force_insert=True)


@pytest.mark.django_db
def test_no_run_is_queued_without_an_allowing_decision() -> None:
    run = make_run(outcome="review")
    with pytest.raises(IntegrityError, match="without an allowing decision"), _savepoint():
        TrainingRun.objects.filter(pk=run.pk).update(state="queued")


@pytest.mark.django_db
def test_what_was_decided_about_does_not_change() -> None:
    run = make_run(state=RunState.QUEUED)
    with pytest.raises(IntegrityError, match="does not change"), _savepoint():
        TrainingRun.objects.filter(pk=run.pk).update(intended_use="selling-weights")


@pytest.mark.django_db
def test_a_line_of_the_log_stays() -> None:
    event = run_log(make_run(), EventKind.MESSAGE, "Said once.")
    with pytest.raises(IntegrityError, match="append-only"), _savepoint():
        RunEvent.objects.filter(pk=event.pk).update(text="Said otherwise.")
    with pytest.raises(IntegrityError, match="append-only"), _savepoint():
        event.delete()
