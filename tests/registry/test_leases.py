"""Leases are renewed while the work lasts, from a connection of their own, and no longer."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from registry.leases import lease_kept
from registry.models import Version
from registry.services import inspection
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted

SHORT = timedelta(seconds=0.3)
PATIENCE = 30  # seconds


class Renewals:
    """Counts how often it was asked, and answers as the test says."""

    def __init__(self, answer: Callable[[], bool]) -> None:
        self.answer, self.count, self.changed = answer, 0, threading.Condition()

    def __call__(self) -> bool:
        with self.changed:
            self.count += 1
            self.changed.notify_all()
        return self.answer()

    def reach(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.count >= count, PATIENCE)


def _renewing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.endswith("(_renew)")]


def _fail() -> bool:
    raise OperationalError("the database is away")


def test_renewing_goes_on_until_the_work_is_over() -> None:
    renewals = Renewals(lambda: True)
    with lease_kept(renew=renewals, lifetime=SHORT):
        renewals.reach(3)
    assert _renewing() == []


def test_renewing_survives_a_database_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    renewals = Renewals(_fail)
    with lease_kept(renew=renewals, lifetime=SHORT):
        renewals.reach(2)
    assert "A lease could not be renewed" in caplog.text


def test_lease_of_another_is_left_alone() -> None:
    renewals = Renewals(lambda: False)
    with lease_kept(renew=renewals, lifetime=SHORT):
        renewals.reach(1)
        for thread in _renewing():
            thread.join(PATIENCE)
        assert _renewing() == []  # though the work goes on
    assert renewals.count == 1


def test_failing_work_ends_the_renewing() -> None:
    with pytest.raises(ZeroDivisionError), lease_kept(renew=lambda: True, lifetime=SHORT):
        raise ZeroDivisionError
    assert _renewing() == []


@pytest.mark.django_db
def test_only_the_latest_inspection_renews_its_lease() -> None:
    version = make_submitted(actor=make_user("ada"))
    first = Version.objects.filter(pk=version.pk, state="scanning", scan_attempts=1)
    second = Version.objects.filter(pk=version.pk, state="scanning", scan_attempts=2)
    assert inspection._lease(version.pk)
    assert inspection._lease(version.pk) is None  # it is held
    assert inspection._renew(first)

    first.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
    assert inspection._lease(version.pk)
    assert not inspection._renew(first)  # the one that was slow comes back and finds another's lease
    assert inspection._renew(second)


@pytest.mark.django_db
def test_inspected_version_is_not_renewed() -> None:
    version = make_submitted(actor=make_user("ada"))
    inspection.version_inspect(version_id=version.pk)
    version.scan_attempts = 1
    assert not inspection._renew(inspection._held(version))
