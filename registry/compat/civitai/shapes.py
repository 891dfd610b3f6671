"""Adapters, versions, files and pictures in the shapes of Civitai's answers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, Sum

from registry.compat.civitai.flags import NOTHING, flags_of
from registry.compat.civitai.pictures import Picture, picture_json, pictures_of
from registry.compat.civitai.words import NSFW_LEVELS, air_of, base_model_name, is_nsfw, type_of
from registry.models import Adapter, Discussion, Rating, Receipt, Version, VersionFile
from registry.models.adapters import Visibility
from registry.selectors.visibility import Actor, versions_readable_by
from registry.states import TOMBSTONES, VersionState
from registry.templatetags.house import markdown

LIKED, DISLIKED = 4, 2  # stars from which on, and up to which, a rating counts as a thumb
KIB = 1024


@dataclass
class Shelf:
    """What a page of adapters shows, looked up with a few questions for all of them."""

    root: str  # of absolute addresses, without a slash at its end
    versions: dict[int, list[Version]] = field(default_factory=lambda: defaultdict(list))
    gone: dict[int, str] = field(default_factory=dict)  # adapter → Civitai's mode
    pictures: dict[int, list[Picture]] = field(default_factory=lambda: defaultdict(list))
    downloads: dict[int, int] = field(default_factory=dict)
    thumbs: dict[int, tuple[int, int]] = field(default_factory=dict)
    comments: dict[int, int] = field(default_factory=dict)


def shelf(*, actor: Actor, adapters: Sequence[Adapter], root: str) -> Shelf:
    """Everything that the shapes of these adapters need and `actor` may see."""
    found = Shelf(root)
    readable = versions_readable_by(actor).filter(adapter__in=adapters)
    related = ("base_model", "created_by", "adapter__owner")
    for version in readable.filter(state=VersionState.PUBLISHED).select_related(*related).prefetch_related("files"):
        found.versions[version.adapter_id].append(version)
    for pk, state in readable.filter(state__in=TOMBSTONES).values_list("adapter_id", "state"):
        if pk not in found.versions:
            found.gone[pk] = "TakenDown" if state == VersionState.TAKEN_DOWN else found.gone.get(pk, "Archived")
    shown = [version.pk for versions in found.versions.values() for version in versions]
    for picture in pictures_of(actor=actor, versions=shown):
        found.pictures[picture.version_id].append(picture)
    receipts = Receipt.objects.filter(acceptance__version__in=shown).values_list("acceptance__version")
    found.downloads = dict(receipts.annotate(n=Count("pk")))
    thumbs = Rating.objects.filter(adapter__in=adapters).values_list("adapter")
    up, down = Count("pk", filter=Q(stars__gte=LIKED)), Count("pk", filter=Q(stars__lte=DISLIKED))
    found.comments = dict(
        Discussion.objects.filter(adapter__in=adapters).values_list("adapter").annotate(n=Sum("comment_count"))
    )
    found.thumbs = {pk: (likes, dislikes) for pk, likes, dislikes in thumbs.annotate(up=up, down=down)}
    return found


def model_json(adapter: Adapter, found: Shelf, *, primary_only: bool = False) -> dict[str, Any]:
    """One item of `/models`; where nothing is published any more, its notice: a mode, and no content."""
    versions = found.versions.get(adapter.pk, [])
    mode = None if versions else found.gone.get(adapter.pk, "Archived")
    flags = flags_of(versions[0]) if versions else NOTHING
    up, down = found.thumbs.get(adapter.pk, (0, 0))
    plain = {
        "id": adapter.pk,
        "name": adapter.title or adapter.name,
        "description": "" if mode == "TakenDown" else str(markdown(adapter.description)),
        **flags.to_json(),
        "type": type_of(adapter.kind),
        "minor": False,
        "poi": any(version.depicts_real_person for version in versions),
        "nsfw": is_nsfw(adapter),
        "nsfwLevel": NSFW_LEVELS[adapter.content_level],
        "stats": {
            "downloadCount": adapter.download_count,
            "thumbsUpCount": up,
            "thumbsDownCount": down,
            "commentCount": 0 if mode else found.comments.get(adapter.pk, 0),
            "ratingCount": adapter.rating_count,
            "rating": round(adapter.mean_stars or 0, 2),
        },
        "creator": {"username": adapter.owner.slug, "image": None},
        "tags": [] if mode else adapter.tag_names,
        "modelVersions": [
            version_json(version, found, index=index, primary_only=primary_only)
            for index, version in enumerate(versions)
        ],
    }
    return plain | ({"mode": mode} if mode else {})


def version_json(version: Version, found: Shelf, *, index: int = 0, primary_only: bool = False) -> dict[str, Any]:
    """One entry of `modelVersions`."""
    files = [file for file in version.files.all() if file.is_primary or not primary_only]
    return {
        "id": version.pk,
        "index": index,
        "name": version.label or f"v{version.number}",
        "baseModel": base_model_name(version.base_model),
        "baseModelType": "Standard",
        "publishedAt": moment(version.published_at),
        "availability": "Public" if version.adapter.visibility == Visibility.PUBLIC else "Private",
        "nsfwLevel": NSFW_LEVELS[version.adapter.content_level],
        "description": str(markdown(version.notes)) or None,
        "trainedWords": version.trigger_words,
        "stats": {"downloadCount": found.downloads.get(version.pk, 0), "thumbsUpCount": 0},
        "files": [file_json(file, version, found.root) for file in files],
        "images": [picture_json(picture, found.root) for picture in found.pictures.get(version.pk, [])],
        "downloadUrl": download_url(version, found.root),
    }


def single_version_json(version: Version, found: Shelf) -> dict[str, Any]:
    """The answer of `/model-versions/{id}`: an entry with what says where it belongs."""
    adapter = version.adapter
    order = [one.pk for one in found.versions.get(adapter.pk, [])]
    kind = type_of(version.kind)
    return {
        **version_json(version, found, index=order.index(version.pk) if version.pk in order else 0),
        "modelId": adapter.pk,
        "air": air_of(version),
        "status": "Published",
        # Nothing is sold before others get it, and whoever passes the gate gets the file itself.
        "uploadType": "Created",
        "usageControl": "Download",
        "earlyAccessConfig": {},
        "earlyAccessEndsAt": None,
        "createdAt": moment(version.created_at),
        "updatedAt": moment(version.published_at or version.created_at),
        "model": {
            "name": adapter.title or adapter.name,
            "type": kind,
            "nsfw": is_nsfw(adapter),
            "poi": version.depicts_real_person,
        },
    }


def file_json(file: VersionFile, version: Version, root: str) -> dict[str, Any]:
    """One file with every hash that the field uses, in capital letters."""
    hashes = {
        "AutoV1": file.autov1,
        "AutoV2": file.autov2,
        "AutoV3": file.autov3,
        "SHA256": file.sha256,
        "CRC32": file.crc32,
        "BLAKE3": file.blake3,
    }
    return {
        "id": file.pk,
        "name": file.path.rsplit("/", 1)[-1],
        "type": "Model",
        "sizeKB": file.size / KIB,
        "metadata": {"format": "SafeTensor", "size": None, "fp": _precision(version)},
        "pickleScanResult": "Success",  # read whole: safetensors hold no pickled object
        "virusScanResult": "Pending",  # no virus scanner runs here, and none is claimed
        "scannedAt": moment(version.inspected_at),
        "hashes": {name: value.upper() for name, value in hashes.items() if value},
        "downloadUrl": f"{download_url(version, root)}?fileId={file.pk}",
        "primary": file.is_primary,
    }


def _precision(version: Version) -> str | None:
    """Civitai's word for the commonest number format of the file."""
    dtypes: dict[str, int] = (version.inspection or {}).get("dtypes") or {}
    if not dtypes:
        return None
    return {"F16": "fp16", "BF16": "bf16", "F32": "fp32"}.get(max(dtypes, key=lambda name: dtypes[name]))


def download_url(version: Version, root: str) -> str:
    return f"{root}/api/download/models/{version.pk}"


def moment(value: Any) -> str | None:
    """2026-01-01T00:00:00.000Z"""
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z" if value else None


def versions_json(versions: Iterable[Version], *, actor: Actor, root: str) -> list[dict[str, Any]]:
    """The full answers of several versions, in their order."""
    rows = list(versions)
    found = shelf(actor=actor, adapters=list({row.adapter for row in rows}), root=root)
    return [single_version_json(row, found) for row in rows]
