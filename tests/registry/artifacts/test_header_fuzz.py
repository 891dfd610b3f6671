"""Whatever the bytes are, a file is inspected or refused with a message; nothing else happens, and in little memory.

The mutations start from sound files of every kind, so that they reach the checks behind the first ones; the format's
own library is the judge of what must be refused at least.
"""

import json
import random
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from registry.artifacts import ArtifactRefused, Inspection, compare_embedded_hashes, hash_file, inspect_file
from registry.artifacts import header as header_module
from registry.artifacts.dtypes import BITS
from registry.artifacts.header import MAX_HEADER, read_header
from tests.registry.artifacts.builders import adapter_file, entry, raw_file
from tests.registry.artifacts.test_families import FAMILIES
from tests.registry.artifacts.test_inspection import KINDS

FUZZ = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=250
)
METADATA = {
    "ss_tag_frequency": '{"10_oil": {"oil": 3}}',
    "ss_network_dim": "4",
    "ss_network_alpha": "2.0",
    "modelspec.architecture": "stable-diffusion-v1/lora",
    "modelspec.trigger_phrase": "oil, paint",
    "token": "<oil>",
    "sshs_model_hash": "ab" * 32,
}


def outcome(path: Path, *, declared: str = "sd1") -> Inspection | ArtifactRefused:
    """What became of the file; any other exception than a refusal goes up and fails the test."""
    try:
        found = inspect_file(path, declared_family=declared)
        hashes = hash_file(path, check_values=True)
        found = found.with_warnings(compare_embedded_hashes(found, hashes))
    except ArtifactRefused as refused:
        _check_refusal(refused)
        return refused
    _check(found)
    return found


def _check_refusal(refused: ArtifactRefused) -> None:
    """A refusal says what, why and what to do, in words that can be shown."""
    texts = (refused.code, refused.what, refused.why, refused.remedy)
    assert all(texts)
    assert all(text.isprintable() for text in texts), texts
    assert sum(map(len, texts)) < 2000


def _check(found: Inspection) -> None:
    """An inspection is whole, is plain JSON, and fits into a database."""
    text = json.dumps(found.to_json(), allow_nan=False)
    assert "\\u0000" not in text
    text.encode("ascii").decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16")
    assert found.kind
    assert found.layout
    assert found.family
    assert found.family_evidence
    assert found.tensor_count == sum(found.dtypes.values()) > 0
    assert all(len(word) <= 200 for word in found.trigger_words)
    assert all(warning.code and warning.message for warning in found.warnings)


def _valid(path: Path, name: str) -> bytes:
    shapes = KINDS[name] if name in KINDS else FAMILIES[name][0]
    small = {key: tuple(min(size, 24) for size in shape) for key, shape in shapes.items()}
    return adapter_file(path, small, metadata=METADATA).read_bytes()


sources = st.sampled_from([*KINDS, *FAMILIES])


@settings(FUZZ, max_examples=300)
@given(content=st.binary(max_size=600))
def test_any_bytes_are_inspected_or_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert isinstance(outcome(path), ArtifactRefused)  # chance never makes an adapter


@FUZZ
@given(name=sources, seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6))
def test_file_damaged_by_bytes_is_inspected_or_refused(name: str, seed: int, count: int, tmp_path: Path) -> None:
    """Bytes changed, put in, cut out, doubled; most of them in the header, where they count."""
    path = tmp_path / "x.safetensors"
    content, chance = bytearray(_valid(path, name)), random.Random(seed)
    end_of_header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(count):
        at = chance.randrange(min(end_of_header, len(content)) if chance.random() < 0.8 else len(content))
        span, before = chance.choice([1, 1, 1, 2, 8, 64]), len(content)
        action = chance.randrange(5)
        if action == 0:
            content[at] = chance.randrange(256)
        elif action == 1:
            content[at] ^= 1 << chance.randrange(8)
        elif action == 2:
            content[at:at] = content[at : at + span]
        elif action == 3:
            del content[at : at + span]
        else:
            content[at:at] = chance.choice(
                [b'"', b"{", b"}", b"[", b"]", b",", b"\\ud800", b"\\u0000", b"-", b"9" * 30]
            )
        if not content:
            return
        if chance.random() < 0.5:  # a length that fits again lets the change reach what lies behind
            end_of_header = max(8, end_of_header + len(content) - before)
            content[:8] = struct.pack("<Q", end_of_header - 8)
    path.write_bytes(bytes(content))
    outcome(path)


hostile_numbers = st.sampled_from(
    [-(2**63), -1, 0, 1, 2, 3, 7, 8, 2**16, 2**31, 2**32, 2**48, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 10**19]
)
hostile_text = st.text(max_size=12) | st.sampled_from(
    ["", "\0", "\ud800", "../x", "a/../b", "\\", "\n", "x" * 600, "alpha", "__metadata__", "١٢", "\u202e"]
)
junk = st.recursive(
    st.none() | st.booleans() | hostile_numbers | st.floats() | hostile_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_text, inner, max_size=3),
    max_leaves=8,
)
suffixes = st.sampled_from(
    (
        "lora_up.weight lora_down.weight lora_mid.weight alpha dora_scale hada_w1_a hada_w1_b hada_w2_a hada_w2_b "
        "hada_t1 hada_t2 lokr_w1 lokr_w1_a lokr_w1_b lokr_w2 lokr_w2_a lokr_w2_b lokr_t1 lokr_t2 weight on_input diff "
        "diff_b w_norm b_norm a1.weight a2.weight b1.weight b2.weight bm.weight oft_blocks rescale lora_A.weight "
        "lora_B.weight lora_A.default.weight lora_B.bias lora_magnitude_vector set_weight reshape_weight ia3_l "
        "lora_embedding_A lora_embedding_B lora.up.weight lora_linear_layer.down.weight processor.to_q_lora.up.weight "
        "processor.qkv_lora1.down.weight norm.query_norm.scale"
    ).split()
)
modules = st.sampled_from(
    [
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
        "lora_te2_text_model_encoder_layers_0_self_attn_q_proj",
        "transformer.single_transformer_blocks.0.attn.to_q",
        "double_blocks.0",
        "diffusion_model.layers.0.attention.qkv",
        "transformer.transformer_blocks.٣.attn.to_q",  # a digit of another script
        "lora_unet_blocks_0_self_attn_q",
        "x",
    ]
)
embeddings = st.sampled_from(
    ["emb_params", "string_to_param.*", "clip_l", "clip_g", "t5xxl", "<x>", "bundle_emb.w.clip_l", "word"]
)
known_keys = st.builds("{}.{}".format, modules, suffixes) | embeddings
keys = known_keys | hostile_text
sizes = st.sampled_from([1, 1, 2, 3, 4, 8, 24, 32, 96])
dtypes = st.sampled_from([*BITS])


@st.composite
def made_up(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A header that tiles its data, of real names in shapes that need not fit; then perhaps one thing amiss."""
    header: dict[str, Any] = {}
    at = 0
    named = known_keys if draw(st.integers(0, 7)) else keys
    for key in draw(st.lists(named, min_size=1, max_size=6, unique=True)):
        shape = draw(st.lists(sizes, max_size=5))
        dtype = draw(st.sampled_from(["F32", "F16", "BF16"]) | dtypes)
        bits = BITS[dtype]
        for size in shape:
            bits *= size
        if bits > 80_000 or bits % 8:
            shape, dtype, bits = [2], "F32", 64
        header[key] = entry(shape, at, at + bits // 8, dtype)
        at += bits // 8
    if draw(st.booleans()):
        header["__metadata__"] = draw(
            st.dictionaries(st.sampled_from([*METADATA]), hostile_text | st.just('{"1_a": {"b": 1}}'), max_size=4)
            | junk
        )
    victim = header[draw(st.sampled_from([*header]))]
    if draw(st.integers(0, 3)) == 0 and isinstance(victim, dict) and victim:
        victim[draw(st.sampled_from([*victim]) | hostile_text)] = draw(junk)
    data = draw(st.just(b"\0") | st.binary(min_size=1, max_size=8)) * (at + 1)
    return header, data[: max(0, at + draw(st.sampled_from([0, 0, 0, 0, -1, 1])))]


@pytest.mark.slow
@settings(FUZZ, max_examples=500)
@given(made=made_up())
def test_made_up_file_is_inspected_or_refused(made: tuple[dict[str, Any], bytes], tmp_path: Path) -> None:
    header, data = made
    outcome(raw_file(tmp_path / "x.safetensors", json.dumps(header), data))


tag_tables = st.dictionaries(
    st.sampled_from(["10_oil", "x", "5_a\0b"]),
    st.dictionaries(hostile_text, hostile_numbers | junk, max_size=3) | junk,
    max_size=3,
).map(json.dumps)
claims = st.fixed_dictionaries(
    {},
    optional={
        **{key: hostile_text | st.sampled_from(["nan", "inf", "4", "True"]) for key in METADATA},
        "ss_tag_frequency": tag_tables | hostile_text,
        **{key: hostile_text for key in ("ss_output_name", "modelspec.license", "modelspec.author", "ss_v2")},
    },
)


@FUZZ
@given(
    name=sources, metadata=claims, seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(["F32", "F16", "BF16", "F64"])
)
def test_sound_names_with_hostile_values_are_inspected_or_refused(
    name: str, metadata: dict[str, str], seed: int, dtype: str, tmp_path: Path
) -> None:
    """The shapes fit together but for one at most; the numbers and the metadata are anything."""
    chance = random.Random(seed)
    shapes = dict(KINDS[name] if name in KINDS else FAMILIES[name][0])
    small = {key: tuple(min(size, 24) for size in shape) for key, shape in shapes.items()}
    if chance.random() < 0.4:
        victim = chance.choice([*small])
        small[victim] = tuple(chance.choice([1, 2, 4, 24]) for _ in range(chance.randrange(5)))
    numbers = [0.0, 1.0, -1.0, 1e300, 1e-300, float("nan"), float("inf"), float("-inf"), 1e5, 0.5]
    values = {}
    for key, shape in small.items():
        if shape in {(), (1,)}:  # alphas and their like
            code, size = {"F32": ("<f", 4), "F64": ("<d", 8)}.get(dtype, ("", 2))
            number = chance.choice(numbers)
            fits = code == "<d" or not 1e38 < abs(number) < float("inf")
            values[key] = struct.pack(code, number) if code and fits else chance.randbytes(size)
    outcome(adapter_file(tmp_path / "x.safetensors", small, metadata=metadata, dtype=dtype, values=values))


@settings(FUZZ, max_examples=300)
@given(header=st.dictionaries(hostile_text | keys, junk, max_size=5), data=st.binary(max_size=64))
def test_any_json_header_is_inspected_or_refused(header: dict[str, Any], data: bytes, tmp_path: Path) -> None:
    outcome(raw_file(tmp_path / "x.safetensors", json.dumps(header), data))


@settings(FUZZ, max_examples=300)
@given(made=made_up())
def test_what_the_formats_own_library_rejects_is_refused(made: tuple[dict[str, Any], bytes], tmp_path: Path) -> None:
    path = raw_file(tmp_path / "x.safetensors", json.dumps(made[0]), made[1])
    try:
        deserialize(path.read_bytes())
    except SafetensorError as error:
        try:
            read_header(path)
        except ArtifactRefused:
            return
        pytest.fail(f"taken, although the library rejects it: {error}")


def _read(path: Path, *, short: bool) -> tuple[Any, ...]:
    """What the header says or why it is refused, with the short way or without it."""
    with nullcontext() if short else patch.object(header_module, "_read_plain", return_value=None):
        try:
            found = read_header(path)
        except ArtifactRefused as refused:
            return refused.code, str(refused)
    return list(found.tensors.items()), list(found.metadata.items()), found.data_start, found.data_bytes


@pytest.mark.slow
@settings(FUZZ, max_examples=500)
@given(made=made_up(), data=st.data())
def test_short_way_and_strict_one_agree(
    made: tuple[dict[str, Any], bytes], data: st.DataObject, tmp_path: Path
) -> None:
    """Compact text as the format's library writes it, and the same with a piece doubled, cut out or spelt otherwise."""
    text = json.dumps(made[0], separators=(",", ":"), ensure_ascii=data.draw(st.booleans()))
    if data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 80)))
        text = (
            text[:end] + data.draw(st.sampled_from(["", " ", "0", ".0", "\\u0061", '"', text[start:end]])) + text[end:]
        )
    path = raw_file(tmp_path / "x.safetensors", text.encode("utf-8", "replace"), made[1])
    assert _read(path, short=True) == _read(path, short=False)


def test_files_of_the_formats_own_library_are_read_the_short_way(tmp_path: Path) -> None:
    names = [f"lora_unet_mid_block_{n}.lora_down.weight" for n in range(40)]
    save_file(
        {name: np.ones((2, 3), np.float16) for name in names}, tmp_path / "x.safetensors", {"ss_tag": 'é "\\\n\t\x7f'}
    )
    with patch.object(header_module, "_read_strictly", side_effect=AssertionError("the long way")):
        assert read_header(tmp_path / "x.safetensors").tensors.keys() == set(names)


def _tensors(count: int, value: str) -> Callable[[], str]:
    return lambda: "{" + ",".join(f'"t{n}":{value}' for n in range(count)) + "}"


BOMBS: dict[str, Callable[[], str]] = {
    "nested lists": lambda: '{"a":' + "[" * 4_000_000 + "]" * 4_000_000 + "}",
    "nested objects": lambda: '{"a":' * 1_000_000 + "1" + "}" * 1_000_000,
    "empty lists": lambda: '{"a":[' + "[]," * 5_000_000 + "0]}",
    "empty objects": lambda: '{"a":[' + "{}," * 5_000_000 + "0]}",
    "fractions": lambda: '{"a":[' + "1.5," * 4_000_000 + "0]}",
    "words": lambda: '{"a":[' + '"ab",' * 3_000_000 + "0]}",
    "just below the count of values": lambda: '{"a":[' + "1.5," * 999_990 + "0]}",
    "many small entries": _tensors(140_000, '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'),
    "many numbers": _tensors(300_000, "1"),
    "one long number": lambda: '{"a":' + "9" * 15_000_000 + "}",
    "one long fraction": lambda: '{"a":0.' + "9" * 15_000_000 + "}",
    "one long name": lambda: '{"' + "x" * 15_000_000 + '":1}',
    "one long word of escapes": lambda: '{"__metadata__":{"a":"' + "\\u0041" * 2_500_000 + '"}}',
    "white space": lambda: '{"a":1' + " " * 15_000_000 + "}",
    "tags of tags": lambda: json.dumps(
        {"__metadata__": {"ss_tag_frequency": "[" * 4_000_000}, "lora_unet_x.diff": entry([1], 0, 4)}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_header_built_to_exhaust_memory_is_refused_in_little(name: str, tmp_path: Path) -> None:
    text = BOMBS[name]()
    assert len(text) <= MAX_HEADER
    path = raw_file(tmp_path / "x.safetensors", text, bytes(4))
    del text
    tracemalloc.start()
    try:
        found = outcome(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, ArtifactRefused) or name == "tags of tags"
    assert peak < 8 * MAX_HEADER
