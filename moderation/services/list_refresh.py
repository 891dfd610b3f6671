"""The nightly refresh: every configured list is asked whether it has changed, and what changed is imported.

A list that cannot be reached, or sends what is no list, keeps what it named last; the failure stands on the page of
lists and on the audit log until a later night mends it.
"""

from pathlib import Path

from django.conf import settings
from django.utils import timezone

from governance.services import audit_append, audited
from moderation.errors import FetchRefused, ListRefused
from moderation.fetching import Fetched, fetch
from moderation.models import ImportState, OptOutImport, OptOutList
from moderation.services.lists import import_create, import_fail, list_failed, new_path


def lists_configure() -> list[OptOutList]:
    """The lists of the settings as rows; one that is no longer configured keeps its entries, and is not fetched."""
    wanted: dict[str, str] = settings.OPTOUT_LISTS
    OptOutList.objects.exclude(url="").exclude(name__in=wanted).update(url="")
    for name, url in wanted.items():
        row, _ = OptOutList.objects.get_or_create(name=name, defaults={"url": url})
        if row.url != url:  # the marks of another address say nothing about this one
            OptOutList.objects.filter(pk=row.pk).update(url=url, etag="", last_modified="", sha256="")
    return list(OptOutList.objects.filter(name__in=wanted))


def list_refresh(*, list_id: int) -> OptOutImport | None:
    """Ask one list; the import of what is new, if anything is. A failure is put on record and raises nothing."""
    source = OptOutList.objects.exclude(url="").filter(pk=list_id).first()
    if source is None or _under_way(source):
        return None
    path = new_path()
    try:
        found = fetch(
            source.url,
            into=path,
            most_bytes=settings.OPTOUT_LIST_MAX_BYTES,
            most_seconds=settings.OPTOUT_LIST_SECONDS,
            etag=source.etag,
            last_modified=source.last_modified,
        )
        if not found.changed or found.sha256 == source.sha256:
            path.unlink(missing_ok=True)
            _unchanged(source, found)
            return None
        return _import(source, found, path=path)
    except (FetchRefused, ListRefused) as error:
        path.unlink(missing_ok=True)
        refresh_failed(source, error.detail)
        return None


def _import(source: OptOutList, found: Fetched, *, path: Path) -> OptOutImport:
    for held in OptOutImport.objects.filter(source=source, state=ImportState.HELD).select_related("source", "actor"):
        import_fail(held, f"A newer file came before a moderator decided. {held.detail}")
    marks = {"etag": found.etag, "last_modified": found.last_modified}
    made = import_create(
        name=source.name,
        path=path,
        filename=found.url.rpartition("/")[2].partition("?")[0],
        actor=None,
        complete=True,
        url=found.url,
        **marks,
    )
    OptOutList.objects.filter(pk=source.pk).update(checked_at=timezone.now())
    return made


def _under_way(source: OptOutList) -> bool:
    return OptOutImport.objects.filter(source=source, state__in=[ImportState.WAITING, ImportState.RUNNING]).exists()


def _unchanged(source: OptOutList, found: Fetched) -> None:
    """It answered, and is what we have: a failure before is over."""
    marks = {"etag": found.etag, "last_modified": found.last_modified} if found.changed else {}
    OptOutList.objects.filter(pk=source.pk).update(checked_at=timezone.now(), failed_at=None, failure="", **marks)


@audited()
def refresh_failed(source: OptOutList, reason: str) -> None:
    """The list could not be refreshed: a failed import stands for it in the history."""
    list_failed(source, reason)
    failed = OptOutImport.objects.create(
        source=source,
        url=source.url,
        state=ImportState.FAILED,
        detail=reason[:500],
        finished_at=timezone.now(),
    )
    audit_append(
        actor=None,
        action="optout.list-failed",
        subject=("moderation.optoutimport", str(failed.pk)),
        data={"list": source.name},
    )
