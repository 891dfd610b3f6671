"""Traces of pictures become a third as large: half of the features, compressed; the words follow from them."""

import struct
import zlib

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

HEAD = struct.Struct("<4sBBHHHII")  # magic, version, hashes of a kind, features, raster and picture width and height
THUMB, HASHES = 64 * 64, 8 + 32  # bytes; of one orientation
WIDTHS = (4, 1, 1, 64)  # bytes of a feature's place, angle, size and code, each an array of its own
KEPT = 500


def shrink(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What cannot be read goes: the picture gets its trace anew on the way."""
    traces = apps.get_model("moderation", "PictureTrace")
    for row in traces.objects.exclude(described=b"").iterator(chunk_size=200):
        described = smaller(bytes(row.described))
        if described:
            traces.objects.filter(pk=row.pk).update(described=described)
        else:
            traces.objects.filter(pk=row.pk).delete()


def smaller(stored: bytes) -> bytes:
    """The description of one trace in its new form; empty where it is none in the old one."""
    if len(stored) < HEAD.size:
        return b""
    magic, version, hashed, count, *sizes = HEAD.unpack_from(stored)
    start = HEAD.size + hashed * HASHES
    if (magic, version) != (b"PICT", 1) or len(stored) != start + THUMB + count * sum(WIDTHS) + 4:
        return b""
    body = HEAD.pack(magic, version, 0, min(count, KEPT), *sizes) + stored[start : start + THUMB]
    start += THUMB
    for width in WIDTHS:
        body += stored[start : start + min(count, KEPT) * width]
        start += count * width
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED)
    return packer.compress(body + struct.pack("<I", zlib.crc32(body))) + packer.flush()


class Migration(migrations.Migration):
    dependencies = [("moderation", "0008_holders_told")]

    operations = [
        migrations.RunPython(shrink, migrations.RunPython.noop),
        migrations.RemoveField(model_name="picturetrace", name="words"),
    ]
