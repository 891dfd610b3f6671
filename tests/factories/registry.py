"""Adapters, versions and files for tests, made through the same services as everybody's."""

import io
import json
import struct
from pathlib import Path
from typing import Any

from accounts.models import Namespace, User
from registry.models import Adapter, BaseModel, RightsStatement, Upload, Version
from registry.services.catalogue import base_models_load, rights_statements_load
from registry.services.inspection import version_inspect
from registry.services.intake import intake
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, latest_statement


def safetensors_bytes(tensors: dict[str, tuple[list[int], bytes]], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file of F32 tensors, written by hand: name → (shape, bytes)."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"".join(data for _, data in tensors.values())


def lora_bytes(*, width: int = 96, rank: int = 4, seed: int = 1, metadata: dict[str, str] | None = None) -> bytes:
    """A small kohya LoRA on one cross-attention; `width` 96 is the tinybase's, 768 that of SD 1.x."""
    module = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    out = width
    value = struct.pack("<f", seed / 1000)
    return safetensors_bytes(
        {
            f"{module}.lora_down.weight": ([rank, width], value * rank * width),
            f"{module}.lora_up.weight": ([out, rank], value * out * rank),
            f"{module}.alpha": ([], struct.pack("<f", float(rank))),
        },
        metadata or {"ss_network_module": "networks.lora", "ss_network_dim": str(rank)},
    )


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


def make_version(**given: Any) -> Version:
    """An inspected version: published unless what is given stands against it."""
    version = make_submitted(**given)
    version_inspect(version_id=version.pk)
    return Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=version.pk)


def make_adapter(**given: Any) -> Adapter:
    return make_version(**given).adapter


def stored_file(version: Version) -> Path:
    """Where the version's file lies in the test's storage."""
    from django.core.files.storage import default_storage

    return Path(default_storage.path(version.files.get().blob.storage_key))
