"""Small pictures with metadata for tests, written by Pillow, by hand, and signed by c2pa-python."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import c2pa
from PIL import Image, TiffImagePlugin

from inference.engine import Certificate

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff"}


def picture(form: str = "JPEG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (16, 12), (40, 90, 160)).save(target, form, **options)
    return target.getvalue()


def packet(inside: str, *, before: str = "") -> bytes:
    """An XMP packet; `inside` stands in its rdf:RDF."""
    return (
        f'{before}<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{inside}</rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def described(attributes: str = "", inside: str = "") -> bytes:
    """A packet of one description with the namespaces of all that is read."""
    names = (
        'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:tdm="http://www.w3.org/ns/tdmrep/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
    )
    return packet(f'<rdf:Description rdf:about="" {names} {attributes}>{inside}</rdf:Description>')


def with_xmp(form: str, xmp: bytes) -> bytes:
    if form == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = xmp
        tags.tagtype[700] = 1
        return picture(form, tiffinfo=tags)
    if form == "PNG":
        return with_chunk(picture(form), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    return picture(form, xmp=xmp)


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png[:33] + chunk + png[33:]


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def iptc(dataset: int, text: bytes) -> bytes:
    """A Photoshop segment's body with one IPTC entry."""
    entry = b"\x1c\x02" + bytes([dataset]) + struct.pack(">H", len(text)) + text
    padded = entry + b"\0" * (len(entry) % 2)
    return b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(entry)) + padded


def signed(
    content: bytes,
    form: str,
    assertions: Mapping[str, Any],
    certificate: Certificate,
    ingredient: bytes | None = None,
) -> bytes:
    """The picture with Content Credentials that hold these assertions, and perhaps another picture it is made from."""
    info = c2pa.C2paSignerInfo(b"es256", certificate.chain.read_bytes(), certificate.key.read_bytes(), None)
    created = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt",
    }
    listed = [{"label": label, "data": data} for label, data in assertions.items()]
    manifest = {
        "claim_generator_info": [{"name": "Tests"}],
        "format": FORMATS[form],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}, *listed],
    }
    target = io.BytesIO()
    context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest, context) as builder:
        if ingredient is not None:
            described = {"title": "source", "relationship": "componentOf"}
            builder.add_ingredient(described, FORMATS[form], io.BytesIO(ingredient))
        builder.sign(signer, FORMATS[form], io.BytesIO(content), target)
    return target.getvalue()
