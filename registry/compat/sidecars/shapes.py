"""What each tool reads beside a file, in the shape that the tool itself writes.

- `.civitai.info` is Civitai Helper's: the answer of `/api/v1/model-versions/{id}`, with a mark of its writer.
- `.metadata.json` is the LoRA manager's for ComfyUI (fields of its `LoraMetadata`).
- `.json` is what A1111 itself keeps as a file's user metadata.
"""

import json
from typing import Any

from django.utils.html import strip_tags

from registry.compat.civitai.shapes import Shelf, single_version_json
from registry.compat.civitai.words import NSFW_LEVELS, base_model_name
from registry.models import Version, VersionFile
from registry.templatetags.house import markdown

HELPER_VERSION = "1.8.3"  # below 1.7.2 Civitai Helper takes the file for an old one and asks civitai.com again
# A1111's words for the families that it knows (extensions-builtin/Lora/network.py, SdVersion).
A1111_BASES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}


def civitai_info(version: Version, found: Shelf) -> dict[str, Any]:
    """`.civitai.info`"""
    plain = single_version_json(version, found)
    adapter = version.adapter
    plain["model"] |= {"description": str(markdown(adapter.description)), "tags": adapter.tag_names}
    plain["creator"] = {"username": adapter.owner.slug, "image": None}
    mark = {"version": HELPER_VERSION, "last_update": int(_moment(version)), "skeleton_file": False}
    return plain | {"extensions": {"sd_civitai_helper": mark}}


def manager_metadata(version: Version, file: VersionFile, info: dict[str, Any], preview: str) -> dict[str, Any]:
    """`.metadata.json`; `file_path` is left to the manager, which alone knows where it put the file."""
    adapter = version.adapter
    tips = {"strength": version.strength} if version.strength != 1 else {}
    return {
        "file_name": stem_of(file),
        "model_name": adapter.title or adapter.name,
        "file_path": name_of(file),
        "size": file.size,
        "modified": _moment(version),
        "sha256": file.sha256,
        "base_model": base_model_name(version.base_model),
        "preview_url": preview,
        "preview_nsfw_level": NSFW_LEVELS[adapter.content_level] if preview else 0,
        "notes": version.notes,
        # Neither asked for at civitai.com nor deleted there: the ids are those of this registry.
        "from_civitai": False,
        "civitai": info,
        "tags": adapter.tag_names,
        "modelDescription": str(markdown(adapter.description)),
        "civitai_deleted": False,
        "favorite": False,
        "exclude": False,
        "db_checked": False,
        "last_checked_at": 0,
        "usage_tips": json.dumps(tips),
    }


def user_metadata(version: Version) -> dict[str, Any]:
    """`.json` of A1111"""
    adapter = version.adapter
    return {
        "description": strip_tags(str(markdown(adapter.description))).strip(),
        "sd version": A1111_BASES.get(version.family, "Unknown"),
        "activation text": ", ".join(version.trigger_words),
        "preferred weight": version.strength,
        "negative text": "",
        "notes": version.notes,
    }


def name_of(file: VersionFile) -> str:
    """The file's name without its folder."""
    return file.path.rsplit("/", 1)[-1]


def stem_of(file: VersionFile) -> str:
    """The name without `.safetensors`, by which tools know what lies beside it."""
    return name_of(file).rsplit(".", 1)[0]


def _moment(version: Version) -> float:
    return (version.published_at or version.created_at).timestamp()
