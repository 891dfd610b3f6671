"""Adapters: created with their first version, described, tagged, shown or hidden."""

import re

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Namespace, User
from governance.services import audit_append, audited
from registry.errors import DeclarationIncomplete, NameTaken
from registry.models import Adapter, Tag
from registry.models.adapters import ContentLevel, Visibility
from registry.services.listing import adapter_refresh
from registry.signals import adapter_described

NAME_PATTERN = re.compile(r"^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,59}\Z")  # `$` would let a line feed follow
MAX_TAGS = 20


@audited()
def adapter_create(
    *,
    actor: User,
    owner: Namespace,
    name: str,
    title: str,
    description: str = "",
    tags: list[str] | None = None,
    visibility: str = Visibility.PUBLIC,
    content_level: str = ContentLevel.GENERAL,
) -> Adapter:
    """A new, empty adapter under `owner`; raises NameTaken."""
    if not NAME_PATTERN.match(name):
        raise DeclarationIncomplete(
            f"{name!r} cannot be part of an address.",
            remedy="Use up to 60 lower-case letters and digits, with single hyphens, dots or underscores inside.",
        )
    try:
        with transaction.atomic():
            adapter = Adapter.objects.create(
                owner=owner,
                name=name,
                title=title or name,
                description=description,
                visibility=visibility,
                content_level=content_level,
                created_by=actor,
            )
    except IntegrityError as error:
        raise NameTaken(f"{owner}/{name} exists already.") from error
    _set_tags(adapter, tags or [])
    audit_append(
        actor=actor,
        action="adapter.created",
        subject=("registry.adapter", str(adapter.pk)),
        data={"visibility": adapter.visibility},
    )
    return adapter


@audited()
def adapter_update(
    *,
    actor: User,
    adapter: Adapter,
    title: str | None = None,
    description: str | None = None,
    tags: list[str] | None = None,
    visibility: str | None = None,
    content_level: str | None = None,
    discussions_on: bool | None = None,
) -> Adapter:
    """Change what is given; what is None stays."""
    adapter = Adapter.objects.select_for_update(of=("self",), no_key=True).select_related("owner").get(pk=adapter.pk)
    given = {
        "title": title,
        "description": description,
        "visibility": visibility,
        "content_level": content_level,
        "discussions_on": discussions_on,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        setattr(adapter, name, value)
    adapter.listed = adapter.listed and adapter.visibility == Visibility.PUBLIC
    adapter.updated_at = timezone.now()
    adapter.save()
    if tags is not None:
        _set_tags(adapter, tags)
    audit_append(
        actor=actor,
        action="adapter.changed",
        subject=("registry.adapter", str(adapter.pk)),
        data={"fields": sorted(changes) + (["tags"] if tags is not None else [])},
    )
    transaction.on_commit(lambda: adapter_described.send(sender=Adapter, adapter_id=adapter.pk))
    return adapter_refresh(adapter=adapter)


def _set_tags(adapter: Adapter, names: list[str]) -> None:
    cleaned = list(dict.fromkeys(clean for name in names if (clean := clean_tag(name))))[:MAX_TAGS]
    adapter.tags.set([Tag.objects.get_or_create(name=name)[0] for name in cleaned])


def clean_tag(name: str) -> str:
    """Lower case, single spaces, at most 40 characters."""
    return " ".join(name.lower().split())[:40]
