"""Sessions of the Xet protocol: a folder of xorbs for one client and one repository, removed when its time is over."""

import os
import shutil
import time
import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from registry.errors import ObjectRefused, QuotaExceeded
from registry.models.transfers import ObjectSession
from registry.services.depots import Depot, DepotKind, depot_kinds
from registry.services.transfers import parts_folder
from registry.services.uploads import LEFTOVER_AGE, PIECE, Readable, quota_left
from registry.storage import refuse_when_full

XORB_MOST = 64 * 1024 * 1024 + 4 * 1024 * 1024  # bytes: 64 MB of content and what frames it
LIFETIME = timedelta(hours=6)  # the xorbs are needed until the shard has come


def session_folder(session: ObjectSession) -> Path:
    return Path(settings.UPLOAD_DIR) / "xet" / str(session.pk)


def session_open(*, actor: User, depot: Depot) -> ObjectSession:
    """A new session under a nonce of its own."""
    session: ObjectSession = depot.session_create(user=actor, expires_at=timezone.now() + LIFETIME)
    session_folder(session).mkdir(parents=True, exist_ok=True)
    return session


def session_of(*, kind: DepotKind, pk: uuid.UUID, user_id: int, repository_id: int) -> ObjectSession:
    """The session, for whom and for what it was opened; anybody else's is absent."""
    found = kind.live_sessions().filter(
        pk=pk, user_id=user_id, expires_at__gt=timezone.now(), **{f"{kind.field}_id": repository_id}
    )
    session: ObjectSession | None
    if (session := found.first()) is None:
        raise NotFound("There is no such upload session, or it has run out.", remedy="Start the upload again.")
    return session


@transaction.atomic
def _let_in(depot: Depot, session: ObjectSession, size: int) -> None:
    """Count the bytes before they come: what a session may hold is what its namespace has room for."""
    rows = depot.kind.sessions._default_manager
    rows.select_for_update(no_key=True).get(pk=session.pk)
    rows.filter(pk=session.pk).update(size=F("size") + size)
    session.refresh_from_db(fields=["size"])
    left = quota_left(namespace=depot.namespace)
    if session.size > min(left, 2 * settings.UPLOAD_MAX_BYTES):
        raise QuotaExceeded(f"{session.size:,} bytes are on their way and {max(left, 0):,} are left.")


def xorb_path(session: ObjectSession, name: str) -> Path:
    """Where a xorb of this session lies; raises ObjectRefused for what is no hash."""
    if len(name) != 64 or set(name) - set("0123456789abcdef"):
        raise ObjectRefused("A xorb is named by 64 hexadecimal digits.")
    return session_folder(session) / name


def xorb_store(*, depot: Depot, session: ObjectSession, name: str, stream: Readable, length: int) -> bool:
    """Keep a xorb for this session; False where it has it already. Raises ObjectRefused or QuotaExceeded."""
    target = xorb_path(session, name)
    if length > XORB_MOST:
        raise ObjectRefused(f"The xorb has {length:,} bytes; {XORB_MOST:,} is the most.")
    _let_in(depot, session, length)
    existed = target.exists()
    file_receive(target=target, stream=stream, length=length)
    return not existed


def file_receive(*, target: Path, stream: Readable, length: int) -> None:
    """Write `length` bytes to `target`, which appears when all are there; raises ObjectRefused where they break off."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    left = length
    try:
        with partial.open("wb") as file:
            while left and (piece := stream.read(min(PIECE, left))):
                file.write(piece)
                left -= len(piece)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise refuse_when_full(error) from error
    if left:
        partial.unlink(missing_ok=True)
        raise ObjectRefused(f"The body breaks off: {left:,} bytes are missing.")
    os.replace(partial, target)


def sessions_expire() -> int:
    """Remove sessions whose time is over with their xorbs, and folders that no session knows; answers how many."""
    tables = [kind.sessions._default_manager for kind in depot_kinds()]
    over = [session for table in tables for session in table.filter(expires_at__lte=timezone.now())]
    for session in over:
        session_remove(session)
    folder = Path(settings.UPLOAD_DIR) / "xet"
    known = {str(pk) for table in tables for pk in table.values_list("pk", flat=True)}
    for path in folder.glob("*"):
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
    _remove_incoming()
    return len(over)


def _remove_incoming() -> None:
    """What a killed process was reading."""
    settled = time.time() - LEFTOVER_AGE
    for path in parts_folder().glob("*"):
        if path.stat().st_mtime < settled:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def session_remove(session: ObjectSession) -> None:
    """Forget a session and its xorbs."""
    shutil.rmtree(session_folder(session), ignore_errors=True)
    session.delete()
