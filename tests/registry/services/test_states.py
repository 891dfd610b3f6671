"""Every step between states that is allowed and every one that is not, in the service and in the database itself."""

import itertools
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from governance.handles import actor_names
from governance.models import AuditEntry
from registry.errors import TransitionRefused
from registry.models import Adapter, Receipt, Revision, RevisionEntry, RightsStatement, TermsText, Version
from registry.models.versions import VersionTransition
from registry.services.states import version_transition
from registry.states import TRANSITIONS, VersionState, may_become
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
S = VersionState
# Written down again, so that the product's own table cannot be changed unnoticed.
ALLOWED = {
    ("draft", "scanning"), ("draft", "withdrawn"),
    ("scanning", "draft"), ("scanning", "in-review"), ("scanning", "published"), ("scanning", "refused"),
    ("scanning", "withdrawn"),
    ("in-review", "published"), ("in-review", "refused"), ("in-review", "quarantined"), ("in-review", "withdrawn"),
    ("in-review", "taken-down"),
    ("published", "in-review"), ("published", "quarantined"), ("published", "withdrawn"), ("published", "taken-down"),
    ("refused", "in-review"), ("refused", "scanning"), ("refused", "taken-down"),
    ("quarantined", "published"), ("quarantined", "in-review"), ("quarantined", "refused"),
    ("quarantined", "withdrawn"), ("quarantined", "taken-down"),
    ("withdrawn", "in-review"), ("withdrawn", "taken-down"),
    ("taken-down", "in-review"),
}  # fmt: skip
PAIRS = list(itertools.permutations([state.value for state in S], 2))


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def _set_state(version: Version, state: str) -> None:
    """Puts the version into any state, past every guard."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # deferred ones would keep the table from being altered
        cursor.execute("ALTER TABLE registry_version DISABLE TRIGGER registry_version_transition")
        cursor.execute("UPDATE registry_version SET state = %s WHERE id = %s", [state, version.pk])
        cursor.execute("ALTER TABLE registry_version ENABLE TRIGGER registry_version_transition")
    version.refresh_from_db()


def test_the_three_tables_are_one() -> None:
    in_code = {(old.value, new.value) for old, news in TRANSITIONS.items() for new in news}
    in_database = set(VersionTransition.objects.values_list("from_state", "to_state"))
    assert in_code == in_database == ALLOWED
    assert all(may_become(S(old), S(new)) == ((old, new) in ALLOWED) for old, new in PAIRS)


def test_service_takes_exactly_the_allowed_steps(version: Version) -> None:
    wrong = []
    for old, new in PAIRS:
        _set_state(version, old)
        try:
            version_transition(version=version, to=S(new), actor=None)
            taken = True
        except TransitionRefused:
            taken = False
        stored = Version.objects.get(pk=version.pk).state
        if taken != ((old, new) in ALLOWED) or stored != (new if taken else old):
            wrong.append((old, new))
    assert wrong == []


def test_database_takes_exactly_the_allowed_steps_from_anybody(version: Version) -> None:
    wrong = []
    for old, new in PAIRS:
        _set_state(version, old)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("UPDATE registry_version SET state = %s WHERE id = %s", [new, version.pk])
            taken = True
        except IntegrityError:
            taken = False
        if taken != ((old, new) in ALLOWED):
            wrong.append((old, new))
    assert wrong == []


@pytest.mark.parametrize("state", [state.value for state in S if state is not S.DRAFT])
def test_version_begins_as_a_draft(version: Version, state: str) -> None:
    kept = [field.attname for field in Version._meta.fields if field.name not in {"id", "public_id"}]
    values = {name: getattr(version, name) for name in kept} | {"number": 2, "state": state}
    with pytest.raises(IntegrityError, match="begins as a draft"), transaction.atomic():
        Version.objects.create(**values)
    assert Version.objects.create(**{**values, "state": "draft"}).pk


def test_unknown_state_is_refused_by_the_database(version: Version) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(state="beloved")


@pytest.mark.parametrize("missing", ["revision", "decision", "published_at"])
def test_published_version_has_what_it_needs(version: Version, missing: str) -> None:
    with pytest.raises(IntegrityError, match="version_published_has_what_it_needs"), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(**{missing: None})


def test_step_is_on_the_audit_log_with_who_took_it_and_why(version: Version) -> None:
    mona = make_user("mona")
    version_transition(version=version, to=S.QUARANTINED, actor=mona, detail={"code": "report"})
    entry = AuditEntry.objects.order_by("-sequence").filter(action="version.quarantined").first()
    assert entry is not None
    assert (actor_names([entry.actor]), entry.subject_id) == ({entry.actor: "mona"}, str(version.pk))
    assert entry.data["from"] == "published"
    assert entry.data["code"] == "report"


def test_step_ends_the_lease_and_keeps_the_first_publication(version: Version) -> None:
    first = version.published_at
    Version.objects.filter(pk=version.pk).update(scan_lease_until=timezone.now())
    version_transition(version=version, to=S.QUARANTINED, actor=None)
    version_transition(version=version, to=S.PUBLISHED, actor=None)
    version.refresh_from_db()
    assert version.published_at == first
    assert version.scan_lease_until is None


def test_refused_step_changes_nothing(version: Version) -> None:
    entries = AuditEntry.objects.count()
    with pytest.raises(TransitionRefused, match="published and cannot become scanning") as refused:
        version_transition(version=version, to=S.SCANNING, actor=None, detail={"code": "x"})
    assert refused.value.data == {"state": "published"}
    stored = Version.objects.get(pk=version.pk)
    assert (stored.state, stored.state_detail) == ("published", {})
    assert AuditEntry.objects.count() == entries


def test_of_two_stale_copies_the_second_is_refused(version: Version) -> None:
    stale = Version.objects.select_related("adapter__owner").get(pk=version.pk)
    version_transition(version=version, to=S.TAKEN_DOWN, actor=None)
    with pytest.raises(TransitionRefused):
        version_transition(version=stale, to=S.WITHDRAWN, actor=None)


@pytest.fixture
def receipt(version: Version) -> Receipt:
    from governance.policy import Use
    from registry.services.delivery import gate_accept, gate_ask

    asked: dict[str, Any] = {"actor": version.created_by, "organisation": None, "version": version, "use": Use.PERSONAL}
    return gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Revision, {"message": "rewritten"}),
        (RevisionEntry, {"path": "elsewhere"}),
        (RightsStatement, {"text": "I promise nothing."}),
        (TermsText, {"text": "Everything is allowed."}),
        (Receipt, {"body": {}}),
        (Receipt, {"notice": ""}),
    ],
)
def test_rows_that_prove_something_never_change(receipt: Receipt, model: Any, change: dict[str, Any]) -> None:
    assert model.objects.exists()
    with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
        model.objects.update(**change)


def test_receipt_may_note_its_first_delivery(receipt: Receipt) -> None:
    Receipt.objects.update(first_delivered_at=timezone.now())
    assert Receipt.objects.get().first_delivered_at is not None


def test_adapter_with_versions_cannot_be_deleted(version: Version) -> None:
    with pytest.raises(Exception, match="protected"):
        Adapter.objects.get(pk=version.adapter_id).delete()
    with pytest.raises(Exception, match="protected"):
        User.objects.get(pk=version.created_by_id).delete()
