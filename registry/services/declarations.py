"""A declaration out of a model card: what its YAML states is taken, what it leaves open is named.

The field's own keys are `license`, `base_model`, `instance_prompt` and `tags`. What no other registry asks for stands
under `registry:` (see docs/hub.md). Nothing is guessed: what a card does not say, a person has to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from django.db.models import Q

from accounts.errors import NotFound
from accounts.models import User
from governance.rulebook import current_ruleset
from registry.errors import CommitRefused
from registry.models import BaseModel
from registry.models.versions import Relation
from registry.selectors.parents import version_at
from registry.services.versions import COMMERCIAL_USES, Declaration, Parent

OWN = "registry"
FRONT_MOST = 64 * 1024  # characters of YAML
BODY_MOST = 20_000  # characters below it, as the upload form takes of a description
FENCE = "---"


@dataclass(frozen=True)
class Card:
    """A model card: the facts of its YAML, and the text below them."""

    facts: Mapping[str, Any]
    body: str

    @property
    def own(self) -> Mapping[str, Any]:
        """What stands under our own key."""
        found = self.facts.get(OWN)
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class Declared:
    """What a card declares of a version, and what is missing for one: the field's name and what to say there."""

    declaration: Declaration
    missing: Mapping[str, str]


class _PlainLoader(yaml.SafeLoader):
    """Without aliases, by which a few lines grow to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not taken in a card")
        return super().compose_node(parent, index)


def card_read(text: str) -> Card:
    """The card in a README.md; one without YAML has no facts. Raises CommitRefused where it cannot be read."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != FENCE:
        return Card({}, _body(text))
    end = next((place for place, line in enumerate(lines[1:], start=1) if line.strip() == FENCE), None)
    if end is None:
        raise CommitRefused("README.md: its YAML begins with `---` and does not end.", remedy="Close it by `---`.")
    front = "\n".join(lines[1:end])
    if len(front) > FRONT_MOST:
        raise CommitRefused(f"README.md: its YAML has more than {FRONT_MOST:,} characters.")
    try:
        facts = yaml.load(front, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CommitRefused(f"README.md: its YAML cannot be read: {reason}.", remedy="Correct it.") from error
    if facts is not None and not isinstance(facts, dict):
        raise CommitRefused("README.md: its YAML is no list of `key: value`.", remedy="Correct it.")
    return Card(facts or {}, _body("\n".join(lines[end + 1 :])))


def _body(text: str) -> str:
    text = text.strip()
    if len(text) > BODY_MOST:
        raise CommitRefused(f"The text of README.md has {len(text):,} characters; {BODY_MOST:,} is the most.")
    return text


def card_read_leniently(text: str) -> Card:
    """The same of a card that was taken long ago, or by another way in: what cannot be read states nothing."""
    try:
        return card_read(text)
    except CommitRefused:
        return Card({}, text[:BODY_MOST])


def card_licence(card: Card) -> str:
    """The catalogue's id of the licence that the card names; the words themselves where it has none; "" for none."""
    named = _words(card.facts.get("license"))
    if named == ["other"]:
        named = _words(card.facts.get("license_name"))
    first = named[0] if named else ""
    return current_ruleset().names.get(first.casefold(), first)


def card_base(card: Card) -> BaseModel | None:
    """The base model of the catalogue that the card names: by its slug, its name, or where its weights come from."""
    for named in _words(card.facts.get("base_model")):
        known = Q(slug=named.casefold()[:60]) | Q(name__iexact=named) | Q(weights_source__iexact=named)
        if found := BaseModel.objects.filter(known).order_by("position").first():
            return found
    return None


def declared_by(card: Card, *, actor: User) -> Declared:
    """The declaration that a card makes in the name of `actor`, with what is missing or cannot be understood in it."""
    own, base, licence = card.own, card_base(card), card_licence(card)
    sources = "\n".join(_words(own.get("training_sources")))[:5000]
    person = own.get("depicts_real_person")
    missing: dict[str, str] = {}
    if base is None:
        missing["base_model"] = "name a base model of the catalogue"
    if licence not in current_ruleset().licences:
        missing["license"] = "name a licence of the catalogue"
    if not sources:
        missing[f"{OWN}.training_sources"] = "say what it was trained on and where that came from"
    if not isinstance(person, bool):
        missing[f"{OWN}.depicts_real_person"] = "say true or false"
    edition = " ".join(_words(own.get("rights_statement")))[:20]
    if not edition:
        missing[f"{OWN}.rights_statement"] = "affirm the rights statement by its edition"
    declaration = Declaration(
        base_model=base.slug if base else "",
        licence_id=licence,
        training_sources=sources,
        depicts_real_person=person if isinstance(person, bool) else None,
        rights_edition=edition,
        trigger_words=tuple(word[:200] for word in _triggers(card)),
        parents=_parents(own, actor, missing),
        **_permissions(own, missing),
    )
    return Declared(declaration, missing)


def _triggers(card: Card) -> list[str]:
    return [*_words(card.facts.get("instance_prompt")), *_words(card.own.get("trigger_words"))]


def _permissions(own: Mapping[str, Any], missing: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("credit_required", "allow_derivatives", "allow_different_licence"):
        if name in own and not isinstance(own[name], bool):
            missing[f"{OWN}.{name}"] = "say true or false"
        elif name in own:
            found[name] = own[name]
    uses = _words(own.get("commercial_use"))
    if set(uses) - set(COMMERCIAL_USES):
        missing[f"{OWN}.commercial_use"] = f"name some of {', '.join(COMMERCIAL_USES)}"
    else:
        found["commercial_use"] = tuple(uses)
    strength = own.get("strength", 1.0)
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not -4 <= strength <= 4:
        missing[f"{OWN}.strength"] = "give a number between -4 and 4"
    else:
        found["strength"] = float(strength)
    found["preview_prompts"] = tuple(prompt[:500] for prompt in _words(own.get("preview_prompts")))
    found["label"] = " ".join(_words(own.get("label")))[:60]
    found["notes"] = "\n".join(_words(own.get("notes")))[:5000]
    return found


def _parents(own: Mapping[str, Any], actor: User, missing: dict[str, str]) -> tuple[Parent, ...]:
    """`parents`: addresses, or `{adapter, relation, weight}`; one that cannot be found is asked for again."""
    listed, found = own.get("parents") or [], []
    for entry in listed if isinstance(listed, list) else [listed]:
        entry = entry if isinstance(entry, Mapping) else {"adapter": entry}
        relation, weight = str(entry.get("relation", Relation.MERGE)), entry.get("weight")
        try:
            version = version_at(actor=actor, address=str(entry.get("adapter", "")).replace("\0", ""))
        except NotFound:
            missing[f"{OWN}.parents"] = "name adapters that you may see, as owner/name or owner/name/v/2"
            continue
        if relation not in Relation.values:
            missing[f"{OWN}.parents"] = f"a relation is one of {', '.join(Relation.values)}"
            continue
        number = float(weight) if isinstance(weight, int | float) and not isinstance(weight, bool) else None
        found.append(Parent(version.pk, relation, number))
    return tuple(found)


def card_tags(card: Card) -> list[str]:
    """The tags that the card gives."""
    return _words(card.facts.get("tags"))


def _words(value: Any) -> list[str]:
    """A text or a list of texts, without empty ones and without what no database takes."""
    listed = value if isinstance(value, list) else [value]
    texts = [str(entry) for entry in listed if isinstance(entry, str | int | float) and not isinstance(entry, bool)]
    return [clean for text in texts if (clean := text.replace("\0", "").strip())]
