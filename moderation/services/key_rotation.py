"""A new first key in DATA_KEYS: what was sealed under a former one is brought under it, and nothing is opened for that.

It finds its work by itself, in every sealed column of bytes of the apps that seal and in the files of evidence, so that
a column that somebody adds later is not forgotten. Each row is changed only if it is still as it was read, so services
may go on meanwhile, and the whole may be stopped and repeated at any time.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import BinaryField, F, Func, IntegerField, Model, Value

from governance.services import audit_append
from moderation.models import CaseEvidence
from registry.sealing import former_key_heads, rewrap, under_former_key

APPS = ("registry", "moderation")
# Columns of bytes that are not sealed, some of them from outside: what begins like a seal there is none.
OPEN = frozenset(
    "block.features optoutentry.erased_salt weightfingerprint.vector workfeatures.description workhash.bits".split()
)
HEAD_BYTES = 9  # version and key id
BATCH = 200


@dataclass(frozen=True)
class Rotated:
    """One place: how much was brought under the first key, and how much is still under a former one."""

    place: str
    moved: int
    left: int


def keys_rotate() -> list[Rotated]:
    """Bring everything under the first of DATA_KEYS; `left` is not 0 where somebody wrote at the same moment."""
    done = [_column(model, field) for model, field in _columns()]
    done.append(_files())
    moved = sum(place.moved for place in done)
    with transaction.atomic():
        audit_append(actor=None, action="data-keys.rotated", subject=("keys", "data"), data={"moved": moved})
    return done


def _columns() -> Iterator[tuple[type[Model], str]]:
    for model in (model for app in APPS for model in apps.get_app_config(app).get_models()):
        for field in model._meta.concrete_fields:
            if isinstance(field, BinaryField) and f"{model._meta.model_name}.{field.name}" not in OPEN:
                yield model, field.name


def _column(model: type[Model], field: str) -> Rotated:
    moved = 0
    for pk in list(_under_former(model, field)):
        with transaction.atomic():
            sealed = model._default_manager.filter(pk=pk).values_list(field, flat=True).first()
            if sealed is not None and under_former_key(sealed):
                same = model._default_manager.filter(pk=pk, **{field: bytes(sealed)})
                moved += same.update(**{field: rewrap(sealed)})
    return Rotated(f"{model._meta.label}.{field}", moved, len(list(_under_former(model, field))))


def _under_former(model: type[Model], field: str) -> Iterator[int]:
    """The rows whose bytes begin like something sealed under a former key."""
    head = Func(
        F(field),
        Value(1, output_field=IntegerField()),
        Value(HEAD_BYTES, output_field=IntegerField()),
        function="SUBSTRING",
        output_field=BinaryField(),
    )
    rows = model._default_manager.alias(head=head).filter(head__in=former_key_heads())
    return rows.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=BATCH)


def _files() -> Rotated:
    moved = left = 0
    for evidence in CaseEvidence.objects.order_by("pk").iterator(chunk_size=BATCH):
        with default_storage.open(evidence.storage_key, "rb") as file:
            content = file.read(HEAD_BYTES)
            if not under_former_key(content):
                continue
            content += file.read()
        if _file_moved(evidence, rewrap(content)):
            moved += 1
        else:
            left += 1
    return Rotated("files of evidence", moved, left)


def _file_moved(evidence: CaseEvidence, content: bytes) -> bool:
    """Under a new name, then the row, then the old file away: whatever is cut off, the row names a whole file."""
    former = evidence.storage_key
    key = default_storage.save(f"{former.split('~')[0]}~{secrets.token_hex(4)}", ContentFile(content))
    changed = CaseEvidence.objects.filter(pk=evidence.pk, storage_key=former).update(storage_key=key)
    default_storage.delete(former if changed else key)
    return bool(changed)
