"""Prepared texts: who changed one is on the audit log, for they shape many decisions."""

import hashlib

from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.models import Macro


@audited()
def macro_save(*, macro: Macro, actor: User) -> Macro:
    """Add or change one."""
    macro.updated_at = timezone.now()
    macro.save()
    text = f"{macro.title}\n{macro.public_reasoning}\n{macro.private_notes}"
    data = {"kind": macro.kind, "verdict": macro.verdict, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    audit_append(actor=actor, action="macro.saved", subject=("moderation.macro", str(macro.pk)), data=data)
    return macro


@audited()
def macro_delete(*, macro: Macro, actor: User) -> None:
    """Remove one; decisions that were taken with it keep their words."""
    audit_append(actor=actor, action="macro.removed", subject=("moderation.macro", str(macro.pk)))
    macro.delete()
