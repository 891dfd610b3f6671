"""The history of a case: every event is a row for the moderators and an entry of the audit chain without its words."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model

from accounts.models import User
from governance.services import audit_append
from moderation.models import Case, CaseEvent, EventKind


def case_log(
    *,
    case: Case,
    kind: EventKind,
    actor: User | None,
    text: str = "",
    data: Mapping[str, Any] | None = None,
    rows: Sequence[Model] = (),
) -> CaseEvent:
    """Add an event inside the caller's transaction. `data` goes into the chain, so it holds ids and codes only."""
    event = CaseEvent.objects.create(case=case, kind=kind, actor=actor, text=text, data=dict(data or {}))
    audit_append(
        actor=actor,
        action=f"case.{kind.value}",
        subject=("moderation.case", str(case.public_id)),
        data={"event": event.pk, "kind": case.kind, "version": case.version_id, **(data or {})},
        rows=rows,
    )
    return event
