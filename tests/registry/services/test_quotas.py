"""Quotas: of people and organisations, counted from the first byte announced, never given out twice."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Namespace, User
from registry.errors import QuotaExceeded
from registry.models import Upload
from registry.services.uploads import (
    quota_left,
    room_left,
    upload_create,
    upload_delete,
)
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_submitted, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _begun(actor: User, length: int = 10) -> Upload:
    namespace = Namespace.objects.get(user=actor)
    return upload_create(actor=actor, namespace=namespace, filename="a.safetensors", length=length)


def test_quota_counts_what_lies_there_what_arrives_and_what_waits(ada: User, settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 100_000
    namespace = Namespace.objects.get(user=ada)
    size = len(lora_bytes())
    make_version(actor=ada, name="stored")
    make_submitted(actor=ada, name="waiting", content=lora_bytes(seed=2))
    begun = _begun(ada, 1000)
    assert quota_left(namespace=namespace) == 100_000 - 2 * size - 1000
    upload_delete(upload=begun)
    assert quota_left(namespace=namespace) == 100_000 - 2 * size
    with pytest.raises(QuotaExceeded):
        _begun(ada, 100_000 - 2 * size + 1)
    assert _begun(ada, 100_000 - 2 * size)


def test_expired_upload_gives_its_room_back(ada: User, settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 1000
    old = _begun(ada, 1000)
    Upload.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert _begun(ada, 1000)


def test_quota_of_an_organisation_is_its_own(ada: User, settings: Any) -> None:
    settings.QUOTA_USER_BYTES, settings.QUOTA_ORGANISATION_BYTES = 1000, 500
    studio = make_organisation(ada, "studio").namespace
    upload_create(actor=ada, namespace=studio, filename="a", length=400)
    assert {str(name): left for name, left in room_left(actor=ada)} == {"ada": 1000, "studio": 100}
    with pytest.raises(QuotaExceeded, match="studio"):
        upload_create(actor=ada, namespace=studio, filename="a", length=101)


def test_room_reserved_under_ones_own_name_is_none_of_an_organisations(ada: User, settings: Any) -> None:
    size = len(lora_bytes())
    studio = make_organisation(ada, "studio").namespace
    settings.QUOTA_ORGANISATION_BYTES = size - 1
    upload = make_upload(actor=ada)
    with pytest.raises(QuotaExceeded, match="studio"):
        _submit_to(ada, studio, upload)
    upload.refresh_from_db()
    assert upload.consumed_at is None
    settings.QUOTA_ORGANISATION_BYTES = size
    _submit_to(ada, studio, upload)
    assert quota_left(namespace=studio) == 0
    assert quota_left(namespace=Namespace.objects.get(user=ada)) == settings.QUOTA_USER_BYTES


def _submit_to(actor: User, owner: Namespace, upload: Upload) -> None:
    from registry.services.intake import intake
    from tests.factories.registry import declaration

    intake(actor=actor, owner=owner, name="style", upload=upload, declaration=declaration())


@pytest.mark.django_db(transaction=True)
def test_last_room_of_a_quota_is_given_once_to_several_at_once(settings: Any) -> None:
    settings.QUOTA_USER_BYTES = 1000
    ada = make_user("ada")
    answers: list[str] = []
    start = threading.Barrier(4)

    def reserve() -> None:
        try:
            start.wait()
            _begun(ada, 400)
            answers.append("taken")
        except QuotaExceeded:
            answers.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=reserve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["refused", "refused", "taken", "taken"]
