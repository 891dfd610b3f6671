"""`manage.py receipt_verify FILE`: whether a receipt was signed by this registry and says what it said."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.signing import receipt_valid


class Command(BaseCommand):
    help = "Check the signature of a download receipt."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--public-key", help="the public key in hexadecimal, when it is another registry's")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            receipt = json.loads(options["file"].read_text())
            public = bytes.fromhex(options["public_key"]) if options["public_key"] else None
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot read the receipt or the key: {error}") from error
        if not isinstance(receipt, dict):
            raise CommandError("the file holds no receipt: a receipt is a JSON object")
        if not receipt_valid(receipt, public):
            raise CommandError("the signature does not fit: this receipt was changed, or signed by another key")
        self.stdout.write(f"valid: {receipt['adapter']} v{receipt['version']}, issued to {receipt['recipient']}")
