"""`manage.py subject_export`: a copy of all that is kept about a person, to answer a request that came by mail."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from governance.management.base import DatabaseCommand
from governance.services import audit_append, audited
from moderation.contacts import email_digest
from moderation.selectors.personal_data import ADDRESS_PARTS, USER_PARTS
from moderation.services.data_export import archive


class Command(DatabaseCommand):
    help = "Write a zip of JSON with all that is kept about an account, or about an address without one."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--username", help="the account")
        whose.add_argument("--email", help="the address, outside of accounts: make sure first that it is theirs")
        parser.add_argument("output", type=Path, help="the zip to write, readable by you alone")

    def handle(self, *args: Any, **options: Any) -> None:
        content, subject = _of_user(options["username"]) if options["username"] else _of_address(options["email"])
        try:
            with open(os.open(options["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            raise CommandError(f"cannot write {options['output']}: {error.strerror}") from error
        _log(subject)
        self.stdout.write(f"{options['output']}: {len(content)} bytes")


def _of_user(username: str) -> tuple[bytes, tuple[str, str]]:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no account {username}.")
    parts = {name: partial(read, user) for name, read in USER_PARTS.items()}
    return archive(parts, who=f"the account {username}"), ("accounts.user", str(user.pk))


def _of_address(email: str) -> tuple[bytes, tuple[str, str]]:
    digest = email_digest(email)
    parts = {name: partial(read, digest) for name, read in ADDRESS_PARTS.items()}
    return archive(parts, who=f"the address {email}, outside of accounts"), ("moderation.privacy", "address")


@audited()
def _log(subject: tuple[str, str]) -> None:
    audit_append(actor=None, action="privacy.exported", subject=subject, data={"via": "operator"})
