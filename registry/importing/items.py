"""What a source offers: files with the card that was found, or made out of what lies beside them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from registry.services.declarations import OWN, Card

NAME_MOST = 60
NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class SourceUnreadable(Exception):
    """A source, or one thing in it, that cannot be read; the message says what and why."""


@dataclass(frozen=True)
class Item:
    """One adapter file of a source; `fetch` brings it to a local path when it is needed."""

    key: str
    name: str
    filename: str
    digest: Callable[[], str]
    fetch: Callable[[], Path]
    card: Card
    title: str = ""
    label: str = ""
    content_level: str = ""
    pictures: Callable[[], list[Path]] = list
    parents: tuple[tuple[str, str], ...] = ()  # (name of an item's adapter, relation)
    notes: tuple[str, ...] = field(default=())


def name_from(text: str) -> str:
    """A name as addresses here take it; "adapter" where nothing of the text can be kept."""
    return NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:NAME_MOST].strip("-") or "adapter"


def with_own(card: Card, facts: dict[str, Any], own: dict[str, Any]) -> Card:
    """The card with these facts where it states nothing itself."""
    mine = {**own, **card.own}
    return replace(card, facts={**facts, **card.facts, **({OWN: mine} if mine else {})})


def parents_first(items: Iterable[Item]) -> Iterator[Item]:
    """Each item behind those it was made from; a circle is broken where it is met."""
    waiting = list(items)
    by_name: dict[str, list[Item]] = {}
    for item in waiting:
        by_name.setdefault(item.name, []).append(item)
    seen: set[str] = set()

    def walk(item: Item) -> Iterator[Item]:
        if item.key in seen:
            return
        seen.add(item.key)
        for parent, _ in item.parents:
            for one in by_name.get(parent, []):
                yield from walk(one)
        yield item

    for item in waiting:
        yield from walk(item)
