"""Model cards: generated from the facts where a repository has none, and an uploaded one against the facts."""

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from django.conf import settings
from django.urls import reverse

from accounts.models import User
from governance.policy import Outcome
from governance.rulebook import current_ruleset
from registry.errors import CommitRefused
from registry.models import Adapter, BaseModel, Version
from registry.selectors.visibility import Actor
from registry.services.cards import card_errors
from registry.services.declarations import card_read, declared_by
from registry.services.standing_pass import gate_path
from registry.snippets import DIFFUSERS_LOADS

HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
VIDEO_FAMILIES = frozenset({"wan", "ltx-2"})
OTHER = "other"


@dataclass(frozen=True)
class CardReport:
    """What keeps a card from being taken, and what is still missing for a version to be published."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def base_name(base: BaseModel) -> str:
    """What `base_model` says: where the weights come from, as the Hub names it, else our own slug."""
    return base.weights_source if HUB_ID.match(base.weights_source) else base.slug


def licence_facts(licence_id: str) -> dict[str, str]:
    """`license`, and for what the Hub has no word for also `license_name` and `license_link`."""
    licence = current_ruleset().licences.get(licence_id)
    facts = dict(licence.hub) if licence is not None else {}
    if not facts:
        facts = {"license": OTHER, "license_name": licence_id}
    if facts["license"] == OTHER:
        facts["license_link"] = settings.PUBLIC_URL + reverse("licence", args=[licence_id])
    return facts


def licence_word(licence_id: str) -> str:
    """The word after `license:` in a tag."""
    return licence_facts(licence_id)["license"]


def pipeline_of(base: BaseModel) -> str:
    return "text-to-video" if base.family in VIDEO_FAMILIES else "text-to-image"


def tags_of(adapter: Adapter, version: Version) -> list[str]:
    """The adapter's tags and those that follow from facts, as the Hub derives them."""
    base = base_name(version.base_model)
    derived = ["diffusers", *(["lora"] if version.kind in DIFFUSERS_LOADS else []), version.kind]
    derived += [pipeline_of(version.base_model), f"license:{licence_word(version.licence_id)}"]
    derived += [f"base_model:{base}", f"base_model:adapter:{base}"]
    return list(dict.fromkeys(tag for tag in [*adapter.tag_names, *derived] if tag))


def card_facts(adapter: Adapter, version: Version) -> dict[str, Any]:
    """The YAML of a generated card."""
    own = [tag for tag in tags_of(adapter, version) if ":" not in tag and tag not in {"diffusers", "text-to-image"}]
    facts: dict[str, Any] = {
        **licence_facts(version.licence_id),
        "base_model": base_name(version.base_model),
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": pipeline_of(version.base_model),
        "tags": own,
    }
    if version.trigger_words:
        facts["instance_prompt"] = ", ".join(version.trigger_words)
    return facts


def card_generate(*, adapter: Adapter, version: Version) -> str:
    """A README.md out of what is declared, found and decided about `version`; the same facts give the same text."""
    front = yaml.safe_dump(card_facts(adapter, version), sort_keys=False, allow_unicode=True)
    link = f"{settings.PUBLIC_URL}/{adapter.owner.slug}/{adapter.name}"
    parts = [f"---\n{front}---", f"# {_line(adapter.title)}", adapter.description.strip()]
    parts += ["## What it is", "\n".join(f"- {line}" for line in _about(version))]
    parts += ["## What it may be used for", _uses(version)]
    parts += [
        f"Downloads pass through the licence gate: <{settings.PUBLIC_URL}{gate_path(version)}>. "
        f"What is known about this adapter stands on its page: <{link}>.",
        "_This card was generated from the registry's facts, because the repository has none of its own._",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _about(version: Version) -> list[str]:
    licence = current_ruleset().licences.get(version.licence_id)
    lines = [
        f"Kind: {version.kind or 'not inspected yet'}, version {version.number}",
        f"Base model: {version.base_model.name}",
        f"Licence: {licence.name if licence else version.licence_id}",
        f"Recommended strength: {version.strength:g}",
    ]
    if version.trigger_words:
        lines.append("Trigger words: " + ", ".join(f"`{_line(word)}`" for word in version.trigger_words))
    return lines


def _uses(version: Version) -> str:
    lines = []
    for use, answer in sorted(version.permissions.get("uses", {}).items()):
        lines.append(f"- {use.replace('-', ' ')}: {_answer(answer)}")
    return "\n".join(lines) or "Nothing has been decided about its uses yet."


def _answer(answer: dict[str, Any]) -> str:
    words = {Outcome.ALLOW: "yes", Outcome.REVIEW: "a person has to look", Outcome.DENY: "no"}
    return words.get(Outcome(answer.get("outcome", Outcome.REVIEW)), "a person has to look")


def card_data_of(text: str) -> dict[str, Any]:
    """The YAML of a card as JSON has it; nothing where it cannot be read."""
    try:
        facts = card_read(text).facts
    except CommitRefused:
        return {}
    return {str(name): _plain(value) for name, value in facts.items()}


def _plain(value: Any) -> Any:
    """YAML knows dates, bytes and numbers that JSON does not: these as text."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def card_check(text: str, *, actor: Actor) -> CardReport:
    """An uploaded card: errors for what cannot be read or claims what the licences forbid, warnings for what lacks."""
    try:
        card = card_read(text)
    except CommitRefused as error:
        return CardReport(errors=(" ".join(part for part in (error.detail, error.remedy) if part),))
    if not isinstance(actor, User):
        return CardReport(warnings=("Sign in to have the card checked against the licences: send a token.",))
    missing = declared_by(card, actor=actor).missing
    return CardReport(
        errors=tuple(card_errors(card=card, actor=actor)),
        warnings=tuple(f"{name}: {what}." for name, what in missing.items()),
    )
