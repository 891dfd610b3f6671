"""Reservations in an XMP packet: `plus:DataMining`, TDMRep, `noai` keywords, and Content Credentials kept elsewhere.

Sources: IPTC Photo Metadata 2023.1 (Data Mining, PLUS vocabulary), W3C TDMRep 2024, C2PA 2.1 (remote manifests).
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from moderation.matching.reservations.values import Outcome, Reservation, from_words, shown, unreadable

MAX_PACKET = 16 * 1024 * 1024  # bytes; extended packets hold thumbnails and histories
MAX_VALUES = 200_000  # elements and attributes
MAX_BELOW = 100  # entries of one list
PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
TDM = ("{http://www.w3.org/ns/tdmrep", "{https://www.w3.org/ns/tdmrep")
PROVENANCE = "{http://purl.org/dc/terms/}provenance"
_ALLOWED = frozenset({"DMI-ALLOWED", "DMI-UNSPECIFIED"})


def from_xmp(packet: bytes, where: str) -> list[Reservation]:
    """The reservations of a packet; one that cannot be read is a finding."""
    if len(packet) > MAX_PACKET:
        return [unreadable(f"The XMP metadata is {len(packet):,} bytes long.", where)]
    try:
        root = fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        return [unreadable(f"The XMP metadata is no valid XML ({shown(str(error))}).", where)]
    found: list[Reservation] = []
    for number, (name, value) in enumerate(_values(root)):
        if number >= MAX_VALUES:
            return [*found, unreadable("The XMP metadata has too many values.", where)]
        if value:
            found += _reserved(name, value, where)
    return found


def _values(root: Any) -> Iterator[tuple[str, str]]:
    """(name, value) of every attribute and element; what is read as one value also has those of its list entries."""
    for element in root.iter():
        for name, value in element.attrib.items():
            yield (element.tag if name.endswith("}resource") else name), value
        yield element.tag, (element.text or "").strip()
        if element.tag.startswith((PLUS, *TDM)):
            for below in islice(element.iter(), 1, MAX_BELOW):
                yield element.tag, (below.text or "").strip()


def _reserved(name: str, value: str, where: str) -> Iterator[Reservation]:
    local = name.rpartition("}")[2]
    if name == PLUS + "DataMining":
        yield from _data_mining(value, where)
    elif name.startswith(TDM) and local in {"reservation", "tdm-reservation"}:
        yield from tdm_value(value, where)
    elif name == PROVENANCE and value.lower().startswith(("http:", "https:")):
        detail = f"Its Content Credentials are kept at {shown(value)} and were not read; they may reserve training."
        yield Reservation("c2pa", "review", detail, where)
    else:
        yield from from_words(value, f"{where}, {shown(local)}")


def _data_mining(value: str, where: str) -> Iterator[Reservation]:
    """The value is an address whose last part is the term: …/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING."""
    term = value.strip().rstrip("/").rpartition("/")[2].upper()
    if term in _ALLOWED:
        return
    outcome: Outcome = "review"
    if term.startswith("DMI-PROHIBITED") and "-SEE" not in term:
        outcome = "block"
    yield Reservation("plus", outcome, f"plus:DataMining is {shown(term)}.", where)


def tdm_value(value: str, where: str, policy: str = "") -> Iterator[Reservation]:
    """What a `tdm-reservation` of this value means: 1 reserves, 0 does not, all else is for a person to read."""
    terms = f" Its policy is at {shown(policy)}." if policy else ""
    if value.strip() == "1":
        yield Reservation("tdm", "block", f"Text and data mining is reserved (TDMRep).{terms}", where)
    elif value.strip() != "0":
        yield Reservation("tdm", "review", f"tdm-reservation is “{shown(value)}”, neither 0 nor 1.{terms}", where)
