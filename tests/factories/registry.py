"""Adapters, versions and files for tests, made through the same services as everybody's."""

import io
from pathlib import Path
from typing import Any

from accounts.models import Namespace, User
from moderation.services.screening import version_screen_now
from registry.models import Adapter, BaseModel, RightsStatement, Upload, Version
from registry.services.catalogue import base_models_load, rights_statements_load
from registry.services.inspection import version_inspect
from registry.services.intake import intake
from registry.services.publication import version_screened
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, latest_statement
from tests.safetensors_bytes import lora_bytes


def catalogue() -> None:
    """Base models and the rights statement, as every installation has them."""
    if not BaseModel.objects.exists():
        base_models_load()
    if not RightsStatement.objects.exists():
        rights_statements_load()


def make_upload(
    *,
    actor: User,
    content: bytes | None = None,
    filename: str = "style.safetensors",
    namespace: Namespace | None = None,
) -> Upload:
    content = lora_bytes() if content is None else content
    return upload_from_stream(
        actor=actor,
        namespace=namespace or Namespace.objects.get(user=actor),
        filename=filename,
        stream=io.BytesIO(content),
        length=len(content),
    )


def declaration(**changes: Any) -> Declaration:
    catalogue()
    given: dict[str, Any] = {
        "base_model": "tinybase",
        "licence_id": "apache-2.0",
        "training_sources": "Drawn by the author.",
        "depicts_real_person": False,
        "rights_edition": latest_statement().edition,
        "commercial_use": ("image", "rent", "sell"),
    }
    return Declaration(**{**given, **changes})


def make_submitted(
    *,
    actor: User,
    name: str = "style",
    content: bytes | None = None,
    filename: str = "style.safetensors",
    namespace: Namespace | None = None,
    declared: dict[str, Any] | None = None,
    **about: Any,
) -> Version:
    """A version that waits for inspection."""
    statement = declaration(**(declared or {}))
    owner = namespace or Namespace.objects.get(user=actor)
    upload = make_upload(actor=actor, content=content, filename=filename, namespace=owner)
    return intake(actor=actor, owner=owner, name=name, upload=upload, declaration=statement, **about)


def inspect_and_screen(*, version_id: int) -> None:
    """What the workers do with a submitted version, up to the decision."""
    version_inspect(version_id=version_id)
    version_screen_now(version_id=version_id)


def make_version(**given: Any) -> Version:
    """An inspected version in which the screening found nothing: published unless what is given stands against it."""
    version = make_submitted(**given)
    version_inspect(version_id=version.pk)
    version_screened(version=version, findings=())
    return Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=version.pk)


def make_screened(**given: Any) -> Version:
    """A version after everything that the workers do with it, the checks as well."""
    version = make_submitted(**given)
    inspect_and_screen(version_id=version.pk)
    return Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=version.pk)


def make_adapter(**given: Any) -> Adapter:
    return make_version(**given).adapter


def stored_file(version: Version) -> Path:
    """Where the version's file lies in the test's storage."""
    from django.core.files.storage import default_storage

    return Path(default_storage.path(version.files.get().blob.storage_key))
