"""What nobody may learn of a template: not by a row, a log, a record, an export or an answer."""

import json
import logging

import numpy as np
import pytest
from django.core import serializers
from django.db import connection

from accounts.models import User
from governance.models import AuditEntry
from moderation.likeness_keys import key_open, template_open
from moderation.matching.faces import distance
from moderation.models import (
    DeletionProof,
    DeletionVia,
    ProtectedIdentity,
)
from moderation.selectors.likeness import match_faces
from moderation.services.likeness import (
    identity_verify,
    identity_withdraw,
    templates_delete,
)
from tests.factories.accounts import make_user
from tests.factories.faces import descriptor_at, made_face
from tests.factories.likeness import READER, make_identity, make_template, make_waiting, matched

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> User:
    return make_user("mo", is_moderator=True)


def _whole_life(moderator: User) -> ProtectedIdentity:
    identity = make_identity()
    matched(made_face(seed=1))
    identity_verify(identity=identity, moderator=moderator)
    templates_delete(identity=identity, via=DeletionVia.ACCOUNT)
    identity.refresh_from_db()
    make_template(identity, made_face(seed=1))
    return identity


def _traces(descriptor: np.ndarray) -> list[str]:
    """How a descriptor would look where it is written out."""
    first = [float(value) for value in descriptor[:4]]
    return [descriptor.tobytes().hex()[:16], *(str(abs(value))[:9] for value in first)]


def test_descriptor_is_in_no_row_log_record_or_export(
    moderator: User, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    identity = _whole_life(moderator)
    print(
        identity,
        repr(identity),
        identity.templates.all(),
        match_faces(descriptors=[descriptor_at(seed=1)], reader=READER),
    )
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names():
            if table.startswith(("moderation_", "governance_")):
                cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
                rows += [text for (text,) in cursor.fetchall()]
    dumped = serializers.serialize("json", [identity, *identity.templates.all(), *DeletionProof.objects.all()])
    written = capsys.readouterr()
    everywhere = "\n".join([*rows, dumped, caplog.text, written.out, written.err])
    assert str(identity.public_id) in everywhere
    for trace in _traces(descriptor_at(seed=1)):
        assert trace not in everywhere


def test_rows_show_no_bytes_and_no_person_when_printed(moderator: User) -> None:
    identity = _whole_life(moderator)
    template = identity.templates.get()
    picture = make_waiting(identity)
    for row in (identity, template, picture, DeletionProof.objects.get(), identity.links.model(identity=identity)):
        for shown in (repr(row), str(row)):
            assert "Ada Example" not in shown
            assert bytes(template.ciphertext).hex() not in shown
            assert len(shown) < 120


def test_audit_log_holds_ids_and_codes_alone(moderator: User) -> None:
    identity = _whole_life(moderator)
    identity_withdraw(identity=identity, via=DeletionVia.ACCOUNT, actor=identity.user)
    entries = AuditEntry.objects.filter(subject_type="moderation.protectedidentity")
    assert {entry.action for entry in entries} >= {"likeness.enrolled", "likeness.withdrawn"}
    text = json.dumps([entry.data for entry in entries])
    for personal in ("Ada Example", "AdaX", "example.org", identity.email_digest):
        assert personal not in text


def test_match_gives_out_no_descriptor(moderator: User) -> None:
    make_identity()
    (match,) = match_faces(descriptors=[descriptor_at(seed=1, away=0.12345)], reader=READER).matches
    assert match.distance == 0.12
    assert not [value for value in vars(match).values() if isinstance(value, np.ndarray | bytes)]


def test_sealed_template_is_what_was_enrolled() -> None:
    identity = make_identity()
    opened = template_open(key_open(identity), identity.templates.get())
    assert distance(opened, descriptor_at(seed=1)) == 0
