"""`manage.py load_starter`: the demo accounts and the starter adapters, once, through everybody's intake."""

import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Namespace, User
from accounts.services import member_add, organisation_create, user_register
from config.environment import kept_secret
from moderation.services.screening import version_screen_now
from registry.models import Adapter
from registry.services.inspection import version_inspect
from registry.services.intake import intake
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, latest_statement

FOLDER = Path(settings.BASE_DIR) / "registry" / "starter"
PEOPLE = {
    "ada": ("Ada, who draws", {}),
    "grace": ("Grace at Northlight Studio", {}),
    "mo": ("Mo, moderator", {"is_moderator": True}),
}
ORGANISATION = ("northlight", "Northlight Studio")


class Command(BaseCommand):
    help = "Create the demo accounts and load the starter adapters; does nothing where they exist."

    def handle(self, *args: Any, **options: Any) -> None:
        self._accounts()
        if Adapter.objects.exists():
            return
        entries = _entries()
        for number, entry in enumerate(entries, 1):
            self.stdout.write(f"      adapter {number} of {len(entries)}: {entry['title']}")
            _load(entry)

    def _accounts(self) -> None:
        password = kept_secret(Path(settings.DATA_DIR) / "demo-password", 9)
        for username, (name, flags) in PEOPLE.items():
            if Namespace.objects.filter(slug=username).exists():
                continue
            user = user_register(username=username, email=f"{username}@example.org", password=password)
            User.objects.filter(pk=user.pk).update(display_name=name, **flags)
        if not Namespace.objects.filter(slug=ORGANISATION[0]).exists():
            grace, ada = User.objects.get(username="grace"), User.objects.get(username="ada")
            studio = organisation_create(actor=grace, slug=ORGANISATION[0], display_name=ORGANISATION[1])
            member_add(actor=grace, organisation=studio, user=ada, role="member")


def _entries() -> list[dict[str, Any]]:
    path = FOLDER / "starter.toml"
    try:
        return list(tomllib.loads(path.read_text())["adapter"])
    except FileNotFoundError as error:
        raise CommandError(f"{path} is missing: the checkout is not whole.") from error


def _load(entry: dict[str, Any]) -> None:
    owner = Namespace.objects.get(slug=entry["owner"])
    actor = owner.user or User.objects.get(username="grace")
    path = FOLDER / "adapters" / entry["file"]
    with path.open("rb") as file:
        upload = upload_from_stream(
            actor=actor, namespace=owner, filename=path.name, stream=file, length=path.stat().st_size
        )
    version = intake(
        actor=actor,
        owner=owner,
        name=entry["name"],
        upload=upload,
        declaration=_declaration(entry),
        title=entry["title"],
        description=entry["description"],
        tags=entry["tags"],
    )
    version_inspect(version_id=version.pk)
    version_screen_now(version_id=version.pk)


def _declaration(entry: dict[str, Any]) -> Declaration:
    return Declaration(
        base_model=entry["base"],
        licence_id=entry["licence"],
        training_sources=entry["training_sources"],
        depicts_real_person=False,
        rights_edition=latest_statement().edition,
        credit_required=entry["credit_required"],
        allow_derivatives=entry["allow_derivatives"],
        allow_different_licence=entry["allow_different_licence"],
        commercial_use=tuple(entry["commercial_use"]),
        trigger_words=tuple(entry["trigger_words"]),
        strength=entry["strength"],
        preview_prompts=tuple(entry["preview_prompts"][:2]),
    )
