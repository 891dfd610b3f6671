"""The sidecars of one delivered file as a zip: unpacked into the file's folder, every tool finds its own."""

import io
import json
import zipfile
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from accounts.models import User
from registry.compat.civitai.pictures import pictures_of
from registry.compat.civitai.shapes import shelf
from registry.compat.sidecars.shapes import civitai_info, manager_metadata, stem_of, user_metadata
from registry.models import Receipt
from registry.services.delivery import require_available, require_still_allowed


def sidecars_zip(*, actor: User, receipt: Receipt) -> bytes:
    """The archive for a receipt of `actor`; the same receipt gives the same bytes while nothing changed.

    Raises NotAvailable where the file itself would not be given out any more.
    """
    version = receipt.file.version
    require_available(version)
    require_still_allowed(receipt)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _contents(actor, receipt):
            entry = zipfile.ZipInfo(name, receipt.issued_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return made.getvalue()


def archive_name(receipt: Receipt) -> str:
    """The name that a browser saves it under."""
    return f"{stem_of(receipt.file)}.sidecars.zip"


def _contents(actor: User, receipt: Receipt) -> list[tuple[str, bytes]]:
    file, version = receipt.file, receipt.file.version
    stem = stem_of(file)
    found = shelf(actor=actor, adapters=[version.adapter], root=settings.PUBLIC_URL)
    info = civitai_info(version, found)
    picture = _preview(actor, version.pk)
    preview = f"{stem}.preview.png" if picture else ""
    contents = [
        (f"{stem}.civitai.info", _json(info)),
        (f"{stem}.metadata.json", _json(manager_metadata(version, file, info, preview))),
        (f"{stem}.json", _json(user_metadata(version))),
        (f"{stem}.NOTICE.txt", receipt.notice.encode()),
        (f"{stem}.receipt.json", _json(receipt.body)),
    ]
    return [*contents, (preview, picture)] if picture else contents


def _preview(actor: User, version: int) -> bytes:
    """The first picture that this person may see; empty where there is none."""
    pictures = pictures_of(actor=actor, versions=[version])
    if not pictures:
        return b""
    with default_storage.open(pictures[0].row.storage_key, "rb") as stored:
        content: bytes = stored.read()
    return content


def _json(plain: Any) -> bytes:
    return json.dumps(plain, indent=2, ensure_ascii=False).encode()
