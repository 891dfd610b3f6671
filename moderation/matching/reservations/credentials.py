"""Reservations in Content Credentials: the training-mining assertions of C2PA 1.x and of CAWG 1.x.

Every manifest in the file counts, those of ingredients too: what was made from a reserved picture carries its
reservation. A broken signature does not take a reservation back. c2pa-python is imported on first use (53 MB).
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from moderation.matching.reservations.values import Reservation, shown, unreadable

_LABEL = re.compile(r"^(?P<standard>c2pa|cawg)\.training-mining(\.v\d+)?(__\d+)?$")
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False}}
WHERE = "Content Credentials"


def from_credentials(data: bytes, kind: str) -> list[Reservation]:
    """The reservations in the manifests of a picture of this media type."""
    if b"c2pa" not in data or b"jumb" not in data:
        return []  # a manifest store is a box "jumb" labelled "c2pa", and stands in the file as it is
    import c2pa

    try:
        reader = c2pa.Reader.try_create(kind, io.BytesIO(data), context=c2pa.Context.from_dict(_SETTINGS))
        if reader is None:
            return [unreadable("The Content Credentials are damaged: the file has a store, but no manifest.", WHERE)]
        with reader:
            store = json.loads(reader.json())
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return [unreadable(f"The Content Credentials cannot be read ({shown(str(error))}).", WHERE)]
    return list(from_manifests(store))


def from_manifests(store: Mapping[str, Any]) -> Iterator[Reservation]:
    """The reservations in a manifest store as c2pa-python gives it."""
    manifests = store.get("manifests")
    if not isinstance(manifests, dict):
        yield unreadable("The Content Credentials hold no manifests.", WHERE)
        return
    for label, manifest in manifests.items():
        where = WHERE if label == store.get("active_manifest") else f"{WHERE} of an ingredient"
        assertions = manifest.get("assertions", []) if isinstance(manifest, dict) else None
        if not isinstance(assertions, list):
            yield unreadable("A manifest of the Content Credentials has another form than the standard's.", where)
            continue
        for assertion in assertions:
            name = assertion.get("label") if isinstance(assertion, dict) else None
            if isinstance(name, str) and (match := _LABEL.match(name)):
                yield from _entries(match["standard"], assertion.get("data"), where)


def _entries(standard: str, data: Any, where: str) -> Iterator[Reservation]:
    entries = data.get("entries", data) if isinstance(data, dict) else data
    named = list(entries.items()) if isinstance(entries, dict) else None
    if isinstance(entries, list):
        named = [(str(number), entry) for number, entry in enumerate(entries)]
    if not named:
        yield unreadable(f"The assertion {standard}.training-mining has no entries.", where)
        return
    for key, entry in named:
        if isinstance(entry, dict) or key in _KNOWN:
            yield from _entry(standard, key, entry, where)


_KNOWN = frozenset(
    f"{standard}.{use}"
    for standard in ("c2pa", "cawg")
    for use in ("data_mining", "ai_training", "ai_generative_training", "ai_inference")
)


def _entry(standard: str, key: str, entry: Any, where: str) -> Iterator[Reservation]:
    """`notAllowed` blocks, and so does `constrained`, whose conditions nobody has met; `allowed` is none."""
    use = entry.get("use") if isinstance(entry, dict) else entry
    if use == "allowed":
        return
    if use in {"notAllowed", "constrained"}:
        info = entry.get("constraint_info") or entry.get("constraints_info") if isinstance(entry, dict) else None
        terms = f" Its conditions: {shown(str(info))}." if info else ""
        yield Reservation(standard, "block", f"{shown(key)} is {use}.{terms}", where)
    else:
        yield Reservation(standard, "review", f"{shown(key)} is “{shown(str(use))}”, which the standard lacks.", where)
