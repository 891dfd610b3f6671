"""How a drawn picture was made: the settings that travel in its file, and those that its gallery shows."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import AnonymousUser

from inference.models import GenerationPicture
from inference.prompts import parse_prompt, without
from inference.samplers import SAMPLERS
from registry.models import Version
from registry.selectors.visibility import versions_readable_by
from registry.states import VersionState


def facts_of(picture: GenerationPicture, *, named: Collection[int] | None = None) -> dict[str, Any]:
    """The settings under the names of `picture_texts`; the prompt keeps its tags, as AUTOMATIC1111 writes it.

    `named` are the keys of the versions that may be named; the others leave prompt, names and hashes.
    """
    used = _used(picture, named)
    dropped = {
        place for place, (version, _) in enumerate(_all(picture)) if named is not None and version.pk not in named
    }
    sampler = SAMPLERS.get(picture.sampler)
    return {
        "prompt": without(picture.prompt, dropped) if dropped else picture.prompt,
        "negative": picture.negative,
        "steps": picture.steps,
        "sampler": sampler.label if sampler else "",
        "guidance": picture.guidance,
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "base_model": picture.generation.base_model.name,
        "Lora hashes": _hashes(picture, named),
        "adapters": ", ".join(str(version) for version, _ in used),
        "version": "Adapter Registry",
        "title": f"Picture {picture.pk}",
    }


def settings_shown(picture: GenerationPicture, *, named: Collection[int]) -> dict[str, Any]:
    """The same as plain values for who looks at it in a gallery."""
    facts = facts_of(picture, named=named)
    names = ("prompt", "negative", "seed", "steps", "sampler", "guidance", "width", "height", "base_model")
    adapters = [
        {"name": version.adapter.name, "version": version.pk, "weight": weight}
        for version, weight in _used(picture, named)
    ]
    return {**{name: facts[name] for name in names}, "adapters": adapters}


def named_beside(version: Version, picture: GenerationPicture) -> frozenset[int]:
    """Which versions a picture in the gallery of `version` may name: that one, and what anybody may see."""
    others = versions_readable_by(AnonymousUser()).filter(
        pk__in=[other.pk for other, _ in _all(picture)], state=VersionState.PUBLISHED
    )
    return frozenset({version.pk, *others.values_list("pk", flat=True)})


def _all(picture: GenerationPicture) -> list[tuple[Version, float]]:
    """The versions and their strengths in the order of the prompt's tags."""
    adapters = {one.position: one.version for one in picture.generation.adapters.all()}
    return [(adapters[place], weight) for place, _, weight in picture.weights]


def _used(picture: GenerationPicture, named: Collection[int] | None) -> list[tuple[Version, float]]:
    return [(version, weight) for version, weight in _all(picture) if named is None or version.pk in named]


def _hashes(picture: GenerationPicture, named: Collection[int] | None) -> str:
    """Each under the very words of its tag: by them AUTOMATIC1111 finds the tag again when settings are pasted."""
    tags = zip(parse_prompt(picture.prompt).mentions, _all(picture), strict=True)
    kept = [(tag, version) for tag, (version, _) in tags if named is None or version.pk in named]
    return ", ".join(f"{tag.written}: {_hash(version)}" for tag, version in kept)


def _hash(version: Version) -> str:
    """The short hash that other tools find the file by: AutoV3 where it has one, else AutoV2."""
    file = version.files.get(is_primary=True)
    return (file.autov3 or file.autov2)[:12]
