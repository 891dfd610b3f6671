"""`manage.py set_up`: tables, static files, catalogue and starter data, in one process to save its start-up time."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from config.steps import step


class Command(BaseCommand):
    help = "Bring tables, static files, catalogue and starter data up to date; quick where nothing is to be done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="no demo accounts and no starter adapters")

    def handle(self, *args: Any, **options: Any) -> None:
        step(2, "database: bringing the tables up to date")
        for command, arguments in (("migrate", []), ("createcachetable", []), ("collectstatic", ["--no-input"])):
            call_command(command, *arguments, verbosity=0)
        step(3, "catalogue: base models, licences, rights statement")
        call_command("load_catalogue")
        if options["no_demo"]:
            step(4, "starter data: not wanted")
        else:
            step(4, "starter data: demo accounts and adapters")
            call_command("load_starter")
