"""Every kind, layout and family of the field is recognised; contradictions warn, whole models are refused."""

import json
import struct
from pathlib import Path

import pytest

from registry.artifacts import ArtifactRefused, inspect_file
from tests.registry.artifacts.builders import adapter_file, entry, header_file, lora, peft, raw_file

BLOCK = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
K = f"{BLOCK}_attn2_to_k"
CONV = "lora_unet_down_blocks_0_resnets_0_conv1"

KINDS = {
    "lora": lora(K),
    "locon": {f"{CONV}.lora_down.weight": (4, 320, 3, 3), f"{CONV}.lora_up.weight": (320, 4, 1, 1)},
    "tucker": {
        f"{CONV}.lora_down.weight": (4, 320, 1, 1),
        f"{CONV}.lora_up.weight": (320, 4, 1, 1),
        f"{CONV}.lora_mid.weight": (4, 4, 3, 3),
    },
    "dora": {**lora(K), f"{K}.dora_scale": (320, 1)},
    "dora of PEFT": {**peft("unet.a.attn2.to_k"), "unet.a.attn2.to_k.lora_magnitude_vector": (320,)},
    "loha": {f"{K}.hada_{n}": (4, 768) if n.endswith("b") else (320, 4) for n in ("w1_a", "w1_b", "w2_a", "w2_b")},
    "loha with cores": {
        **{f"{CONV}.hada_{n}": (4, 320) for n in ("w1_a", "w1_b", "w2_a", "w2_b")},
        f"{CONV}.hada_t1": (4, 4, 3, 3),
        f"{CONV}.hada_t2": (4, 4, 3, 3),
    },
    "lokr": {f"{K}.lokr_w1": (16, 32), f"{K}.lokr_w2_a": (20, 4), f"{K}.lokr_w2_b": (4, 24)},
    "lokr of full factors": {f"{K}.lokr_w1": (16, 32), f"{K}.lokr_w2": (20, 24)},
    "lokr with a core": {
        f"{CONV}.lokr_w1": (8, 8),
        f"{CONV}.lokr_w2_a": (4, 40),
        f"{CONV}.lokr_w2_b": (4, 40),
        f"{CONV}.lokr_t2": (4, 4, 3, 3),
    },
    "ia3": {f"{K}.weight": (320,), f"{K}.on_input": ()},
    "full": {f"{K}.diff": (320, 768), f"{K}.diff_b": (320,)},
    "norm": {"lora_unet_norm.w_norm": (320,), "lora_unet_norm.b_norm": (320,)},
    "glora": {
        f"{K}.a1.weight": (768, 4),
        f"{K}.a2.weight": (4, 768),
        f"{K}.b1.weight": (320, 4),
        f"{K}.b2.weight": (4, 768),
    },
    "oft": {f"{K}.oft_blocks": (40, 8, 8), f"{K}.rescale": (320, 1)},
    "boft": {f"{K}.oft_blocks": (3, 40, 8, 8)},
    "textual-inversion": {"emb_params": (4, 768)},
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_recognised(name: str, tmp_path: Path) -> None:
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", KINDS[name]))
    assert found.kind == {"tucker": "locon"}.get(name, name.split()[0])
    assert found.tensor_count == len(KINDS[name])


@pytest.mark.parametrize("name", [name for name in KINDS if len(KINDS[name]) > 1])
def test_missing_factor_refused_or_still_whole(name: str, tmp_path: Path) -> None:
    """No file is taken as a kind whose factors it lacks."""
    optional = {
        "alpha",
        "dora_scale",
        "rescale",
        "diff_b",
        "b_norm",
        "w_norm",
        "lora_magnitude_vector",
        "diff",
        "lora_mid.weight",
    }
    for key in KINDS[name]:
        if any(key.endswith("." + suffix) for suffix in optional):
            continue
        rest = {other: shape for other, shape in KINDS[name].items() if other != key}
        with pytest.raises(ArtifactRefused) as refused:
            inspect_file(adapter_file(tmp_path / "x.safetensors", rest))
        assert refused.value.code in {"module-mismatch", "module-incomplete", "not-an-adapter"}, key


@pytest.mark.parametrize("name", ["lora", "locon", "tucker", "loha", "loha with cores", "lokr", "glora"])
def test_factors_of_different_rank_refused(name: str, tmp_path: Path) -> None:
    shapes = dict(KINDS[name])
    key = next(key for key in shapes if key.endswith(("lora_down.weight", "hada_w1_b", "lokr_w2_b", "a2.weight")))
    shapes[key] = (shapes[key][0] + 1, *shapes[key][1:])
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(adapter_file(tmp_path / "x.safetensors", shapes))
    assert refused.value.code == "module-mismatch"


def test_rank_alpha_and_parts_told(tmp_path: Path) -> None:
    shapes = {
        **lora(K, rank=4),
        **lora(f"{BLOCK}_attn2_to_v", rank=8),
        **lora(f"{BLOCK}_attn2_to_q", rank=16),
        **lora("lora_te_text_model_encoder_layers_0_self_attn_q_proj", out=768, rank=4),
        **KINDS["locon"],
    }
    values = {key: struct.pack("<f", 2.0) for key in shapes if key.endswith("alpha")} | {
        f"{K}.alpha": struct.pack("<f", 0.5)
    }
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes, values=values))
    assert found.rank == {"min": 4, "median": 4, "max": 16}
    assert found.alpha == {"min": 0.5, "median": 2.0, "max": 2.0}
    assert found.modules == {"unet": 4, "text_encoder": 1, "convolution": 1}
    assert found.kind == "locon"
    assert "alpha-missing" in {warning.code for warning in found.warnings}


def _codes(path: Path, **given: str) -> set[str]:
    return {warning.code for warning in inspect_file(path, declared_family=given.get("declared")).warnings}


def test_contradictions_warned(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    alpha = {f"{K}.alpha": struct.pack("<f", 4.0)}
    adapter_file(path, lora(K), values=alpha)
    assert _codes(path, declared="sd1") == set()
    assert _codes(path, declared="sdxl") == {"declared-family"}
    for metadata, code in (
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "metadata-family"),
        ({"ss_v2": "True"}, "metadata-family"),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "metadata-family"),
        ({"ss_network_dim": "128"}, "metadata-rank"),
        ({"ss_network_alpha": "64"}, "metadata-alpha"),
    ):
        adapter_file(path, lora(K), values=alpha, metadata=metadata)
        assert _codes(path, declared="sd1") == {code}, metadata


def test_stray_tensors_warned(tmp_path: Path) -> None:
    shapes = {key: shape for n in range(10) for key, shape in lora(f"{K}{n}", into=96).items()} | {"extra": (3,)}
    assert "tensors-unrecognised" in _codes(adapter_file(tmp_path / "x.safetensors", shapes))


def test_misaligned_tensor_warned(tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", lora(K))
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    raw_file(path, content[8 : 8 + length] + b" ", content[8 + length :])
    assert "misaligned" in _codes(path)


def test_bool_byte_that_is_no_truth_value_refused(tmp_path: Path) -> None:
    header = {f"{K}.weight": entry([8], 0, 32), f"{K}.on_input": entry([], 32, 33, "BOOL")}
    path = tmp_path / "x.safetensors"
    assert inspect_file(header_file(path, header, bytes(32) + b"\1")).kind == "ia3"
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(header_file(path, header, bytes(32) + b"\7"))
    assert refused.value.code == "bool-value"


def test_metadata_facts_kept(tmp_path: Path) -> None:
    metadata = {
        "ss_tag_frequency": '{"10_oilpaint": {"oilpaint": 12, "a tree": 5}}',
        "ss_network_dim": "4",
        "modelspec.license": "CreativeML Open RAIL++-M",
        "private_note": "not kept",
    }
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", lora(K), metadata=metadata))
    assert found.trigger_words == ("oilpaint",)
    assert found.tag_frequency == {"oilpaint": 12, "a tree": 5}
    assert found.claimed_licence == "CreativeML Open RAIL++-M"
    assert "private_note" not in found.training


def test_trigger_phrase_of_modelspec_comes_first(tmp_path: Path) -> None:
    metadata = {"modelspec.trigger_phrase": "in oilpaint style, brush", "ss_tag_frequency": '{"10_other": {}}'}
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", lora(K), metadata=metadata))
    assert found.trigger_words == ("in oilpaint style", "brush")


def test_inspection_is_plain_json(tmp_path: Path) -> None:
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", lora(K)), declared_family="sdxl")
    assert json.loads(json.dumps(found.to_json()))["warnings"][0]["code"] == "declared-family"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_alpha_that_is_no_sane_number_refused(value: float, tmp_path: Path) -> None:
    path = adapter_file(tmp_path / "x.safetensors", lora(K), values={f"{K}.alpha": struct.pack("<f", value)})
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(path)
    assert refused.value.code == "alpha-value"


def test_alpha_of_several_numbers_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused) as refused:
        inspect_file(adapter_file(tmp_path / "x.safetensors", {**lora(K), f"{K}.alpha": (3,)}))
    assert refused.value.code == "alpha-value"


@pytest.mark.parametrize(
    ("dtype", "raw"),
    [
        ("F32", struct.pack("<f", 8)),
        ("F16", struct.pack("<e", 8)),
        ("BF16", b"\x00\x41"),
        ("F64", struct.pack("<d", 8)),
        ("I64", struct.pack("<q", 8)),
        ("I32", struct.pack("<i", 8)),
    ],
)
def test_alpha_read_in_every_common_number_format(dtype: str, raw: bytes, tmp_path: Path) -> None:
    shapes = {key: shape for key, shape in lora(K).items()}
    path = adapter_file(tmp_path / "x.safetensors", shapes, dtype=dtype, values={f"{K}.alpha": raw})
    assert inspect_file(path).alpha == {"min": 8, "median": 8, "max": 8}


def test_facts_counted(tmp_path: Path) -> None:
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", lora(K, into=768, out=320, rank=4), dtype="BF16"))
    assert found.parameter_count == 4 * 768 + 320 * 4 + 1
    assert found.dtypes == {"BF16": 3}
    assert found.data_bytes == 2 * found.parameter_count
    assert [dict(module) for module in found.per_module] == [{"name": K, "kind": "lora", "rank": 4, "alpha": 0.0}]
