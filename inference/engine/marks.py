"""Marking pictures as made by AI: IPTC in XMP, the settings as the field writes them, and Content Credentials."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from inference.engine.credentials import PRODUCT, TRAINED, Certificate, Credential, read_credential, signed

XMP_KEY = "XML:com.adobe.xmp"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# How AUTOMATIC1111 calls the settings; facts of other names are written with their own.
_TITLES = {
    "steps": "Steps",
    "sampler": "Sampler",
    "guidance": "CFG scale",
    "seed": "Seed",
    "size": "Size",
    "base_model": "Model",
    "adapter": "Adapter",
    "strength": "Adapter weight",
}
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
    info = PngImagePlugin.PngInfo()
    info.add_itxt(XMP_KEY, _xmp(facts))
    info.add_text("parameters", parameters(facts))
    target = io.BytesIO()
    image.save(target, "PNG", pnginfo=info)
    content = target.getvalue()
    if certificate is not None:
        content = signed(content, str(facts.get("title") or facts.get("adapter") or "Picture"), certificate)
    marked = MarkedPng(content)
    marked.marks = {"iptc": TRAINED.rsplit("/", 1)[1], "c2pa": certificate is not None}
    return marked


def parameters(facts: Mapping[str, Any]) -> str:
    """The settings as one text in AUTOMATIC1111's form."""
    rest = {name: value for name, value in facts.items() if name not in {"prompt", "negative", "width", "height"}}
    if {"width", "height"} <= facts.keys():
        rest["size"] = f"{facts['width']}x{facts['height']}"
    order = [name for name in _TITLES if name in rest] + [name for name in rest if name not in _TITLES]
    settings = (
        f"{_TITLES.get(name, name.replace('_', ' ').capitalize())}: {_quoted(rest[name])}"
        for name in order
        if rest[name] not in ("", None)
    )
    lines = [str(facts.get("prompt", ""))]
    if facts.get("negative"):
        lines.append(f"Negative prompt: {facts['negative']}")
    return "\n".join([*lines, ", ".join(settings)])


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',\n:"') else text


def _xmp(facts: Mapping[str, Any]) -> str:
    properties = {
        "Iptc4xmpExt:DigitalSourceType": TRAINED,
        "Iptc4xmpExt:AISystemUsed": facts.get("base_model"),
        "Iptc4xmpExt:AIPromptInformation": facts.get("prompt"),
        "xmp:CreatorTool": PRODUCT,
    }
    attributes = "\n   ".join(
        f"{name}={quoteattr(_printable(str(value)))}" for name, value in properties.items() if value
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_IPTC}" xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        f"   {attributes}/>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(character for character in text if character in "\t\n\r" or character >= " ")


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
    found = (element.get(f"{{{_IPTC}}}DigitalSourceType") for element in tree.iter(f"{{{_RDF}}}Description"))
    return next((value for value in found if value), None)


def _read_parameters(text: str) -> tuple[str, str, dict[str, str]]:
    head, _, last = text.rpartition("\n")
    prompt, _, negative = head.partition("\nNegative prompt: ")
    settings = {key: json.loads(value) if value.startswith('"') else value for key, value in _FACT.findall(last)}
    return prompt, negative, settings
