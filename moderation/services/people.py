"""Who stands behind a report or counter-notice: sealed at rest, opened for letters, and for moderators on record."""

import json
from dataclasses import asdict, dataclass

from accounts.models import User
from governance.services import audited
from moderation.models import Appeal, EventKind, Report
from moderation.services.cases import case_locked
from moderation.services.history import case_log
from registry.sealing import seal, unseal


@dataclass(frozen=True)
class Contact:
    """How to reach somebody, and the name with which they signed. `token` opens their tracking page."""

    name: str = ""
    email: str = ""
    signature: str = ""
    address: str = ""
    phone: str = ""
    token: str = ""

    @property
    def is_empty(self) -> bool:
        return not any((self.name, self.email, self.signature, self.address, self.phone))


def contact_sealed(contact: Contact, *, of: Report | Appeal) -> bytes:
    """Sealed for this row alone."""
    return seal(json.dumps(asdict(contact)).encode(), context=_context(of))


def report_contact(of: Report | Appeal) -> Contact:
    """Who sent it; empty where that was not said, or has been erased. Raises SealBroken."""
    if not bytes(of.contact):
        return Contact()
    return Contact(**json.loads(unseal(bytes(of.contact), context=_context(of))))


def _context(of: Report | Appeal) -> str:
    return f"{of._meta.model_name} {of.public_id}"


@audited()
def contact_show(*, of: Report | Appeal, actor: User, reason: str) -> Contact:
    """Show a moderator who sent it: on record with the reason, which stays with the case."""
    case = case_locked(of.case)
    data = {of._meta.model_name or "": str(of.public_id)}
    case_log(case=case, kind=EventKind.CONTACT, actor=actor, text=reason, data=data)
    return report_contact(of)
