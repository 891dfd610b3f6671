"""Zip archives of strangers: every trick that is known is refused, and what is plain is read."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.layouts.archive import Limits, ZipTree
from training.layouts.errors import ArchiveRefused, EntryRefused

LIMITS = Limits(files=20, size=4 * 1024**2)


def zip_at(folder: Path, content: bytes) -> Path:
    path = folder / "sent.zip"
    path.write_bytes(content)
    return path


def made(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return out.getvalue()


def one(name: str, body: bytes = b"x", attributes: int = 0) -> bytes:
    def fill(archive: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo(name)
        entry.external_attr, entry.compress_type = attributes << 16, zipfile.ZIP_DEFLATED
        archive.writestr(entry, body)

    return made(fill)


def test_plain_files_are_read_and_junk_is_not_there(tmp_path: Path) -> None:
    content = made(
        lambda archive: (
            [archive.writestr(name, name) for name in ("set/a.png", "set/a.txt", "__MACOSX/a.png", "set/.DS_Store")]
            and None
        )
    )
    with ZipTree(zip_at(tmp_path, content), LIMITS) as tree:
        assert tree.paths() == ("set/a.png", "set/a.txt")
        assert tree.read("set/a.txt", 100) == b"set/a.txt"
        assert tree.remarks == ()


@pytest.mark.parametrize("name", ["../a.png", "set/../../a.png", "/etc/passwd", "C:/a.png", "..\\..\\a.png"])
def test_path_that_leads_out_refuses_the_archive(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveRefused, match="not safe"):
        ZipTree(zip_at(tmp_path, one(name)), LIMITS)


def test_link_is_left_out_and_said(tmp_path: Path) -> None:
    content = one("a.png", b"/etc/passwd", attributes=0o120777)
    with ZipTree(zip_at(tmp_path, content), LIMITS) as tree:
        assert tree.paths() == ()
        assert [remark.what for remark in tree.remarks] == ["It is a link, and links are not followed."]


def test_device_is_left_out(tmp_path: Path) -> None:
    with ZipTree(zip_at(tmp_path, one("a.png", attributes=0o020666)), LIMITS) as tree:
        assert tree.paths() == ()


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    content = made(lambda archive: [archive.writestr(f"{n}.png", "x") for n in range(21)] and None)
    with pytest.raises(ArchiveRefused, match="holds 21 files"):
        ZipTree(zip_at(tmp_path, content), LIMITS)


def test_more_than_is_taken_unpacked_is_refused(tmp_path: Path) -> None:
    random = bytes(range(256)) * 4096
    content = made(lambda archive: [archive.writestr(f"{n}.png", random) for n in range(5)] and None)
    with pytest.raises(ArchiveRefused, match="Unpacked"):
        ZipTree(zip_at(tmp_path, content), LIMITS)


def test_absurd_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="compressed beyond"):
        ZipTree(zip_at(tmp_path, one("a.png", bytes(3 * 1024**2))), LIMITS)


def test_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(one("a.png"))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        content[place + at] |= 1
    with pytest.raises(ArchiveRefused, match="encrypted"):
        ZipTree(zip_at(tmp_path, bytes(content)), LIMITS)


def test_files_over_each_other_are_refused(tmp_path: Path) -> None:
    """Two directory entries that point at one file, as in Fifield's bomb."""
    content = bytearray(
        made(lambda archive: [archive.writestr(name, "x" * 50) for name in ("a.png", "b.png")] and None)
    )
    second = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)
    with pytest.raises(ArchiveRefused, match="over each other"):
        ZipTree(zip_at(tmp_path, bytes(content)), LIMITS)


def test_size_that_lies_is_found_while_reading(tmp_path: Path) -> None:
    content = bytearray(one("a.png", b"y" * 1000))
    central = content.find(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 10)
    with ZipTree(zip_at(tmp_path, bytes(content)), LIMITS) as tree, pytest.raises(EntryRefused):
        tree.read("a.png", 10_000)


def test_entry_beyond_its_bound_is_refused(tmp_path: Path) -> None:
    with ZipTree(zip_at(tmp_path, one("a.png", b"y" * 1000)), LIMITS) as tree, pytest.raises(EntryRefused):
        tree.read("a.png", 999)


def test_damaged_entry_is_refused(tmp_path: Path) -> None:
    content = bytearray(one("a.png", bytes(range(256)) * 4))
    place = content.find(b"a.png") + 20
    content[place : place + 4] = b"\xff\xff\xff\xff"
    with ZipTree(zip_at(tmp_path, bytes(content)), LIMITS) as tree, pytest.raises(EntryRefused):
        tree.read("a.png", 10_000)


def test_two_files_of_one_name_keep_the_first(tmp_path: Path) -> None:
    content = made(lambda archive: [archive.writestr(name, name) for name in ("A.png", "a.png")] and None)
    with ZipTree(zip_at(tmp_path, content), LIMITS) as tree:
        assert tree.paths() == ("A.png",)
        assert "two files" in tree.remarks[0].what


def test_name_in_utf8_without_its_flag_is_understood(tmp_path: Path) -> None:
    content = one("bär.png").replace("bär.png".encode(), "bär.png".encode())
    plain = bytearray(content)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = plain.find(signature)
        flags = struct.unpack_from("<H", plain, place + at)[0]
        struct.pack_into("<H", plain, place + at, flags & ~0x800)
    with ZipTree(zip_at(tmp_path, bytes(plain)), LIMITS) as tree:
        assert tree.paths() == ("bär.png",)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArchiveRefused):
        ZipTree(zip_at(tmp_path, content), LIMITS)


WHOLE = made(lambda archive: [archive.writestr(f"{n}_a b/{n}.txt", "word " * n) for n in range(1, 6)] and None)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, len(WHOLE)))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_archive_is_read_or_refused_and_nothing_else(tmp_path: Path, place: int, byte: int, end: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] = byte
    for content in (bytes(changed), WHOLE[:end]):
        try:
            with ZipTree(zip_at(tmp_path, content), LIMITS) as tree:
                for path in tree.paths():
                    assert ".." not in path.split("/")
                    try:
                        assert len(tree.read(path, 1000)) <= 1000
                    except EntryRefused:
                        continue
        except ArchiveRefused:
            continue
