"""The chain vouches for the accepted terms, the acceptance and the receipt, which lie in tables of the registry."""

from collections.abc import Callable

import pytest
from django.core.management import CommandError
from django.utils import timezone

from governance.policy import Use
from registry.models import Receipt
from registry.services.delivery import gate_accept, gate_ask
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.governance.tampering import tamper, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def receipt() -> Receipt:
    version = make_version(actor=make_user())
    asked = {"actor": make_user("bob"), "organisation": None, "version": version, "use": Use.PERSONAL}
    terms = gate_ask(**asked).terms  # type: ignore[arg-type]
    return gate_accept(**asked, accepted_terms=terms.digest)  # type: ignore[arg-type]


def test_what_the_gate_wrote_is_whole_also_after_the_delivery(receipt: Receipt) -> None:
    assert "the chain is whole" in verify()
    Receipt.objects.filter(pk=receipt.pk).update(first_delivered_at=timezone.now())
    assert "the chain is whole" in verify()


TERMS, ACCEPTED, RECEIPTS = "registry_termstext", "registry_acceptance", "registry_receipt"
Key = Callable[[Receipt], object]
CHANGES: list[tuple[str, str, Key]] = [
    (
        TERMS,
        f"UPDATE {TERMS} SET text = text || ' And more.' WHERE digest = '{{key}}'",
        lambda r: r.acceptance.terms_id,
    ),
    (TERMS, f"DELETE FROM {TERMS} WHERE digest = '{{key}}'", lambda r: r.acceptance.terms_id),
    (ACCEPTED, f"UPDATE {ACCEPTED} SET use = 'redistribution' WHERE id = {{key}}", lambda r: r.acceptance_id),
    (ACCEPTED, f"UPDATE {ACCEPTED} SET accepted_at = now() WHERE id = {{key}}", lambda r: r.acceptance_id),
    (ACCEPTED, f"DELETE FROM {ACCEPTED} WHERE id = {{key}}", lambda r: r.acceptance_id),
    (RECEIPTS, f"UPDATE {RECEIPTS} SET notice = '' WHERE id = '{{key}}'", lambda r: r.pk),
    (RECEIPTS, f"UPDATE {RECEIPTS} SET body = body - 'signature' WHERE id = '{{key}}'", lambda r: r.pk),
    (RECEIPTS, f"DELETE FROM {RECEIPTS} WHERE id = '{{key}}'", lambda r: r.pk),
]


@pytest.mark.parametrize(("table", "statement", "key"), CHANGES, ids=[f"{row[0]}: {row[1][:40]}" for row in CHANGES])
def test_changed_or_removed_row_is_named(receipt: Receipt, table: str, statement: str, key: Key) -> None:
    tamper(table, statement.format(key=key(receipt)))
    what = "removed" if statement.startswith("DELETE") else "changed"
    with pytest.raises(CommandError, match=f"the row {key(receipt)} of {table.replace('_', '.')}, .* was {what}"):
        verify()


@pytest.mark.parametrize("table", [ACCEPTED, RECEIPTS])
def test_row_that_was_slipped_in_is_named(receipt: Receipt, table: str) -> None:
    model = Receipt if table == RECEIPTS else type(receipt.acceptance)
    columns = ", ".join(f'"{field.column}"' for field in model._meta.concrete_fields if field.column != "id")
    own, key = ("id, ", "gen_random_uuid(), ") if table == RECEIPTS else ("", "")
    tamper(table, f"INSERT INTO {table} ({own}{columns}) SELECT {key}{columns} FROM {table} LIMIT 1")
    with pytest.raises(CommandError, match=f"of {table.replace('_', '.')} is in no entry"):
        verify()
