"""A card out of the files that local tools keep beside an adapter: Civitai Helper, the LoRA manager, A1111."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.html import strip_tags

from registry.compat.civitai.words import base_models_named
from registry.models import BaseModel
from registry.models.adapters import ContentLevel
from registry.services.declarations import BODY_MOST, OWN, Card

MOST = 4 * 1024 * 1024  # bytes of one sidecar
COMMERCIAL = {"Image": "image", "RentCivit": "rent-civit", "Rent": "rent", "Sell": "sell"}


@dataclass(frozen=True)
class Beside:
    """What was read: the card, the title, the level, and what was left out and why."""

    card: Card
    title: str
    content_level: str
    notes: tuple[str, ...]


def read_beside(path: Path, *, sha256: str) -> Beside:
    """Everything that the sidecars of the adapter file at `path` say; one that speaks of another file is left out."""
    notes: list[str] = []
    stem = path.with_suffix("")
    found = {end: _json(Path(f"{stem}{end}"), notes) for end in (".civitai.info", ".metadata.json", ".json")}
    manager, a1111 = found[".metadata.json"], found[".json"]
    info = found[".civitai.info"] or _mapping(manager.get("civitai"))
    if _another(info, sha256):
        notes.append("the .civitai.info beside it speaks of another file and was left out")
        info = {}
    if manager.get("sha256") and str(manager["sha256"]).lower() != sha256:
        notes.append("the .metadata.json beside it speaks of another file and was left out")
        manager = {}
    model = _mapping(info.get("model"))
    facts = _facts(info, model, manager, a1111)
    text = _text(model.get("description") or manager.get("modelDescription") or a1111.get("description"))
    level = ContentLevel.MATURE if model.get("nsfw") is True else ""
    title = str(model.get("name") or manager.get("model_name") or "")[:120]
    return Beside(Card(facts, text[:BODY_MOST]), title, level, tuple(notes))


def _facts(
    info: Mapping[str, Any], model: Mapping[str, Any], manager: Mapping[str, Any], a1111: Mapping[str, Any]
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if base := _base(str(info.get("baseModel") or manager.get("base_model") or "")):
        facts["base_model"] = base
    if tags := _texts(model.get("tags") or manager.get("tags")):
        facts["tags"] = tags
    own: dict[str, Any] = {}
    if words := _texts(info.get("trainedWords")) or _texts(str(a1111.get("activation text") or "").split(",")):
        own["trigger_words"] = words
    if (strength := _strength(manager, a1111)) is not None:
        own["strength"] = strength
    if isinstance(model.get("poi"), bool):
        own["depicts_real_person"] = model["poi"]
    if notes := _text(info.get("description") or manager.get("notes") or a1111.get("notes")):
        own["notes"] = notes[:5000]
    own |= _permissions(model)
    return facts | ({OWN: own} if own else {})


def _permissions(model: Mapping[str, Any]) -> dict[str, Any]:
    """Civitai's flags, where the sidecar has them; `allowCommercialUse` was once a string in braces."""
    own: dict[str, Any] = {}
    if isinstance(model.get("allowNoCredit"), bool):
        own["credit_required"] = not model["allowNoCredit"]
    if isinstance(model.get("allowDerivatives"), bool):
        own["allow_derivatives"] = model["allowDerivatives"]
    if isinstance(model.get("allowDifferentLicense"), bool):
        own["allow_different_licence"] = model["allowDifferentLicense"]
    uses = model.get("allowCommercialUse")
    uses = uses.strip("{}").split(",") if isinstance(uses, str) else uses
    if isinstance(uses, list):
        own["commercial_use"] = [COMMERCIAL[use] for use in uses if isinstance(use, str) and use in COMMERCIAL]
    return own


def _base(name: str) -> str:
    """The slug of the base model that goes by this name on Civitai."""
    found, _ = base_models_named([name]) if name else ([], [])
    return BaseModel.objects.get(pk=found[0]).slug if found else name


def _strength(manager: Mapping[str, Any], a1111: Mapping[str, Any]) -> float | None:
    tips = manager.get("usage_tips")
    try:
        said = json.loads(tips).get("strength") if isinstance(tips, str) else None
    except (ValueError, AttributeError):
        said = None
    said = said if said is not None else a1111.get("preferred weight") or None
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else None


def _another(info: Mapping[str, Any], sha256: str) -> bool:
    """Whether the sidecar names hashes, and none of them is this file's."""
    files = info.get("files")
    named = {
        str(_mapping(_mapping(one).get("hashes")).get("SHA256", "")).lower()
        for one in (files if isinstance(files, list) else [])
    } - {""}
    return bool(named) and sha256 not in named


def _json(path: Path, notes: list[str]) -> Mapping[str, Any]:
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > MOST:
            raise ValueError("it is too large")
        return _mapping(json.loads(path.read_text("utf-8-sig")))
    except (OSError, ValueError, RecursionError) as error:
        notes.append(f"{path.name} could not be read ({type(error).__name__}) and was left out")
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else []
    return [clean for one in listed if isinstance(one, str) and (clean := one.strip(" ,"))]


def _text(value: Any) -> str:
    return html.unescape(strip_tags(value)).replace("\0", "").strip() if isinstance(value, str) else ""
