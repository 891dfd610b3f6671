"""What trainers write beside the tensors: kept as a hint, compared with the tensors, harmless whatever it holds."""

import json
import struct
from pathlib import Path

import pytest

from registry.artifacts import inspect_file
from registry.artifacts.metadata import KEPT, MAX_KEPT, MAX_TAGS, MAX_TRIGGERS, MAX_WORD, read_claims
from tests.registry.artifacts.builders import adapter_file, lora

K = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
ALPHA = {f"{K}.alpha": struct.pack("<f", 4.0)}

# The keys that the field writes and that are worth keeping; the tags are kept as a table of their own.
TRAINING = (
    "ss_base_model_version ss_v2 ss_network_module ss_network_dim ss_network_alpha ss_network_args ss_output_name "
    "ss_datasets ss_bucket_info ss_resolution ss_num_train_images ss_num_reg_images ss_prior_loss_weight "
    "ss_min_snr_gamma ss_noise_offset ss_seed ss_steps ss_epoch ss_optimizer ss_sd_model_hash ss_new_sd_model_hash "
    "ss_validation_split"
).split()
MODELSPEC = (
    "sai_model_spec architecture implementation title description author date hash_sha256 license usage_hint tags "
    "merged_from trigger_phrase prediction_type timestep_range encoder_layer preprocessor"
).split()


@pytest.mark.parametrize("key", [*TRAINING, *(f"modelspec.{name}" for name in MODELSPEC), "lora_adapter_metadata"])
def test_fact_worth_keeping_kept(key: str) -> None:
    assert read_claims({key: "v"}).training == {key: "v"}


@pytest.mark.parametrize("key", ["modelspec.thumbnail", "private_note", "ss_session_id", ""])
def test_other_keys_not_kept(key: str) -> None:
    assert key not in KEPT
    assert read_claims({key: "v"}).training == {}


def test_long_value_cut() -> None:
    assert len(read_claims({"ss_bucket_info": "x" * 10_000}).training["ss_bucket_info"]) == MAX_KEPT


FAMILIES = [
    ("ss_base_model_version", "sdxl_base_v1-0", "sdxl"),
    ("ss_base_model_version", "sd_v1", "sd1"),
    ("ss_base_model_version", "sd_1.5", "sd1"),
    ("ss_base_model_version", "sd_v2_768_v", "sd2"),
    ("ss_base_model_version", "sd3_m", "sd3"),
    ("ss_base_model_version", "flux1", "flux1"),
    ("ss_base_model_version", "flux2", "flux2"),
    ("ss_v2", "True", "sd2"),
    ("modelspec.architecture", "stable-diffusion-v1/lora", "sd1"),
    ("modelspec.architecture", "stable-diffusion-v2-768-v/lora", "sd2"),
    ("modelspec.architecture", "stable-diffusion-xl-v1-base/lora", "sdxl"),
    ("modelspec.architecture", "stable-diffusion-3-medium/lora", "sd3"),
    ("modelspec.architecture", "flux-1-dev/lora", "flux1"),
    ("modelspec.architecture", "Flux.2-dev/lora", "flux2"),
    ("modelspec.architecture", "qwen-image/lora", "qwen-image"),
    ("modelspec.architecture", "z-image-turbo/lora", "z-image"),
    ("modelspec.architecture", "wan-2.1/lora", "wan"),
]


@pytest.mark.parametrize(("key", "value", "family"), FAMILIES)
def test_family_claimed_by_metadata_read(key: str, value: str, family: str, tmp_path: Path) -> None:
    assert read_claims({key: value}).families == {key: family}
    path = adapter_file(tmp_path / "x.safetensors", lora(K, into=96, out=96), values=ALPHA, metadata={key: value})
    found = inspect_file(path)
    assert found.family == "tinybase"  # shapes are proof
    warnings = {warning.code: warning.message for warning in found.warnings}
    assert warnings.keys() == {"metadata-family"}
    assert family in warnings["metadata-family"]
    assert key in warnings["metadata-family"]


@pytest.mark.parametrize(("key", "value"), [("ss_v2", "False"), ("ss_base_model_version", "other"), ("ss_v2", "")])
def test_metadata_that_claims_no_family_claims_none(key: str, value: str) -> None:
    assert read_claims({key: value}).families == {}


def test_metadata_that_contradicts_itself_warned(tmp_path: Path) -> None:
    """`ss_v2` beside another version was a way to spoof the family: each claim is compared by itself."""
    metadata = {"ss_base_model_version": "sd_v1", "ss_v2": "True"}
    path = adapter_file(tmp_path / "x.safetensors", lora(K, into=768), values=ALPHA, metadata=metadata)
    assert [(w.code, "ss_v2" in w.message) for w in inspect_file(path).warnings] == [("metadata-family", True)]


@pytest.mark.parametrize("key", ["modelspec.license", "license", "licence"])
def test_licence_claimed_by_metadata_read(key: str) -> None:
    assert read_claims({key: "  CreativeML Open RAIL-M "}).licence == "CreativeML Open RAIL-M"


HOSTILE_TABLES = [
    "not json",
    "[]",
    "7",
    "null",
    '{"10_a": 3}',
    '{"10_a": {"tag": "many"}}',
    '{"10_a": {"tag": -1, "other": true, "third": 1.5}}',
    "[" * 100_000,
    '{"a": ' + "9" * 5000 + "}",
]


@pytest.mark.parametrize("table", HOSTILE_TABLES, ids=range(len(HOSTILE_TABLES)))
def test_tag_table_that_is_none_gives_no_tags(table: str) -> None:
    assert read_claims({"ss_tag_frequency": table}).tag_frequency == {}


def test_tags_and_triggers_are_few_short_and_printable() -> None:
    tags = {f"tag {n}": 1 for n in range(1000)} | {"x" * 5000: 2, "a\0b": 9, "half \ud800": 9, " two\nlines ": 10**30}
    folders = {f"1_word{n}": {} for n in range(100)} | {"1_bad\0": {}, "10_": {}}
    table = json.dumps({"5_oil\tpaint": tags, **folders})
    claims = read_claims({"ss_tag_frequency": table})
    assert len(claims.tag_frequency) == MAX_TAGS
    assert claims.tag_frequency["two lines"] == 10**9
    assert claims.tag_frequency["x" * MAX_WORD] == 2
    assert all(word.isprintable() for word in claims.tag_frequency)
    assert claims.trigger_words[0] == "oil paint"
    assert len(claims.trigger_words) == MAX_TRIGGERS
    assert all(word.isprintable() for word in claims.trigger_words)


def test_nul_left_out_of_what_is_kept() -> None:
    """The format allows it in a value; no database keeps it as text."""
    metadata = {"ss_output_name": "a\0b", "modelspec.license": "MIT\0", "modelspec.trigger_phrase": "oil\0paint"}
    claims = read_claims(metadata)
    assert claims.training["ss_output_name"] == "ab"
    assert claims.licence == "MIT"
    assert claims.trigger_words == ("oilpaint",)


@pytest.mark.parametrize("number", ["nan", "inf", "-1e999", "many", "", "1_0"])
def test_number_that_is_none_breaks_nothing(number: str, tmp_path: Path) -> None:
    metadata = {"ss_network_dim": number, "ss_network_alpha": number, "note": "x"}
    found = inspect_file(adapter_file(tmp_path / "x.safetensors", lora(K), values=ALPHA, metadata=metadata))
    json.dumps(found.to_json(), allow_nan=False)


def test_word_of_an_embedding_fits_a_database(tmp_path: Path) -> None:
    for shapes, metadata, word in (
        ({f"<{'x' * 300}>": (1, 768)}, None, "<" + "x" * (MAX_WORD - 1)),
        ({"emb_params": (1, 768)}, {"token": "a\0b " + "y" * 9000}, ""),
        ({"emb_params": (1, 768)}, {"token": " my  statue "}, "my statue"),
        (
            {f"bundle_emb.{'z' * 300}.clip_l": (1, 768), f"bundle_emb.{'z' * 300}.clip_g": (1, 1280)},
            None,
            "z" * MAX_WORD,
        ),
    ):
        found = inspect_file(adapter_file(tmp_path / "x.safetensors", shapes, metadata=metadata))
        assert found.kind == "textual-inversion"
        assert found.trigger_words == ((word,) if word else ())
