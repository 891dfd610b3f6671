"""Inspection is leased to one worker at a time, and healed when that worker dies, is late, or is overtaken."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from governance.models import DecisionRecord
from registry.errors import TransitionRefused
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
    assert _inspected(version).state == VersionState.PUBLISHED
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
    assert _inspected(version).state == VersionState.PUBLISHED


@pytest.mark.django_db(transaction=True)
def test_worker_that_dies_at_the_very_end_loses_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_submitted(actor=ada)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(service, "publication_settle", die)
        with pytest.raises(SystemExit):
            version_inspect(version_id=version.pk)
    assert _stored(version).state == VersionState.SCANNING
    assert not Blob.objects.exists()
    Version.objects.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
    healed = _inspected(version)
    assert healed.state == VersionState.PUBLISHED
    assert stored_file(healed).read_bytes() == lora_bytes()


def test_version_withdrawn_during_its_inspection_stays_withdrawn(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_submitted(actor=ada)
    read = service._read

    def withdrawn_meanwhile(found: Version, path: Any) -> Any:
        version_withdraw(version=_stored(version), actor=ada, reason="A mistake.")
        return read(found, path)

    monkeypatch.setattr(service, "_read", withdrawn_meanwhile)
    try:
        version_inspect(version_id=version.pk)
    except TransitionRefused:
        pytest.fail("a worker's task must not fail because somebody changed their mind")
    stored = _stored(version)
    assert stored.state == VersionState.WITHDRAWN
    assert not stored.files.exists()


def test_late_worker_does_not_conclude_twice(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_submitted(actor=ada)
    read = service._read

    def overtaken(found: Version, path: Any) -> Any:
        findings = read(found, path)
        monkeypatch.setattr(service, "_read", read)
        Version.objects.update(scan_lease_until=timezone.now() - timedelta(seconds=1))
        version_inspect(version_id=version.pk)
        return findings

    monkeypatch.setattr(service, "_read", overtaken)
    version_inspect(version_id=version.pk)
    assert _stored(version).state == VersionState.PUBLISHED
    assert Revision.objects.count() == 1
    assert DecisionRecord.objects.filter(action="publish").count() == 1


def test_lost_upload_is_refused_with_what_to_do(ada: User) -> None:
    version = make_submitted(actor=ada)
    upload_path(version.upload_id).unlink()  # type: ignore[arg-type]
    refused = _inspected(version)
    assert refused.state == VersionState.REFUSED
    assert refused.state_detail["code"] == "upload-lost"
    assert "again" in refused.state_detail["remedy"]
