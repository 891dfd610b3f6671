"""What the words of a prompt may not ask for: names in the opt-out register, and young people beside sexual content.

The negative prompt says what is not to be seen and is not asked about names; terms about young people there make the
checks of the pictures no stricter. What is refused is on the audit log by its codes, without the words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.models import User
from governance.services import audit_append, audited
from inference.errors import PromptRefused
from moderation.matching.terms import find_terms
from moderation.screening.picture_bytes import Grounds, words_look
from moderation.selectors.consents import checked_consent_ids_of
from registry.models import Version
from registry.models.adapters import ContentLevel

YOUTH = (
    "Terms about young people stand in it together with sexual content. Such pictures are never made here, whatever "
    "the wording, and that it was asked for is on record."
)


@dataclass(frozen=True)
class Worded:
    """What the words mean for the pictures: how strictly they are looked at, and whose consents cover them."""

    watchful: bool
    consents: tuple[str, ...]


def words_check(*, actor: User, texts: Iterable[str], versions: Sequence[Version]) -> Worded:
    """Raises PromptRefused, on record, where the texts ask for what is not made here."""
    text = "\n".join(dict.fromkeys(texts))
    consents = tuple(dict.fromkeys(public for version in versions for public in checked_consent_ids_of(version)))
    terms = find_terms(text)
    young = [term for term in terms if term.kind == "youth"]
    mature = any(version.adapter.content_level == ContentLevel.MATURE for version in versions)
    if young and (mature or any(term.kind == "sexual" for term in terms)):
        _refuse(actor, ["youth-sexual"], YOUTH)
    grounds = Grounds(owner=actor.namespace, user_id=actor.pk, consents=consents)
    names = words_look({"prompt": text}, grounds=grounds)
    if names:
        found = ", ".join(f"“{finding.facts['found']}”" for finding in names)
        _refuse(actor, sorted({finding.code for finding in names}), _named(found, several=len(names) > 1))
    return Worded(watchful=bool(young) or mature, consents=consents)


def _named(found: str, *, several: bool) -> str:
    who = "are names" if several else "is a name"
    return (
        f"{found} {who} in the opt-out register: whose it is does not want pictures made of their person or in the "
        "manner of their work. Take it out and describe what is to be seen."
    )


def _refuse(actor: User, codes: list[str], message: str) -> None:
    with audited():
        subject = ("accounts.user", str(actor.pk))
        audit_append(actor=actor, action="generation.prompt-refused", subject=subject, data={"codes": codes})
    raise PromptRefused(message, codes=codes)
