"""`manage.py load_catalogue`: base models and the rights statement, safe to run again."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.services.catalogue import base_models_load, rights_statements_load


class Command(BaseCommand):
    help = "Bring base models and rights statements up to date with the files that ship with the code."

    def handle(self, *args: Any, **options: Any) -> None:
        bases, statements = base_models_load(), rights_statements_load()
        self.stdout.write(f"{bases} base models, {statements} rights statements")
