"""Inspection is leased to one worker at a time, and healed when that worker dies, is late, or is overtaken."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry, DecisionRecord
from registry.models import Blob, Revision, Version, VersionFile
from registry.services import inspection as service
from registry.services.inspection import MAX_ATTEMPTS, inspections_due, version_inspect
from registry.services.uploads import upload_path
from registry.services.versions import version_withdraw
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.registry import make_submitted, make_version, stored_file
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _stored(version: Version) -> Version:
    return Version.objects.select_related("adapter__owner", "decision", "upload").get(pk=version.pk)


def _inspected(version: Version) -> Version:
    version_inspect(version_id=version.pk)
    return _stored(version)


def test_version_is_leased_to_one_worker(ada: User) -> None:
    version = make_submitted(actor=ada)
    lease = timezone.now() + timedelta(minutes=1)
    Version.objects.filter(pk=version.pk).update(scan_lease_until=lease)
    assert _inspected(version).state == VersionState.SCANNING
    assert inspections_due() == []


def test_worker_that_died_is_replaced_when_its_lease_is_over(ada: User) -> None:
    version = make_submitted(actor=ada)
    assert inspections_due() == [version.pk]
    over = timezone.now() - timedelta(seconds=1)
    Version.objects.filter(pk=version.pk).update(scan_lease_until=over, scan_attempts=1)
    assert inspections_due() == [version.pk]
    assert _inspected(version).inspected_at is not None
    assert inspections_due() == []


def test_message_that_arrives_twice_changes_nothing(ada: User) -> None:
    version = make_version(actor=ada)
    before = DecisionRecord.objects.count()
    version_inspect(version_id=version.pk)
    assert DecisionRecord.objects.count() == before
    assert VersionFile.objects.count() == 1


def test_file_that_kills_its_workers_goes_to_a_person(ada: User) -> None:
    version = make_submitted(actor=ada)
    Version.objects.filter(pk=version.pk).update(scan_attempts=MAX_ATTEMPTS)
    held = _inspected(version)
    assert held.state == VersionState.IN_REVIEW
    assert held.state_detail["code"] == "inspection-crashed"
    assert held.scan_lease_until is None


def test_last_attempt_may_still_succeed(ada: User) -> None:
    version = make_submitted(actor=ada)
    Version.objects.filter(pk=version.pk).update(scan_attempts=MAX_ATTEMPTS - 1)
    assert _inspected(version).inspected_at is not None


@pytest.mark.django_db(transaction=True)
def test_worker_that_dies_at_the_very_end_loses_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_submitted(actor=ada)

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(service, "audit_append", die)
        with pytest.raises(SystemExit):
            version_inspect(version_id=version.pk)
    assert _stored(version).state == VersionState.SCANNING
    assert not Blob.objects.exists()
    Version.objects.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
    healed = _inspected(version)
    assert healed.inspected_at is not None
    assert stored_file(healed).read_bytes() == lora_bytes()


def _meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], object]) -> None:
    """Lets something happen once, right before a step of the inspection is over."""
    original = getattr(service, step)

    def interrupted(*args: Any, **given: Any) -> Any:
        monkeypatch.setattr(service, step, original)
        done = original(*args, **given)
        happens()
        return done

    monkeypatch.setattr(service, step, interrupted)


STEPS = ["_read", "file_store"]


@pytest.mark.parametrize("step", STEPS)
def test_version_withdrawn_during_its_inspection_stays_withdrawn(
    ada: User, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    version = make_submitted(actor=ada)
    _meanwhile(monkeypatch, step, lambda: version_withdraw(version=_stored(version), actor=ada, reason="A mistake."))
    version_inspect(version_id=version.pk)  # a task must not fail because somebody changed their mind
    stored = _stored(version)
    assert stored.state == VersionState.WITHDRAWN
    assert not stored.files.exists()


@pytest.mark.parametrize("step", STEPS)
def test_late_worker_does_not_conclude_twice(ada: User, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    version = make_submitted(actor=ada)

    def another_takes_over() -> None:
        Version.objects.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
        version_inspect(version_id=version.pk)

    _meanwhile(monkeypatch, step, another_takes_over)
    version_inspect(version_id=version.pk)
    assert _stored(version).inspected_at is not None
    assert Revision.objects.count() == 1
    assert AuditEntry.objects.filter(action="version.inspected").count() == 1


def test_late_worker_does_not_refuse_what_another_published(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_submitted(actor=ada)
    original = service._read

    def fails_late(*_: Any) -> Any:
        monkeypatch.setattr(service, "_read", original)
        Version.objects.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
        version_inspect(version_id=version.pk)
        raise service.ArtifactRefused(code="x", what="x", why="x", remedy="x")

    monkeypatch.setattr(service, "_read", fails_late)
    version_inspect(version_id=version.pk)
    assert _stored(version).state == VersionState.SCANNING
    assert _stored(version).inspected_at is not None


def test_lost_upload_is_refused_with_what_to_do(ada: User) -> None:
    version = make_submitted(actor=ada)
    upload_path(version.upload_id).unlink()  # type: ignore[arg-type]
    refused = _inspected(version)
    assert refused.state == VersionState.REFUSED
    assert refused.state_detail["code"] == "upload-lost"
    assert "again" in refused.state_detail["remedy"]
