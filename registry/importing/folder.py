"""A folder of adapter files as people keep them: cards and sidecars beside each, in folders below folders."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from registry.errors import CommitRefused
from registry.importing.items import Item, SourceUnreadable, name_from, with_own
from registry.importing.parents import parents_named
from registry.importing.sidecars import read_beside
from registry.services.declarations import OWN, Card, card_read

WEIGHTS = ".safetensors"
PREVIEWS = tuple(f"{end}.{kind}" for end in (".preview", "") for kind in ("png", "jpg", "jpeg", "webp"))


def folder_items(folder: Path) -> Iterator[Item]:
    """Every adapter file below `folder`, in the order of their paths. Links that lead out of it are not followed."""
    if not folder.is_dir():
        raise SourceUnreadable(f"{folder} is no folder.")
    inside = folder.resolve()
    paths = sorted(path for path in folder.rglob(f"*{WEIGHTS}") if path.is_file())
    paths = [path for path in paths if path.resolve().is_relative_to(inside)]
    times = Counter(name_from(path.stem) for path in paths)
    for path in paths:
        yield _item(folder, path, alone=times[name_from(path.stem)] == 1)


def _item(folder: Path, path: Path, *, alone: bool) -> Item:
    key = path.relative_to(folder).as_posix()
    digest = cache(partial(file_digest, path))
    beside = read_beside(path, sha256=digest())
    card, notes = _card(path)
    own = dict(beside.card.own)
    card = Card(card.facts, card.body or beside.card.body)
    facts = {name: value for name, value in beside.card.facts.items() if name != OWN}
    card = with_own(card, facts, own)
    name = name_from(path.stem if alone else key.removesuffix(WEIGHTS))
    return Item(
        key=key,
        name=name,
        filename=path.name,
        digest=digest,
        fetch=lambda: path,
        card=card,
        title=beside.title,
        content_level=beside.content_level,
        pictures=lambda: [found for end in PREVIEWS if (found := path.with_suffix(end)).is_file()][:1],
        parents=parents_named(card),
        notes=(*beside.notes, *notes),
    )


def _card(path: Path) -> tuple[Card, tuple[str, ...]]:
    """The card of the file itself, or that of its folder where no other file lies in it."""
    candidates = [path.with_suffix(".md")]
    if len(list(path.parent.glob(f"*{WEIGHTS}"))) == 1:
        candidates.append(path.parent / "README.md")
    for candidate in candidates:
        if candidate.is_file():
            try:
                return card_read(candidate.read_text("utf-8-sig")), ()
            except CommitRefused as error:
                return Card({}, ""), (f"{error.detail} {error.remedy}",)
            except (OSError, UnicodeDecodeError) as error:
                return Card({}, ""), (f"{candidate.name} could not be read ({type(error).__name__})",)
    return Card({}, ""), ()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
