"""The name of an erased person in rows that stay: replaced by their pseudonym, on record where the chain seals them.

What is replaced: the addresses of the person's adapters (`name/adapter`) and the e-mail address wherever they stand,
and the name alone where a field is known to hold a person. A name inside other people's sentences is left: it may be a
common word, and the sentence is theirs. `KEPT` says which tables are not touched, and why.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import CharField, JSONField, Model, TextField

from accounts.models import User
from governance.redaction import Redaction, rows_redact
from governance.signing import sign_receipt
from registry.models import Acceptance, Receipt, TermsText

GROUND = "erasure"
CHUNK = 500  # rows in memory
SHORTEST = 20  # characters: shorter columns hold codes
# Keys of JSON values that hold a username and nothing else; the key, and column, that holds addresses of adapters.
HOLDERS = frozenset({"asserted_by", "moderator", "assignee", "user", "recipient", "owner", "creator"})
ADDRESSES = "adapters"
MACHINES = frozenset({"storage_key", "original_key", "content_type", "path"})  # columns that no person reads
KEPT = {
    "governance.auditentry": "the chain; new entries hold handles, old ones are part of what was signed",
    "registry.termstext": "contracts of other people: see terms_redact",
    "registry.receipt": "documents of other people: see receipts_redact",
    "moderation.optoutentry": "what people opted out, in their words; also millions of rows of lists",
    "moderation.optoutclaim": "names of the things in other people's lists",
    "accounts.user": "changed by accounts.erasure",
    "accounts.namespace": "changed by accounts.erasure",
    "sessions.session": "holds ids, and ends with the password",
}
ERASED_TERMS = "These terms were erased: nobody else accepted them.\n"
ERASED_NOTICE = "This notice was erased with the account of its only reader.\n"


@dataclass(frozen=True)
class Renaming:
    """What stands for what: the person's name and address, and the addresses of their adapters, old to new."""

    username: str
    email: str
    pseudonym: str
    paths: Mapping[str, str] = field(default_factory=dict)  # name/old → pseudonym/new

    @cached_property
    def _path(self) -> re.Pattern[str]:
        """Addresses of adapters: alone, or behind this site's own; a folder of another site is none of ours."""
        whole = "|".join(re.escape(path) for path in sorted(self.paths, key=len, reverse=True))
        site = re.escape(f"{settings.PUBLIC_URL}/")
        return re.compile(rf"(?:(?<={site})|(?<![\w./-]))(?:{whole})(?![\w-]|\.\w)")

    @cached_property
    def _mail(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.email), re.IGNORECASE)

    def text(self, value: str) -> str:
        """`value` with every address replaced."""
        named = self._path.sub(lambda match: self.paths[match[0]], value) if self.paths else value
        return self._mail.sub(f"{self.pseudonym}@erased.invalid", named)

    def value(self, value: Any, key: str = "") -> Any:
        """The same through lists and objects; whole values where `key` says what they are."""
        if isinstance(value, str):
            return self._whole(value, key)
        if isinstance(value, dict):
            return {name: self.value(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, key) for inner in value]
        return value

    def _whole(self, value: str, key: str) -> str:
        if key in HOLDERS and value == self.username:
            return self.pseudonym
        if key == ADDRESSES and value not in self.paths and value.startswith(f"{self.username}/"):
            return self.pseudonym + value.removeprefix(self.username)  # an adapter that was never made
        return self.text(value)


def names_redact(*, renaming: Renaming, actor: User | None, subject: tuple[str, str]) -> int:
    """Replace the name in every table but those that are `KEPT`; how many rows changed."""
    changed = [
        redaction
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy and model._meta.label_lower not in KEPT
        for redaction in _changes(model, renaming)
    ]
    return rows_redact(redactions=changed, actor=actor, subject=subject, ground=GROUND)


def _changes(model: type[Model], renaming: Renaming) -> Iterable[Redaction]:
    names = [column.attname for column in _columns(model)]
    if not names:
        return
    for row in model._default_manager.filter(pk__in=_mentioning(model, renaming)).iterator(chunk_size=CHUNK):
        after = {name: renaming.value(getattr(row, name), name if name == ADDRESSES else "") for name in names}
        values = {name: value for name, value in after.items() if value != getattr(row, name)}
        if values:
            yield Redaction(row, values)


def _columns(model: type[Model]) -> list[Any]:
    """Columns that a name can stand in: not the keys, nor those that a choice or a short code fills."""
    return [
        column
        for column in model._meta.concrete_fields
        if isinstance(column, CharField | TextField | JSONField | ArrayField)
        and not (column.primary_key or column.choices or column.attname in MACHINES)
        and (column.max_length or SHORTEST) >= SHORTEST
    ]


def _mentioning(model: type[Model], renaming: Renaming) -> list[Any]:
    """Primary keys of rows whose text may have to change: a few too many, for the words themselves decide."""
    text = ", ".join(f'"{column.column}"::text' for column in _columns(model))
    name = renaming.username
    wanted = [_anywhere(f"{name}/"), _anywhere(f'"{name}"'), _anywhere(f"({name})"), _anywhere(renaming.email)]
    # Names of tables and columns come from the models, never from anybody.
    query = (
        f'SELECT "{model._meta.pk.column}" FROM "{model._meta.db_table}" WHERE concat_ws(\' \', {text}) ILIKE ANY (%s)'
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [wanted])
        return [row[0] for row in cursor.fetchall()]


def _anywhere(text: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return f"%{escaped}%"


def receipts_redact(*, user: User, renaming: Renaming, actor: User, subject: tuple[str, str]) -> int:
    """The person's own receipts name the pseudonym, and are signed again; how many there were.

    Receipts of other people stay as they are: they are those people's proof of what they were allowed, by whom.
    """
    mine = Receipt.objects.filter(acceptance__user=user).select_related("acceptance__version__adapter__owner")
    changes = [_receipt(receipt, user, renaming) for receipt in mine]
    return rows_redact(redactions=changes, actor=actor, subject=subject, ground=GROUND)


def _receipt(receipt: Receipt, user: User, renaming: Renaming) -> Redaction:
    own = receipt.acceptance.version.adapter.owner.user_id == user.pk
    notice = ERASED_NOTICE if own else receipt.notice
    unsigned = {name: value for name, value in receipt.body.items() if name not in {"signature", "key_id", "algorithm"}}
    body = {**renaming.value(unsigned), "recipient": renaming.pseudonym}
    if own:
        body["notice_sha256"] = hashlib.sha256(notice.encode()).hexdigest()
    return Redaction(receipt, {"body": sign_receipt(body), "notice": notice})


def terms_redact(*, user: User, renaming: Renaming, actor: User, subject: tuple[str, str]) -> int:
    """Terms that name the person and that nobody else accepted lose their text; how many.

    What others accepted stays, word for word: it is their contract, and its digest stands in their receipts.
    """
    others = Acceptance.objects.exclude(user=user).values("terms_id")
    mine = TermsText.objects.filter(pk__in=_mentioning(TermsText, renaming)).exclude(pk__in=others)
    named = [
        terms for terms in mine if f"({renaming.username})" in terms.text or renaming.text(terms.text) != terms.text
    ]
    changes = [Redaction(terms, {"text": ERASED_TERMS}) for terms in named]
    return rows_redact(redactions=changes, actor=actor, subject=subject, ground=GROUND)
