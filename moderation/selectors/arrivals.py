"""What a look back looks for, and whether words, sources, pictures or faces that somebody keeps have to do with it.

An answer here is a reason to ask the register properly, as the checks do: who has consented, what was withdrawn since
and whose entry it is, is theirs to find out. What the register would find, this finds too.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from moderation.addresses import Address, addresses_in, hosts_above
from moderation.matching.faces import Descriptor, FaceReader
from moderation.matching.names import Name, NameIndex
from moderation.matching.pictures import Description, PictureUnusable, examine
from moderation.matching.pictures.raster import Grey
from moderation.matching.pictures.traces import NewWorks, Trace
from moderation.models import BlockKind, EntryKind, Newcomer, NewcomerKind, OptOutEntry, WorkFeatures, WorkHash
from moderation.selectors.blocks import blocks_in_force
from moderation.selectors.likeness import match_faces
from moderation.selectors.optout import COUNTS, NAMES
from registry.pictures import picture_open

HELD = 2  # look backs whose arrivals a process holds
AT_ONCE = 10_000


@dataclass(frozen=True)
class KeptPicture:
    """A picture as somebody keeps it: SHA-256 of the file as it was sent and as it was looked at, and its trace."""

    sent: bytes
    content: bytes
    trace: Trace


@dataclass
class Arrivals:
    """Everything that came with one look back and still counts. Built once for many questions; it does not change."""

    names: NameIndex | None
    addresses: dict[str, list[Address]]
    works: NewWorks
    files: frozenset[bytes]  # SHA-256 of works that lists name, and of removed pictures
    identities: frozenset[int]
    known: bool = field(init=False)  # whether there is anything that pictures are compared with

    def __post_init__(self) -> None:
        works = self.works
        self.known = bool(self.files or works.needs_features or len(works.phashes) or len(works.pdqs))

    def in_texts(self, texts: Iterable[str]) -> bool:
        """Whether a new name stands in one of the texts (tags joined by commas).

        Raises ValueError for texts beyond what the matcher takes.
        """
        return self.names is not None and any(self.names.find(text) for text in texts)

    def in_sources(self, text: str) -> bool:
        """Whether a text names an address that lies within a new one."""
        if not self.addresses:
            return False
        return any(
            covering.covers(address)
            for address in addresses_in(text)
            for host in hosts_above(address)
            for covering in self.addresses.get(host, ())
        )

    def in_pictures(self, pictures: Sequence[KeptPicture], read: Callable[[int], Grey]) -> set[int]:
        """The places of the pictures that show a new work or removed picture, or are the same file.

        `read` gives the grey raster (`moderation.matching.pictures.raster.grey`) of the picture at a place. It is
        asked for where features fit. Raises what it raises, and DescriptionInvalid for a damaged trace.
        """
        found = {place for place, one in enumerate(pictures) if {one.sent, one.content} & self.files}
        found |= self.works.listed_in([one.trace.hashes for one in pictures])
        if self.works.needs_features:
            rest = ((place, one) for place, one in enumerate(pictures) if place not in found)
            found |= {place for place, one in rest if self.works.shown_in(one.trace, lambda place=place: read(place))}  # type: ignore[misc]
        return found

    def in_faces(self, descriptors: Sequence[Descriptor], *, reader: FaceReader) -> bool:
        """Whether one of the faces is near one of a new identity; raises RuntimeError where it cannot be compared."""
        if not self.identities or not descriptors:
            return False
        report = match_faces(descriptors=descriptors, reader=reader, among=self.identities)
        if report.not_comparable:
            raise RuntimeError(f"{report.not_comparable} protected likenesses were enrolled by another reader")
        return bool(report.matches)


_held: OrderedDict[int, Arrivals] = OrderedDict()


def arrivals(lookback_id: int) -> Arrivals:
    """What came with a look back. What was changed since its beginning came with a later one."""
    if lookback_id not in _held:
        _held[lookback_id] = _arrivals(lookback_id)
        while len(_held) > HELD:
            _held.popitem(last=False)
    return _held[lookback_id]


def _arrivals(lookback_id: int) -> Arrivals:
    entries = list(_refs(lookback_id, NewcomerKind.ENTRY))
    blocks = list(_refs(lookback_id, NewcomerKind.BLOCK))
    hashes = _hashes(entries)
    removed = blocks_in_force().filter(kind=BlockKind.PICTURE)
    digests = {bytes.fromhex(value) for part in _parts(blocks) for value in _values(removed.filter(pk__in=part))}
    return Arrivals(
        names=_names(entries),
        addresses=_addresses(entries),
        works=NewWorks(
            described={key: Description.from_bytes(stored) for key, stored in _described(entries)},
            blocked={key: Description.from_bytes(stored) for key, stored in _blocked(blocks)},
            phashes=_array(hashes["phash"], 8),
            pdqs=_array(hashes["pdq"], 32),
        ),
        files=frozenset(hashes["sha256"]) | digests,
        identities=frozenset(_refs(lookback_id, NewcomerKind.IDENTITY)),
    )


def _refs(lookback_id: int, kind: NewcomerKind) -> Iterator[int]:
    rows = Newcomer.objects.filter(lookback=lookback_id, kind=kind).order_by("ref")
    yield from rows.values_list("ref", flat=True).distinct()


def _parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]


def _values(blocks: object) -> list[str]:
    return list(blocks.values_list("value", flat=True))  # type: ignore[attr-defined]


def _names(entries: Sequence[int]) -> NameIndex | None:
    rows = [
        Name(*row)
        for part in _parts(entries)
        for row in OptOutEntry.objects.filter(NAMES, pk__in=part).values_list("pk", "text", "mononym")
    ]
    return NameIndex.build(rows) if rows else None


def _addresses(entries: Sequence[int]) -> dict[str, list[Address]]:
    found: dict[str, list[Address]] = defaultdict(list)
    for part in _parts(entries):
        rows = OptOutEntry.objects.filter(COUNTS, kind=EntryKind.URL, pk__in=part).values_list("host", "form")
        for host, form in rows:
            found[host].append(Address(host, form))
    return dict(found)


def _hashes(entries: Sequence[int]) -> dict[str, list[bytes]]:
    """Of every entry that counts. A work with features is found by its bare hash too, which is more than is asked."""
    found: dict[str, list[bytes]] = {"phash": [], "pdq": [], "sha256": []}
    for part in _parts(entries):
        counting = OptOutEntry.objects.filter(COUNTS, kind=EntryKind.WORK, pk__in=part).values("pk")
        rows = WorkHash.objects.filter(entry__in=counting).values_list("algorithm", "bits")
        for algorithm, bits in rows.iterator(chunk_size=AT_ONCE):
            found[algorithm].append(bytes(bits))
    return found


def _described(entries: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    for part in _parts(entries):
        counting = OptOutEntry.objects.filter(COUNTS, kind=EntryKind.WORK, pk__in=part).values("pk")
        rows = WorkFeatures.objects.filter(entry__in=counting).values_list("entry_id", "description")
        yield from ((key, bytes(stored)) for key, stored in rows.iterator(chunk_size=500))


def _blocked(blocks: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    for part in _parts(blocks):
        rows = blocks_in_force().filter(pk__in=part, kind=BlockKind.PICTURE).exclude(features=b"")
        yield from ((block.pk, bytes(block.features)) for block in rows.iterator(chunk_size=500))


def _array(hashes: Sequence[bytes], width: int) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, width)


def picture_kept(content: bytes, *, sent: str = "") -> KeptPicture:
    """What somebody who keeps pictures of their own stores of one, to be asked about later.

    `sent` is the SHA-256 of the file as it came, where `content` is a copy. Raises PictureRefused.
    """
    digest = hashlib.sha256(content).digest()
    try:
        trace = Trace.of(examine(picture_open(content)))
    except PictureUnusable:
        trace = Trace()
    return KeptPicture(bytes.fromhex(sent) if sent else digest, digest, trace)
