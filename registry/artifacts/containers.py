"""What a file really is, by its first bytes: nothing is refused or taken for its name alone."""

from pathlib import Path

from registry.artifacts.errors import refuse

PICKLE_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
CONVERT = "Convert it to safetensors on your own machine, with a tool that you trust, and upload that file."
# (first bytes, code, what it is)
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"GGUF", "gguf", "a GGUF model"),
    (b"\x89HDF\r\n\x1a\n", "hdf5", "an HDF5 (Keras) file"),
    (b"\x89PNG\r\n\x1a\n", "image", "a PNG picture"),
    (b"\xff\xd8\xff", "image", "a JPEG picture"),
    (b"GIF8", "image", "a GIF picture"),
    (b"7z\xbc\xaf\x27\x1c", "archive", "a 7z archive"),
    (b"Rar!\x1a\x07", "archive", "a RAR archive"),
    (b"\x1f\x8b", "archive", "a gzip archive"),
    (b"\xfd7zXZ\x00", "archive", "an xz archive"),
    (b"BZh", "archive", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "archive", "a Zstandard archive"),
    (b"%PDF-", "document", "a PDF document"),
    (b"MZ", "executable", "a Windows program"),
    (b"\x7fELF", "executable", "a Linux program"),
    (b"version https://git-lfs", "lfs-pointer", "a Git LFS pointer, not the file it stands for"),
)
REMEDIES = {
    "archive": "Unpack it and upload the safetensors file inside; one upload is one file.",
    "gguf": "Upload the adapter as safetensors; GGUF holds quantised models for other programs.",
    "image": "If it carries an embedding in its pixels, save that as safetensors with the program that made it.",
    "lfs-pointer": "Fetch the real file first (git lfs pull), then upload that.",
}


def check_container(path: Path, filename: str) -> None:
    """Refuse what is no safetensors file, saying what it is; raises ArtifactRefused."""
    suffix = Path(filename).suffix.lower()
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(512)
    if not _plausible(head, size):
        _refuse_by_content(head, path)
        if suffix in PICKLE_SUFFIXES:
            _refuse_pickle(f"a {suffix} file")
        return  # the header reader says exactly what is wrong
    if suffix != ".safetensors":
        refuse(
            "wrong-extension",
            f"The file is called {filename!r}, but its content is safetensors.",
            "Programs choose by the name how to open a file; this one they would run as a pickle, or fail.",
            "Rename it to end in .safetensors and upload it again.",
        )


def _plausible(head: bytes, size: int) -> bool:
    """Whether it can be safetensors: tested first, since a header's length may look like any magic number."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def _refuse_by_content(head: bytes, path: Path) -> None:
    for magic, code, what in MAGIC:
        if head.startswith(magic):
            _refuse_foreign(code, what)
    if head.startswith(b"PK\x03\x04"):
        if b"/data.pkl" in head or b"/byteorder" in head or b"/version" in head or _zip_holds_pickle(path):
            _refuse_pickle("a PyTorch file (a zip archive around a pickle)")
        _refuse_foreign("archive", "a zip archive")
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        _refuse_pickle("a Python pickle")
    if head[257:262] == b"ustar":
        _refuse_foreign("archive", "a tar archive")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        _refuse_foreign("image", "a WebP picture")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text[:1] in {b"{", b"["}:
        refuse(
            "json-text",
            "The file is JSON text.",
            "It is a list of tensors or settings, or a site's error message, but holds no tensors itself.",
            "Open it in an editor to see what it says, download the adapter again, and upload that.",
        )
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")):
        refuse(
            "web-page",
            "The file is a web page or an error message of a site.",
            "It is what a site answers instead of a file, for example when a download needs a sign-in.",
            "Open it in a browser to see what the site said, download the adapter again, and upload that.",
        )


def _zip_holds_pickle(path: Path) -> bool:
    """The archive's directory stands at its end: the last 64 KiB name the members."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_536))
        return b".pkl" in file.read()


def _refuse_pickle(what: str) -> None:
    refuse(
        "pickle",
        f"The file is {what}.",
        "Opening a pickle can run any code on the machine of whoever loads it; here pickles are never opened or kept.",
        CONVERT,
    )


def _refuse_foreign(code: str, what: str) -> None:
    remedy = REMEDIES.get(code, "Upload the adapter as a .safetensors file.")
    refuse(
        code,
        f"The file is {what}.",
        "Only safetensors files are taken: they hold numbers and cannot run code.",
        remedy,
    )
