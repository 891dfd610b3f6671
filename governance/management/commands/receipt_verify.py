"""`manage.py receipt_verify FILE`: whether a receipt was signed by this registry and says what it said."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.signing import key_id, key_path, keys_of_set, known_keys, signature_fits

WHERE = "/.well-known/registry-keys.json"

SAID = {"adapter", "version", "recipient"}  # what is printed; the key signs other things too, which lack them


class Command(BaseCommand):
    help = "Check the signature of a download receipt. Needs no database, and makes no key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--keys", type=Path, help=f"a file with what the registry answers at {WHERE}")
        parser.add_argument("--public-key", help="the public key in hexadecimal, when it is another registry's")

    def handle(self, *args: Any, **options: Any) -> None:
        receipt = _read_object(options["file"], "the receipt")
        if missing := SAID - receipt.keys():
            raise CommandError(f"the file holds no receipt: it has no {', '.join(sorted(missing))}")
        keys, place = _keys(options)
        public = keys.get(str(receipt.get("key_id", "")))
        if public is None:
            raise CommandError(_missing(receipt, keys, place))
        if not signature_fits(receipt, public):
            raise CommandError("the signature does not fit: this receipt was changed after it was signed")
        self.stdout.write(f"valid: {receipt['adapter']} v{receipt['version']}, issued to {receipt['recipient']}")


def _keys(options: dict[str, Any]) -> tuple[dict[str, bytes], str]:
    """The keys to trust by their ids, and where they come from."""
    try:
        if options["public_key"]:
            public = bytes.fromhex(options["public_key"])
            return {key_id(public): public}, "--public-key"
        if options["keys"]:
            return keys_of_set(_read_object(options["keys"], "the keys")), str(options["keys"])
        return known_keys(), str(key_path())
    except ValueError as error:
        raise CommandError(f"cannot read the key: {error}") from error


def _missing(receipt: dict[str, Any], keys: dict[str, bytes], place: str) -> str:
    there = f"only {', '.join(sorted(keys))}" if keys else "no key"
    return (
        f"cannot tell: the receipt names the key {receipt.get('key_id')}, and {place} has {there}. Fetch {WHERE} from "
        f"the registry that issued it (the receipt says {receipt.get('registry')}; ask only an address that you trust) "
        "and pass the file with --keys."
    )


def _read_object(path: Path, what: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot read {what}: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"cannot read {what}: {path} holds no JSON object")
    return found
