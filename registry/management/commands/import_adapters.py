"""`manage.py import_adapters`: adapters from a folder, or from an endpoint of the Hub protocol; may be repeated."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts.models import Namespace, User
from governance.management.base import DatabaseCommand
from registry.importing.folder import folder_items
from registry.importing.hub import Hub
from registry.importing.items import Item, SourceUnreadable, parents_first
from registry.importing.report import Report
from registry.importing.running import Import, Terms
from registry.models.adapters import ContentLevel, Visibility
from registry.services.versions import latest_statement


class Command(DatabaseCommand):
    help = (
        "Bring adapters with their cards, licences and lineage in through the same intake as uploads. Run it again to "
        "go on where it was cut off; what is here already is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="a folder, or the address of an endpoint: https://hub.example.org")
        parser.add_argument("--owner", required=True, help="the person or organisation that they go under")
        parser.add_argument("--as", dest="actor", required=True, help="the account that brings them")
        parser.add_argument("--author", default="", help="of an endpoint: everything that this owner has there")
        parser.add_argument("--repo", action="append", default=[], help="of an endpoint: this one; may be repeated")
        parser.add_argument("--every-file", action="store_true", help="of a repository each adapter file, as versions")
        parser.add_argument("--licence", help="for files that name none")
        parser.add_argument("--base-model", help="for files that name none")
        parser.add_argument("--training-sources", help="for files that say nothing of them")
        parser.add_argument("--depicts-real-person", choices=["yes", "no"], help="for files that do not say")
        parser.add_argument("--affirm-rights", metavar="EDITION", help="affirm this edition of the rights statement")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PUBLIC.value)
        parser.add_argument("--content-level", choices=ContentLevel.values, default=ContentLevel.GENERAL.value)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--json", metavar="FILE", help="write the report there as JSON as well; - for the output")

    def handle(self, *args: Any, **options: Any) -> None:
        run = _run(options)
        report = Report(run.source, run.owner.slug)
        try:
            for item in parents_first(_items(options)):
                report.lines.append(run.bring(item))
                if options["json"] != "-":
                    self.stdout.write(str(report.lines[-1]))
        except SourceUnreadable as error:
            raise CommandError(str(error)) from error
        self._write(report, options["json"])
        if report.left:
            raise CommandError(f"{report.left} of {len(report.lines)} files were not brought in; see above why.")

    def _write(self, report: Report, place: str | None) -> None:
        if place == "-":
            self.stdout.write(report.to_json())
            return
        if place:
            Path(place).write_text(report.to_json() + "\n")
        self.stdout.write(report.summary())


def _run(options: dict[str, Any]) -> Import:
    actor = User.objects.filter(username=options["actor"].lower(), is_active=True).first()
    owner = Namespace.objects.filter(slug=options["owner"].lower()).first()
    if actor is None or owner is None:
        raise CommandError(f"There is no account {options['actor']} or no owner {options['owner']} here.")
    source = options["source"] if _remote(options["source"]) else str(Path(options["source"]).resolve())
    return Import(actor, owner, source.rstrip("/")[:300], _terms(options))


def _terms(options: dict[str, Any]) -> Terms:
    person = options["depicts_real_person"]
    edition = options["affirm_rights"]
    if edition and edition != latest_statement().edition:
        raise CommandError(f"The rights statement in force is {latest_statement().edition}: read it and affirm that.")
    facts = {"license": options["licence"], "base_model": options["base_model"]}
    own = {
        "training_sources": options["training_sources"],
        "depicts_real_person": None if person is None else person == "yes",
        "rights_statement": edition,
    }
    return Terms(
        facts={name: value for name, value in facts.items() if value},
        own={name: value for name, value in own.items() if value is not None},
        visibility=options["visibility"],
        content_level=options["content_level"],
        dry=options["dry_run"],
    )


def _items(options: dict[str, Any]) -> Iterator[Item]:
    source = options["source"]
    if not _remote(source):
        return folder_items(Path(source))
    if not options["author"] and not options["repo"]:
        raise CommandError("Say which: --author, or --repo once or more often.")
    kept = Path(settings.DATA_DIR) / "imports"
    hub = Hub(source.rstrip("/"), os.environ.get("HF_TOKEN", ""), kept)
    return hub.items(repositories=options["repo"], author=options["author"], every_file=options["every_file"])


def _remote(source: str) -> bool:
    return source.startswith(("http://", "https://"))
