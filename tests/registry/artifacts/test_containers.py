"""What is no safetensors file is refused as what it is, whatever it is called."""

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from registry.artifacts import ArtifactRefused, inspect_file
from tests.registry.artifacts.builders import adapter_file, lora

MODULE = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".x" if "/" not in name else name, content)
    return buffer.getvalue()


def _torch_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
        archive.writestr("archive/version", "3")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.safetensors"))
    return buffer.getvalue()


FOREIGN = {
    "pickle": (pickle.dumps({"state_dict": {}}), "pickle"),
    "old pickle protocol": (pickle.dumps({"a": 1}, protocol=2), "pickle"),
    "torch zip": (_torch_zip(), "pickle"),
    "zip": (_zip(readme=b"hello"), "archive"),
    "tar": (_tar(), "archive"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(40), "archive"),
    "rar": (b"Rar!\x1a\x07\x00" + bytes(40), "archive"),
    "xz": (b"\xfd7zXZ\x00" + bytes(40), "archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "archive"),
    "gguf": (b"GGUF" + bytes(40), "gguf"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "hdf5"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "image"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(40), "image"),
    "webp": (b"RIFF\x10\0\0\0WEBP" + bytes(40), "image"),
    "web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web-page"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "lfs-pointer"),
    "web page behind a mark": (b"\xef\xbb\xbf\n <html><head></head></html>", "web-page"),
    "error message of an object store": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web-page"),
    "error message of an API": (b'{"error": "Sign in to download this file.", "status": 401}', "json-text"),
    "index of a split model": (b'{\n  "metadata": {"total_size": 1}, "weight_map": {}}', "json-text"),
    "program": (b"\x7fELF" + bytes(40), "executable"),
    "program of Windows": (b"MZ\x90\0" + bytes(40), "executable"),
    "gif": (b"GIF89a" + bytes(40), "image"),
    "pdf": (b"%PDF-1.7" + bytes(40), "document"),
    "bzip2": (b"BZh9" + bytes(40), "archive"),
    "zip named as a pickle": (_torch_zip(), "pickle"),
    "first pickle protocol with a frame": (pickle.dumps([1], protocol=5), "pickle"),
    "real gzip around an adapter": (gzip.compress(b"x" * 4000), "archive"),
    "real zip around an adapter": (_zip(style=bytes(4000)), "archive"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_content_refused_as_what_it_is(name: str, tmp_path: Path) -> None:
    content, code = FOREIGN[name]
    path = tmp_path / "style.safetensors"
    path.write_bytes(content)
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path)
    assert refused.value.code == code
    assert all((refused.value.what, refused.value.why, refused.value.remedy))


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("filename", ["style.safetensors", "style.SAFETENSORS", "style.ckpt", "style"])
def test_name_does_not_change_what_content_is(name: str, filename: str, tmp_path: Path) -> None:
    content, code = FOREIGN[name]
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path, filename=filename)
    assert refused.value.code == code


def test_large_archive_whose_pickle_stands_late_is_a_pickle(tmp_path: Path) -> None:
    """Some archives begin with tensors; the directory at their end names the pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data/0", bytes(200_000))
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
    path = tmp_path / "x.safetensors"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path)
    assert refused.value.code == "pickle"


def test_every_kind_of_content_has_its_own_message(tmp_path: Path) -> None:
    messages: dict[str, set[str]] = {}
    for number, (content, code) in enumerate(FOREIGN.values()):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(ArtifactRefused) as refused:
            inspect_file(path)
        messages.setdefault(refused.value.what, set()).add(code)
    assert all(len(codes) == 1 for codes in messages.values()), messages


@pytest.mark.parametrize("name", ["style.SafeTensors", "a.b.safetensors", ".safetensors.safetensors"])
def test_safetensors_under_its_name_taken(name: str, tmp_path: Path) -> None:
    assert inspect_file(adapter_file(tmp_path / "blob", lora(MODULE)), filename=name).kind == "lora"


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".pkl"])
def test_pickle_suffix_refused_without_opening(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"(lp0\n.")  # protocol 0 has no magic number
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path)
    assert refused.value.code == "pickle"


def test_safetensors_under_another_name_refused(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "blob", lora(MODULE))
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path, filename="style.ckpt")
    assert refused.value.code == "wrong-extension"


def test_length_that_looks_like_a_pickle_is_safetensors(tmp_path: Path) -> None:
    """A header of 0x0280 bytes starts like pickle protocol 2; content that is plausible safetensors comes first."""
    for padding in range(0, 0x400):
        path = adapter_file(tmp_path / "x.safetensors", lora(MODULE), metadata={"a": "x" * padding})
        if path.read_bytes()[:2] == b"\x80\x02":
            assert inspect_file(path).kind == "lora"
            return
    pytest.fail("no header of that length was made")
