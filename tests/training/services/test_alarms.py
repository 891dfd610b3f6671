"""A grave finding in a private dataset is told to moderators at once and again, until one decides, on record."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from governance.services import audited
from moderation.models import Letter
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, make_dataset, photo
from training.errors import RulingRefused
from training.models import AlarmOutcome, DatasetAlarm, DatasetPicture, PictureState
from training.services.alarms import alarm_escalate, alarm_raise, alarms_escalating
from training.services.dataset_rulings import picture_rule
from training.services.dataset_screening import _Run
from training.services.dataset_work import work_lease

pytestmark = pytest.mark.django_db
FOUND = {"check": "youth", "code": "youth-sexual", "message": "It seems so.", "facts": {"score": 0.9}}


@pytest.fixture
def picture() -> DatasetPicture:
    for name in ("mo", "mia"):
        make_user(name, is_moderator=True)
    dataset = make_dataset(make_user("ada"))
    bring(dataset, {"a.png": photo(1)})
    dataset.pictures.update(state=PictureState.REFUSED, findings=[FOUND])
    return dataset.pictures.get()


def raised(picture: DatasetPicture) -> bool:
    with audited():
        return alarm_raise(picture=picture)


def test_screening_raises_it_once_and_every_moderator_is_written_to(picture: DatasetPicture) -> None:
    from governance.policy import Finding

    job = work_lease(job_id=str(picture.dataset.jobs.get(kind="screen").pk))
    assert job is not None
    run = _Run(job)
    for _ in range(2):
        run._settle(picture, [Finding("youth", "youth-sexual", "It seems so.", {"score": 0.9})], 0)
    alarm = DatasetAlarm.objects.get()
    assert (alarm.picture, alarm.due_at - alarm.opened_at > timedelta(hours=23)) == (picture.public_id, True)
    assert Letter.objects.filter(key__startswith="dataset-alarm:").count() == 2


def test_nothing_is_raised_over_other_findings(picture: DatasetPicture) -> None:
    picture.findings = [{**FOUND, "code": "sexual-person"}]
    assert not raised(picture)
    assert not DatasetAlarm.objects.exists()


def test_its_clock_writes_again_each_step_once(picture: DatasetPicture) -> None:
    assert raised(picture)
    alarm = DatasetAlarm.objects.get()
    assert alarms_escalating() == []
    for hours, letters in ((13, 4), (19, 6), (23, 8), (99, 8)):
        now = timezone.now() + timedelta(hours=hours)
        for one in alarms_escalating(now):
            assert alarm_escalate(alarm=one, now=now)
            assert not alarm_escalate(alarm=one, now=now)
        assert Letter.objects.filter(key__startswith=f"dataset-alarm:{alarm.public_id}").count() == letters


@pytest.mark.parametrize(("allow", "outcome"), [(True, AlarmOutcome.UNFOUNDED), (False, AlarmOutcome.CONFIRMED)])
def test_a_decision_closes_it_and_the_picture_stays_refused(
    picture: DatasetPicture, allow: bool, outcome: AlarmOutcome
) -> None:
    from accounts.models import User

    raised(picture)
    mo: Any = User.objects.get(username="mo")
    record = picture_rule(picture=picture, actor=mo, allow=allow, reasoning="Looked at.")
    alarm, row = DatasetAlarm.objects.get(), DatasetPicture.objects.get()
    assert (alarm.outcome, alarm.closed_by, alarm.decision) == (outcome, mo, record)
    assert row.state == PictureState.REFUSED
    assert alarms_escalating(timezone.now() + timedelta(hours=99)) == []
    with pytest.raises(RulingRefused), transaction.atomic():
        picture_rule(picture=row, actor=mo, allow=True, reasoning="Once more.")
