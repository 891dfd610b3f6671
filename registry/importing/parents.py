"""Which adapters a card says that this one was made from, by the names that they get here."""

from collections.abc import Mapping
from typing import Any

from registry.importing.items import name_from
from registry.models.versions import Relation
from registry.services.declarations import Card, card_base

# The Hub's word for how something came from its base → ours.
RELATIONS = {"merge": Relation.MERGE, "finetune": Relation.FINE_TUNE, "quantized": Relation.CONVERT}


def parents_named(card: Card) -> tuple[tuple[str, str], ...]:
    """(name, relation) of each: those of `registry.parents`, and of `base_model` what is no base model known here."""
    found = [_own(entry) for entry in _listed(card.own.get("parents"))]
    relation = RELATIONS.get(str(card.facts.get("base_model_relation", "")), Relation.FINE_TUNE)
    for named in _listed(card.facts.get("base_model")):
        if isinstance(named, str) and "/" in named and card_base(Card({"base_model": named}, "")) is None:
            found.append((_name(named), relation))
    return tuple(dict.fromkeys(pair for pair in found if pair[0]))


def _own(entry: Any) -> tuple[str, str]:
    entry = entry if isinstance(entry, Mapping) else {"adapter": entry}
    return _name(str(entry.get("adapter", ""))), str(entry.get("relation", Relation.MERGE))


def _name(address: str) -> str:
    parts = [part for part in address.split("/") if part]
    return name_from(parts[1] if len(parts) > 1 else parts[0]) if parts else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []
