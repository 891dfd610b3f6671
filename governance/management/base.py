"""What the commands of governance share: one clear line where there is no database, not a traceback."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError


class DatabaseCommand(BaseCommand):
    """A command that cannot do without the database."""

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except OperationalError as error:
            first = str(error).strip().splitlines()[0]
            raise CommandError(
                f"The database cannot be reached ({first}). Start it with bin/serve, and set DATA_DIR or DATABASE_URL "
                "here as it is set there."
            ) from error
        except ProgrammingError as error:
            raise CommandError(
                "The database has no tables of this program yet. Run bin/serve, or `manage.py migrate`."
            ) from error
