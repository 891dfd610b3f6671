"""Exports (Articles 15 and 20 GDPR): asked for, made by a task part by part, sealed, fetched, deleted after days."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.errors import ExportUnavailable
from moderation.models import DataExport, ExportState, PrivacyLink
from moderation.selectors.personal_data import ADDRESS_PARTS, USER_PARTS
from moderation.services.erased_adapters import files_delete
from moderation.signals import export_queued
from moderation.throttling import HOUR, count_or_refuse
from registry.sealing import RecordKey
from registry.storage import store_bytes

MAX_ATTEMPTS = 3
ACTION = "privacy.exported"
SUBJECT = "moderation.dataexport"
GAVE_UP = "It could not be made, although it was tried several times. Ask again, or write to the operator."
README = """This is what {site} keeps about {who}, as of {at} UTC.

Each file is JSON: a list of objects. What is not in it, on purpose: passwords, tokens and links (their digests alone
are kept), face templates, notes of moderators, and data of other people. Files of adapters are on their pages.
docs/privacy.md of the software tells what each part is, how long it is kept, and on which ground.
"""
Part = Callable[[], list[dict[str, Any]]]


def export_ask(*, user: User | None = None, link: PrivacyLink | None = None) -> DataExport:
    """Have an export made; one that is under way is answered again. Raises TooManyRequests."""
    mine = {"user": user} if user else {"link": link}
    under_way = DataExport.objects.filter(**mine, state__in=[ExportState.QUEUED, ExportState.RUNNING]).first()
    if under_way is not None:
        return under_way
    who = f"user {user.pk}" if user else f"address {link.email_digest if link else ''}"
    count_or_refuse(what="export", who=who, limit=settings.EXPORTS_A_DAY, window=24 * HOUR)
    return _queue(user, link)


@audited()
def _queue(user: User | None, link: PrivacyLink | None) -> DataExport:
    total = len(USER_PARTS if user else ADDRESS_PARTS)
    export = DataExport.objects.create(user=user, link=link, parts_total=total)
    audit_append(actor=user, action="privacy.export-asked", subject=(SUBJECT, str(export.public_id)))
    transaction.on_commit(lambda: export_queued.send(sender=DataExport, export_id=export.pk))
    return export


def exports_due() -> list[int]:
    """Exports that nobody makes at the moment."""
    settled = timezone.now() - timedelta(seconds=30)
    free = Q(lease_until=None, created_at__lt=settled) | Q(lease_until__lt=timezone.now())
    waiting = DataExport.objects.filter(free, state__in=[ExportState.QUEUED, ExportState.RUNNING])
    return list(waiting.order_by("created_at").values_list("pk", flat=True)[:50])


def export_make(*, export_id: int) -> None:
    """Make the export unless somebody else does, or it is done; safe to repeat."""
    export = _claim(export_id)
    if export is None:
        return
    if export.attempts > MAX_ATTEMPTS:
        _end(export, state=ExportState.FAILED, problem=GAVE_UP)
        return
    content = archive(parts_of(export), who=_who(export), told=lambda done: _progress(export, done))
    _keep(export, content)


def parts_of(export: DataExport) -> dict[str, Part]:
    """What the export consists of, each part read when it is asked for."""
    if (user := export.user) is not None:
        return {name: partial(read, user) for name, read in USER_PARTS.items()}
    assert export.link is not None
    digest = export.link.email_digest
    return {name: partial(read, digest) for name, read in ADDRESS_PARTS.items()}


def archive(parts: Mapping[str, Part], *, who: str, told: Callable[[int], None] = lambda done: None) -> bytes:
    """A zip with one JSON file for each part; `told` hears how many are done."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        at = timezone.now()
        zipped.writestr("README.txt", README.format(site=settings.SITE_NAME, who=who, at=f"{at:%Y-%m-%d %H:%M}"))
        for done, (name, read) in enumerate(parts.items(), start=1):
            zipped.writestr(f"{name}.json", json.dumps(read(), cls=_Encoder, ensure_ascii=False, indent=2))
            told(done)
    return out.getvalue()


class _Encoder(DjangoJSONEncoder):
    """Sets as lists; everything else that is no plain value is a mistake of ours and raises."""

    def default(self, o: Any) -> Any:
        return sorted(o) if isinstance(o, set | frozenset) else super().default(o)


def _who(export: DataExport) -> str:
    return f"the account {export.user.username}" if export.user else "your address, outside of accounts"


def _claim(export_id: int) -> DataExport | None:
    now, token = timezone.now(), uuid.uuid4()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    unfinished = DataExport.objects.filter(free, pk=export_id, state__in=[ExportState.QUEUED, ExportState.RUNNING])
    lease = {"lease_token": token, "lease_until": now + settings.EXPORT_LEASE, "parts_done": 0}
    if not unfinished.update(state=ExportState.RUNNING, attempts=F("attempts") + 1, **lease):
        return None
    return DataExport.objects.select_related("user", "link").get(pk=export_id, lease_token=token)


def _progress(export: DataExport, done: int) -> None:
    DataExport.objects.filter(pk=export.pk, lease_token=export.lease_token).update(parts_done=done)


def _keep(export: DataExport, content: bytes) -> None:
    """Seal the file under a key of its own; an erasure that came meanwhile has removed the row, and nothing stays."""
    key = RecordKey.new(context=_context(export))
    storage_key = f"exports/{export.public_id}/{export.lease_token}"
    store_bytes(content=key.seal(content, _context(export)), key=storage_key)
    about = {"storage_key": storage_key, "key_wrapped": key.wrapped, "size": len(content)}
    expires = timezone.now() + settings.EXPORT_LIFETIME
    if not _end(export, state=ExportState.READY, problem="", expires_at=expires, **about):
        files_delete([storage_key])


def _end(export: DataExport, **changes: Any) -> bool:
    mine = DataExport.objects.filter(pk=export.pk, lease_token=export.lease_token, state=ExportState.RUNNING)
    return bool(mine.update(lease_token=None, lease_until=None, finished_at=timezone.now(), **changes))


@audited()
def export_fetch(*, export: DataExport, actor: User | None) -> bytes:
    """The zip; that it was fetched is on record. Raises ExportUnavailable, SealBroken."""
    now = timezone.now()
    if export.state != ExportState.READY or export.key_wrapped is None or (export.expires_at or now) <= now:
        raise ExportUnavailable("This export is not ready, or has been deleted.")
    key = RecordKey.open(bytes(export.key_wrapped), context=_context(export))
    with default_storage.open(export.storage_key, "rb") as file:
        content = key.unseal(file.read(), _context(export))
    audit_append(actor=actor, action=ACTION, subject=(SUBJECT, str(export.public_id)))
    return content


def _context(export: DataExport) -> str:
    return f"data export {export.public_id}"
