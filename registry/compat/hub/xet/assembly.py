"""Putting files together from the chunks of a session's xorbs, as a shard says; each file costs a chunk of memory."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from registry.compat.hub.xet.shard import ShardFile
from registry.compat.hub.xet.xorb import Chunk, XorbRefused, chunk_bytes, span, xorb_chunks

Lookup = Callable[[str], Path]  # where the xorb of this name lies
OPEN_INDEXES = 8  # xorbs whose places of chunks are remembered at a time: megabytes each, at worst


class FileRefused(Exception):
    """A file cannot be put together; says why."""


def file_pieces(file: ShardFile, xorbs: Lookup) -> Iterator[bytes]:
    """The content of `file`, chunk by chunk; raises FileRefused."""
    index = lru_cache(maxsize=OPEN_INDEXES)(_index)
    for term in file.terms:
        path = xorbs(term.xorb)
        if not path.exists():
            raise FileRefused(f"The xorb {term.xorb} was not sent in this session.")
        try:
            size = 0
            with path.open("rb") as stream:
                for chunk in span(index(path), term.first, term.end):
                    content = chunk_bytes(stream, chunk)
                    size += len(content)
                    yield content
        except XorbRefused as refusal:
            raise FileRefused(f"The xorb {term.xorb} cannot be read. {refusal}") from refusal
        if size != term.size:
            raise FileRefused(f"A term is said to hold {term.size:,} bytes, and holds {size:,}.")


def _index(path: Path) -> list[Chunk]:
    with path.open("rb") as stream:
        return xorb_chunks(stream)
