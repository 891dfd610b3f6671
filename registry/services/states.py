"""Moving a version from state to state: locked, checked against the table, on the audit log."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from governance.services import audit_append
from registry.errors import TransitionRefused
from registry.models import Adapter, Version
from registry.services.listing import adapter_refresh
from registry.services.webhook_events import version_news
from registry.states import MEANINGS, VersionState, may_become


def version_locked(version: Version) -> Version:
    """The version as it stands now: of two people the second sees what the first decided.

    Its adapter is locked first, as every transition does.
    """
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
    related = ("adapter__owner__organisation", "base_model", "created_by", "decision", "duplicate_of")
    return Version.objects.select_related(*related).get(pk=version.pk)


def version_transition(
    *, version: Version, to: VersionState, actor: User | None, detail: dict[str, Any] | None = None, **fields: Any
) -> Version:
    """Move `version` to `to` inside the caller's transaction; raises TransitionRefused when the table forbids it."""
    Adapter.objects.select_for_update(no_key=True).get(pk=version.adapter_id)
    locked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
    current = VersionState(locked.state)
    if not may_become(current, to):
        raise TransitionRefused(
            f"{version} is {current.value} and cannot become {to.value}. {MEANINGS[current]}", state=current.value
        )
    if to is VersionState.PUBLISHED and locked.published_at is None:
        fields.setdefault("published_at", timezone.now())
    if to is not VersionState.SCANNING:
        fields.setdefault("scan_lease_until", None)
    changes = {"state": to.value, "state_detail": detail or {}, **fields}
    for name, value in changes.items():
        setattr(version, name, value)
        setattr(locked, name, value)
    locked.save(update_fields=list(changes))
    audit_append(
        actor=actor,
        action=f"version.{to.value}",
        subject=("registry.version", str(version.pk)),
        data={"from": current.value, "code": (detail or {}).get("code", "")},
    )
    adapter_refresh(adapter=version.adapter)
    version_news(version=version, before=current)
    return version
