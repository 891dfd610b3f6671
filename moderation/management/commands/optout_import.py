"""`manage.py optout_import`: take in a file of an opt-out list, or fetch the configured lists now."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.errors import DomainError
from governance.management.base import DatabaseCommand
from moderation.models import ImportState, OptOutImport
from moderation.services.list_refresh import list_refresh, lists_configure
from moderation.services.lists import file_keep, import_create, import_run


class Command(DatabaseCommand):
    help = (
        "Take in a file of an opt-out list (CSV or JSON lines; columns: kind, value, algorithm, title, mononym, "
        "reference). It goes on where it stopped when it is called again with --resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("file", nargs="?", type=Path, help="the file")
        what.add_argument("--refresh", action="store_true", help="fetch every list of OPTOUT_LISTS now")
        what.add_argument("--resume", type=int, metavar="IMPORT", help="go on with an import that stopped")
        parser.add_argument("--list", dest="name", help="the name of the list that the file belongs to")
        parser.add_argument("--complete", action="store_true", help="it is the whole list: withdraw what it lacks")
        parser.add_argument("--source", default="", help="the address that the file was retrieved from")
        parser.add_argument("--accept", action="store_true", help="take it in also when it looks broken")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["refresh"]:
            jobs = [list_refresh(list_id=source.pk) for source in self._configured()]
            keys = [job.pk for job in jobs if job is not None]
        else:
            keys = [options["resume"] or self._created(options)]
        for key in keys:
            self._run(key)

    def _configured(self) -> list[Any]:
        found = lists_configure()
        if not found:
            raise CommandError("No list is configured: set OPTOUT_LISTS to name=https://…, separated by commas.")
        return found

    def _created(self, options: dict[str, Any]) -> int:
        path: Path = options["file"]
        if not options["name"]:
            raise CommandError("Name the list that the file belongs to: --list NAME.")
        try:
            with path.open("rb") as stream:
                kept = file_keep(stream)
            made = import_create(
                name=options["name"],
                path=kept,
                filename=path.name,
                actor=None,
                complete=options["complete"],
                url=options["source"],
                accepted=options["accept"],
            )
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror}") from error
        except DomainError as error:
            raise CommandError(f"{error.detail} {error.remedy}") from error
        return made.pk

    def _run(self, key: int) -> None:
        import_run(import_id=key)
        job = OptOutImport.objects.select_related("source").filter(pk=key).first()
        if job is None:
            raise CommandError(f"There is no import {key}.")
        self.stdout.write(
            f"{job}: {job.get_state_display()}. {job.lines:,} lines, {job.added:,} added, {job.known:,} known, "
            f"{job.withdrawn:,} withdrawn, {job.refused:,} refused."
        )
        for problem in job.problems:
            self.stdout.write(f"  line {problem['line']}: {problem['reason']}")
        if job.state == ImportState.HELD:
            raise CommandError(f"Held: {job.detail} Look at the file; --accept takes it in all the same.")
        if job.state == ImportState.FAILED:
            raise CommandError(f"Not taken in: {job.detail}")
