"""`manage.py subject_erase`: erase a person, for an operator who answers a request by mail."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.errors import DomainError
from accounts.models import User
from governance.management.base import DatabaseCommand
from moderation.models import ErasedVia, ErasureRecord
from moderation.services.data_erasure import Choices, address_erase, user_erase
from registry.models import Adapter


class Command(DatabaseCommand):
    help = "Erase an account, or what is kept about an address without one. Make sure first who asks."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--username", help="the account")
        whose.add_argument("--email", help="the address, outside of accounts")
        parser.add_argument("--leave-public", action="store_true", help="of an account: leave what is published")
        parser.add_argument("--may-ask-again", action="store_true", help="of an address: they may be asked again")
        parser.add_argument("--yes", action="store_true", help="needed: it cannot be undone")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["yes"]:
            raise CommandError("Nothing was erased. It cannot be undone: say --yes.")
        record = _user(options) if options["username"] else _address(options)
        counts = ", ".join(f"{name} {count}" for name, count in record.counts.items() if count)
        self.stdout.write(f"erased ({counts or 'nothing was kept'}); {record}")


def _user(options: dict[str, Any]) -> ErasureRecord:
    user = User.objects.filter(username=options["username"]).first()
    if user is None:
        raise CommandError(f"There is no account {options['username']}.")
    public = Adapter.objects.filter(owner__user=user, listed=True).values_list("pk", flat=True)
    left = frozenset(public) if options["leave_public"] else frozenset()
    try:
        return user_erase(user=user, choices=Choices(left_public=left), via=ErasedVia.OPERATOR)
    except DomainError as error:
        raise CommandError(f"{error.detail} {error.remedy}") from error


def _address(options: dict[str, Any]) -> ErasureRecord:
    never = not options["may_ask_again"]
    return address_erase(email=options["email"], via=ErasedVia.OPERATOR, never_ask=never)
