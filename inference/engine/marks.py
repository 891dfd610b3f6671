"""Marking pictures as made by AI: IPTC in XMP, the settings as the field writes them, and Content Credentials."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from inference.engine.credentials import Certificate, Credential, read_credential, signed
from inference.picture_texts import IPTC, RDF, TRAINED, XMP_KEY, text_chunks

_FACT = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


class MarkedPng(bytes):
    """PNG bytes that know which marks they carry."""

    marks: Mapping[str, Any]


@dataclass(frozen=True)
class Marks:
    """What a PNG says about its origin."""

    source_type: str | None = None
    """IPTC digital source type from XMP."""
    prompt: str = ""
    negative: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    credential: Credential | None = None
    """Content Credentials; None where the file was not signed."""


def mark_png(image: Image.Image, facts: Mapping[str, Any], certificate: Certificate | None = None) -> MarkedPng:
    """The picture as PNG with all marks; without a certificate no Content Credentials, which `.marks` then says."""
    target = io.BytesIO()
    image.save(target, "PNG", pnginfo=text_chunks(facts))
    content = target.getvalue()
    if certificate is not None:
        content = signed(content, str(facts.get("title") or facts.get("adapter") or "Picture"), certificate)
    marked = MarkedPng(content)
    marked.marks = {"iptc": TRAINED.rsplit("/", 1)[1], "c2pa": certificate is not None}
    return marked


def read_marks(png: bytes, root: Path | None = None) -> Marks:
    """The marks of a PNG; `root` is a certificate whose signers count as trusted."""
    texts = _texts(png)
    prompt, negative, settings = _read_parameters(texts.get("parameters", ""))
    return Marks(_source_type(texts.get(XMP_KEY)), prompt, negative, settings, read_credential(png, root))


def _texts(png: bytes) -> dict[str, str]:
    """The text chunks; none where the file was damaged, which the Content Credentials then say."""
    try:
        with Image.open(io.BytesIO(png)) as image:
            return {str(key): value for key, value in image.info.items() if isinstance(value, str)}
    except UnidentifiedImageError:
        return {}


def _source_type(xmp: str | None) -> str | None:
    if not xmp:
        return None
    # Read by test code and by this product from its own files only; entities are not expanded by this parser.
    tree = ElementTree.fromstring(xmp)  # noqa: S314
    found = (element.get(f"{{{IPTC}}}DigitalSourceType") for element in tree.iter(f"{{{RDF}}}Description"))
    return next((value for value in found if value), None)


def _read_parameters(text: str) -> tuple[str, str, dict[str, str]]:
    head, _, last = text.rpartition("\n")
    prompt, _, negative = head.partition("\nNegative prompt: ")
    settings = {key: json.loads(value) if value.startswith('"') else value for key, value in _FACT.findall(last)}
    return prompt, negative, settings
