"""Importing opt-out lists: a file is checked whole, then taken in batch by batch, from where it stopped.

Each batch is one transaction with its counters, so that a killed worker neither loses nor repeats a line. What was
known before stays as it was until a file has passed its check; what a complete list no longer names is withdrawn at the
end, and its rows stay.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from moderation.errors import ListRefused, RulingRefused
from moderation.list_files import Row, format_of, rows_of
from moderation.models import ClaimState, ImportState, OptOutClaim, OptOutImport, OptOutList
from moderation.services.list_rows import rows_claim, rows_withdraw
from moderation.signals import optout_import_queued, optout_works_changed

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=5)
ATTEMPTS = 5
PIECE = 1024**2  # bytes
BATCH = 5_000  # lines in one transaction
PROBLEMS_KEPT = 200  # refused lines whose reasons the report names
REFUSED_SHARE = 0.1  # of its lines; a list with more is held for a moderator
SHRUNK_SHARE = 0.5  # of the entries that it named before; a list with fewer is held
INDEX_EVERY = 500_000  # added entries after which the index is built again
OPEN = (ImportState.WAITING, ImportState.RUNNING, ImportState.HELD)


def lists_folder() -> Path:
    """Where files lie until they are taken in."""
    folder = Path(settings.DATA_DIR) / "optout-lists"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_path() -> Path:
    return lists_folder() / str(uuid.uuid4())


def files_tidy() -> int:
    """Remove files that no import waits for, a day after they came: a process died over them. How many."""
    kept = set(OptOutImport.objects.filter(state__in=OPEN).values_list("path", flat=True))
    late = (timezone.now() - timedelta(days=1)).timestamp()
    lost = [path for path in lists_folder().iterdir() if path.name not in kept and path.stat().st_mtime < late]
    for path in lost:
        path.unlink(missing_ok=True)
    return len(lost)


def file_keep(stream: IO[bytes]) -> Path:
    """A copy of an uploaded file; raises ListRefused for one that is larger than a list may be."""
    path, size = new_path(), 0
    with ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        with path.open("wb") as file:
            while piece := stream.read(PIECE):
                size += len(piece)
                if size > settings.OPTOUT_LIST_MAX_BYTES:
                    raise ListRefused(f"The file is larger than {settings.OPTOUT_LIST_MAX_BYTES:,} bytes.")
                file.write(piece)
        undo.pop_all()
    return path


def import_create(
    *, name: str, path: Path, filename: str, actor: User | None, complete: bool, **about: Any
) -> OptOutImport:
    """Queue a file of the list with this name; it is taken in by a worker, or by `import_run` at once.

    `complete`: the file is the whole list, and what it does not name is withdrawn. Raises ListRefused where the file is
    no list, or another file of this list is under way.
    """
    try:
        with path.open("rb") as file:
            kind = format_of(filename, file.read(2000))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _queue(name, path, filename, actor, complete, {"format": kind, "sha256": digest, **about})
    except (ListRefused, IntegrityError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, ListRefused):
            raise
        raise ListRefused(
            f"Another file of the list {name!r} is under way, or held for a moderator.",
            remedy="Wait until it is done, or decide about it on the page of imports.",
        ) from error


@audited()
def _queue(
    name: str, path: Path, filename: str, actor: User | None, complete: bool, about: dict[str, Any]
) -> OptOutImport:
    found, _ = OptOutList.objects.get_or_create(name=name)
    made = OptOutImport.objects.create(
        source=found,
        actor=actor,
        filename=filename[:200],
        complete=complete,
        size=path.stat().st_size,
        path=path.name,
        **about,
    )
    audit_append(
        actor=actor,
        action="optout.import-queued",
        subject=("moderation.optoutimport", str(made.pk)),
        data={"list": name, "sha256": made.sha256, "url": made.url, "complete": complete},
    )
    transaction.on_commit(lambda: optout_import_queued.send(sender=OptOutImport, import_id=made.pk))
    return made


def imports_due() -> list[int]:
    """Imports that wait for a worker, or whose worker is gone."""
    free = Q(leased_until=None) | Q(leased_until__lt=timezone.now())
    waiting = OptOutImport.objects.filter(free, state__in=[ImportState.WAITING, ImportState.RUNNING])
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:50])


def import_run(*, import_id: int) -> None:
    """Check a queued file, and take it in; from where it stopped, when a worker died over it."""
    with _leased(import_id) as job:
        if job is None:
            return
        if job.attempts > ATTEMPTS:
            import_fail(job, "It was given up after several attempts.")
            return
        try:
            with (lists_folder() / job.path).open("rb") as file:
                if job.state == ImportState.WAITING and not _checked(job, file):
                    return
                _take_in(job, file)
        except ListRefused as error:
            import_fail(job, f"{error.detail} {error.remedy}")
        except FileNotFoundError:
            import_fail(job, "Its file is gone from the server. Import it again.")
        except _Overtaken:
            logger.warning("Import %s is taken in by another worker.", import_id)


@contextmanager
def _leased(import_id: int) -> Iterator[OptOutImport | None]:
    """The import, when nobody else works on it; what breaks off gives it back at once."""
    free = Q(leased_until=None) | Q(leased_until__lt=timezone.now())
    jobs = OptOutImport.objects.filter(free, pk=import_id, state__in=[ImportState.WAITING, ImportState.RUNNING])
    taken = jobs.update(leased_until=timezone.now() + LEASE, attempts=F("attempts") + 1)
    try:
        yield OptOutImport.objects.select_related("source", "actor").get(pk=import_id) if taken else None
    finally:
        if taken:
            OptOutImport.objects.filter(pk=import_id).update(leased_until=None)


def _checked(job: OptOutImport, file: IO[bytes]) -> bool:
    """Read the whole file and count; whether it is to be taken in now. Otherwise it is failed or held, and says why."""
    total, refused = 0, 0
    problems: list[dict[str, Any]] = []
    for row in rows_of(file, format=job.format):
        total += 1
        if row.thing is None:
            refused += 1
            if len(problems) < PROBLEMS_KEPT:
                problems.append({"line": row.line, "reason": row.reason[:300]})
    _update(job, lines=total, refused=refused, problems=problems)
    if total == refused and (total or not job.accepted):
        import_fail(job, "Not one of its lines names an entry." if total else "It is empty.")
        return False
    reason = "" if job.accepted else _suspicion(job, total, refused)
    if reason:
        _update(job, state=ImportState.HELD, detail=reason)
        list_failed(job.source, f"Its newest file is held for a moderator: {reason}")
        _report(job, "held")
        return False
    _update(job, state=ImportState.RUNNING)
    return True


def _suspicion(job: OptOutImport, total: int, refused: int) -> str:
    """Why a file is more likely broken than meant; empty where it is not."""
    if refused > REFUSED_SHARE * total:
        return f"{refused:,} of its {total:,} lines cannot be read as entries."
    live = OptOutClaim.objects.filter(source=job.source, state=ClaimState.ACTIVE).count() if job.complete else 0
    if total - refused < SHRUNK_SHARE * live:
        return f"It names {total - refused:,} entries, and the list named {live:,} until now."
    return ""


def _take_in(job: OptOutImport, file: IO[bytes]) -> None:
    rows = rows_of(file, format=job.format, offset=job.offset, line=job.lines_done)
    while batch := list(islice(rows, BATCH)):
        before = job.added // INDEX_EVERY
        _take_batch(job, batch)
        if job.added // INDEX_EVERY > before:
            optout_works_changed.send(sender=OptOutImport)
    if job.complete:
        _withdraw_missing(job)
    _finish(job)


class _Overtaken(Exception):
    """Another worker goes on with this import: our lease ran out under us."""


@transaction.atomic
def _take_batch(job: OptOutImport, batch: list[Row]) -> None:
    ours = OptOutImport.objects.filter(pk=job.pk, state=ImportState.RUNNING, lines_done=job.lines_done)
    if not ours.select_for_update().exists():
        raise _Overtaken
    added, known = rows_claim(job=job, rows=[row for row in batch if row.thing is not None])
    _update(
        job,
        added=job.added + added,
        known=job.known + known,
        lines_done=batch[-1].line,
        offset=batch[-1].end,
        leased_until=timezone.now() + LEASE,
        attempts=1,  # it gets on
    )


def _withdraw_missing(job: OptOutImport) -> None:
    """What the list named before and does not any more."""
    after = 0
    while True:
        with transaction.atomic():
            after, ended = rows_withdraw(job=job, after=after)
            _update(job, withdrawn=job.withdrawn + ended, leased_until=timezone.now() + LEASE)
        if not after:
            return


@audited()
def _finish(job: OptOutImport) -> None:
    now = timezone.now()
    _update(job, state=ImportState.DONE, finished_at=now, detail="")
    marks = {"sha256": job.sha256, "etag": job.etag, "last_modified": job.last_modified} if job.url else {}
    OptOutList.objects.filter(pk=job.source_id).update(applied_at=now, failed_at=None, failure="", **marks)
    _report(job, "done")
    path = lists_folder() / job.path
    transaction.on_commit(lambda: path.unlink(missing_ok=True))
    transaction.on_commit(lambda: optout_works_changed.send(sender=OptOutImport))


@audited()
def import_fail(job: OptOutImport, reason: str) -> None:
    """The file is not taken in (any further); its list stays as it is and says that it fails."""
    now = timezone.now()
    _update(job, state=ImportState.FAILED, detail=reason[:500], finished_at=now)
    list_failed(job.source, reason)
    _report(job, "failed")
    path = lists_folder() / job.path
    if job.path:
        transaction.on_commit(lambda: path.unlink(missing_ok=True))


def list_failed(source: OptOutList, reason: str) -> None:
    """The list says since when it fails, and why now."""
    OptOutList.objects.filter(pk=source.pk, failed_at=None).update(failed_at=timezone.now())
    OptOutList.objects.filter(pk=source.pk).update(failure=reason[:500])


def _report(job: OptOutImport, what: str) -> None:
    """The outcome on the audit log, in numbers."""
    counts = {name: getattr(job, name) for name in ("lines", "added", "known", "withdrawn", "refused")}
    audit_append(
        actor=job.actor,
        action=f"optout.import-{what}",
        subject=("moderation.optoutimport", str(job.pk)),
        data={"list": job.source.name, "sha256": job.sha256, **counts},
    )


def _update(job: OptOutImport, **changes: Any) -> None:
    OptOutImport.objects.filter(pk=job.pk).update(**changes)
    for name, value in changes.items():
        setattr(job, name, value)


@audited()
def import_decide(*, job: OptOutImport, actor: User, accept: bool) -> None:
    """A moderator takes a held file in all the same, or throws it away. Raises RulingRefused where it is not held."""
    job = OptOutImport.objects.select_for_update(of=["self"]).select_related("source", "actor").get(pk=job.pk)
    if job.state != ImportState.HELD:
        raise RulingRefused(f"The import is {job.get_state_display()}, not held.")
    audit_append(
        actor=actor,
        action="optout.import-accepted" if accept else "optout.import-discarded",
        subject=("moderation.optoutimport", str(job.pk)),
        data={"list": job.source.name},
    )
    if not accept:
        import_fail(job, f"A moderator did not accept it. {job.detail}")
        return
    _update(job, state=ImportState.WAITING, accepted=True)
    transaction.on_commit(lambda: optout_import_queued.send(sender=OptOutImport, import_id=job.pk))
