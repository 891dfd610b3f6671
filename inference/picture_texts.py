"""What a PNG says of how it was made: the IPTC digital source type in XMP, and the settings as the field writes them.

Without torch and without Content Credentials (`inference.engine.marks` adds them), so that the web process can write it
as well.
"""

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL.PngImagePlugin import PngInfo

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PRODUCT = "Adapter Registry"
XMP_KEY = "XML:com.adobe.xmp"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
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


def text_chunks(facts: Mapping[str, Any]) -> PngInfo:
    """The text chunks of a picture that a trained model made: XMP and `parameters`."""
    info = PngInfo()
    info.add_itxt(XMP_KEY, _xmp(facts))
    info.add_text("parameters", parameters(facts))
    return info


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
        f' <rdf:RDF xmlns:rdf="{RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC}" xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        f"   {attributes}/>\n"
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(character for character in text if character in "\t\n\r" or character >= " ")
