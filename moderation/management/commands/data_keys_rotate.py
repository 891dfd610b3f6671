"""`manage.py data_keys_rotate`: what was sealed under a former key of DATA_KEYS is brought under the first one."""

from typing import Any

from django.core.management.base import CommandError

from governance.management.base import DatabaseCommand
from moderation.services.key_rotation import keys_rotate
from registry.sealing import SealBroken


class Command(DatabaseCommand):
    help = "Bring everything that is encrypted under the first of DATA_KEYS; then the former keys can be taken out."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = keys_rotate()
        except SealBroken as error:
            raise CommandError(f"{error.detail} {error.remedy} What was done before this stays done.") from error
        for place in done:
            if place.moved or place.left:
                self.stdout.write(f"{place.place}: {place.moved} brought under the first key, {place.left} left")
        if left := sum(place.left for place in done):
            raise CommandError(f"{left} are still under a former key: they were written just now. Run it again.")
        self.stdout.write("Nothing is encrypted under a former key. It can be taken out of DATA_KEYS.")
