"""The metadata that trainers write: training facts, trigger words, claims. Hints, never proof."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from registry.artifacts.errors import ArtifactWarning

_SS = (
    "base_model_version v2 network_module network_dim network_alpha network_args output_name datasets bucket_info "
    "resolution num_train_images num_reg_images prior_loss_weight min_snr_gamma noise_offset seed steps epoch "
    "optimizer sd_model_name sd_model_hash new_sd_model_hash validation_split learning_rate unet_lr "
    "text_encoder_lr lr_scheduler clip_skip num_epochs max_train_steps training_comment"
).split()
_MODELSPEC = (
    "sai_model_spec architecture implementation title description author date hash_sha256 license usage_hint tags "
    "merged_from trigger_phrase prediction_type timestep_range encoder_layer preprocessor resolution"
).split()
KEPT = frozenset(
    {*(f"ss_{name}" for name in _SS), *(f"modelspec.{name}" for name in _MODELSPEC), "lora_adapter_metadata"}
)
MAX_KEPT = 4_000  # characters of one value; bucket and dataset tables can be megabytes
MAX_TAGS = 200
MAX_TRIGGERS = 20
MAX_WORD = 100  # characters of a tag or trigger word
MAX_COUNT = 10**9
_FOLDER = re.compile(r"^\d+_(?P<name>.+)$")
_ARCHITECTURES = (
    ("stable-diffusion-xl", "sdxl"),
    ("stable-diffusion-v1", "sd1"),
    ("stable-diffusion-v2", "sd2"),
    ("stable-diffusion-3", "sd3"),
    ("sd3", "sd3"),
    ("flux-2", "flux2"),
    ("flux.2", "flux2"),
    ("flux2", "flux2"),
    ("flux", "flux1"),
    ("qwen", "qwen-image"),
    ("z-image", "z-image"),
    ("wan", "wan"),
    ("tinybase", "tinybase"),
)
_VERSIONS = (
    ("sdxl", "sdxl"),
    ("sd_v1", "sd1"),
    ("sd_1", "sd1"),
    ("sd_v2", "sd2"),
    ("sd_2", "sd2"),
    ("sd3", "sd3"),
    ("flux2", "flux2"),
    ("flux", "flux1"),
)


@dataclass(frozen=True)
class Claims:
    """What the file says of itself."""

    training: Mapping[str, str]
    tag_frequency: Mapping[str, int]
    trigger_words: tuple[str, ...]
    licence: str
    hashes: Mapping[str, str]
    families: Mapping[str, str]  # metadata key → family it claims
    dim: float | None
    alpha: float | None


def read_claims(metadata: Mapping[str, str]) -> Claims:
    """All that the metadata claims; what cannot be read is left out, and NUL, which no database keeps as text."""
    metadata = {key: value.replace("\0", "") for key, value in metadata.items()}
    tags, folders = _tag_frequency(metadata.get("ss_tag_frequency", ""))
    return Claims(
        training={key: value[:MAX_KEPT] for key, value in sorted(metadata.items()) if key in KEPT and value},
        tag_frequency=dict(sorted(tags.items(), key=itemgetter(1), reverse=True)[:MAX_TAGS]),
        trigger_words=_trigger_words(metadata, folders),
        licence=next(
            (metadata[key].strip() for key in ("modelspec.license", "license", "licence") if metadata.get(key)), ""
        )[:200],
        hashes=_hashes(metadata),
        families=_families(metadata),
        dim=_number(metadata.get("ss_network_dim")),
        alpha=_number(metadata.get("ss_network_alpha")),
    )


def _tag_frequency(text: str) -> tuple[Counter[str], list[str]]:
    """(how often each tag occurs over all folders, the folders' names) of `{folder: {tag: count}}`."""
    tags: Counter[str] = Counter()
    folders: list[str] = []
    try:
        table = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return tags, folders
    if not isinstance(table, dict):
        return tags, folders
    for folder, counts in table.items():
        folders.append(folder)
        if isinstance(counts, dict):
            tags.update(_plain_counts(counts))
    return tags, folders


def _plain_counts(counts: dict[str, Any]) -> dict[str, int]:
    """Tags in plain words, with their counts."""
    sane = [n for n in counts.values() if type(n) is int and 0 < n <= MAX_COUNT]
    if len(sane) == len(counts) and _all_plain(counts):
        return counts
    return {
        word: min(n, MAX_COUNT) for tag, n in counts.items() if type(n) is int and n > 0 and (word := plain_word(tag))
    }


def _all_plain(texts: Collection[str]) -> bool:
    """Whether `plain_word` would change none of the texts, seen in one look at all of them."""
    together = "\n".join(["", *texts, ""])
    spaced = any(space in together for space in ("  ", "\n ", " \n", "\n\n"))
    printable = together.replace("\n", "").isprintable() and together.count("\n") == len(texts) + 1
    return printable and not spaced and max(map(len, texts), default=0) <= MAX_WORD


def plain_word(text: str) -> str:
    """A tag or trigger word in one line and of a sane length; empty where it is not printable."""
    if len(text) <= MAX_WORD and text.isprintable() and "  " not in text and text == text.strip():
        return text  # as nearly all of the thousands in a file are
    word = " ".join(text.split())[:MAX_WORD].strip()
    return word if word.isprintable() else ""


def _trigger_words(metadata: Mapping[str, str], folders: list[str]) -> tuple[str, ...]:
    """The trigger phrase where one is stated, else the names of kohya's `10_token class` folders."""
    phrase = metadata.get("modelspec.trigger_phrase", "")
    words = phrase.split(",") if phrase.strip() else []
    if not words:
        words = [match["name"] for folder in folders if (match := _FOLDER.match(folder))]
    return tuple(dict.fromkeys(word for text in words if (word := plain_word(text))))[:MAX_TRIGGERS]


def _hashes(metadata: Mapping[str, str]) -> dict[str, str]:
    """Hashes that trainers embed, as lower-case hex without 0x."""
    keys = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")
    found = {key: metadata.get(key, "").strip().lower().removeprefix("0x") for key in keys}
    return {key: value for key, value in found.items() if re.fullmatch(r"[0-9a-f]{8,64}", value)}


def _families(metadata: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    architecture = metadata.get("modelspec.architecture", "").lower()
    if family := next((family for mark, family in _ARCHITECTURES if mark in architecture), None):
        found["modelspec.architecture"] = family
    version = metadata.get("ss_base_model_version", "").lower()
    if family := next((family for mark, family in _VERSIONS if version.startswith(mark)), None):
        found["ss_base_model_version"] = family
    if metadata.get("ss_v2", "").lower() == "true":
        found["ss_v2"] = "sd2"
    return found


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def claim_warnings(
    claims: Claims, *, family: str, ranks: tuple[int, ...], alphas: tuple[float, ...]
) -> list[ArtifactWarning]:
    """Where the metadata contradicts the tensors; the tensors are believed."""
    found: list[ArtifactWarning] = []
    for key, claimed in claims.families.items():
        if family not in {"unknown", claimed}:
            found.append(
                ArtifactWarning(
                    "metadata-family",
                    f"Its metadata says {claimed} ({key}), its tensors say {family}.",
                    "The tensors are believed. Metadata copied from another file mislead programs; remove them.",
                )
            )
    if claims.dim and ranks and claims.dim not in ranks:
        found.append(_number_warning("metadata-rank", "rank", "ss_network_dim", claims.dim, ranks))
    if claims.alpha and alphas and not any(abs(claims.alpha - alpha) < 1e-3 * max(1.0, abs(alpha)) for alpha in alphas):
        found.append(_number_warning("metadata-alpha", "alpha", "ss_network_alpha", claims.alpha, alphas))
    return found


def _number_warning(code: str, what: str, key: str, claimed: float, found: tuple[float, ...]) -> ArtifactWarning:
    return ArtifactWarning(
        code,
        f"Its metadata says {what} {claimed:g} ({key}); its tensors have {min(found):g} to {max(found):g}.",
        "The tensors are believed. If the file was resized or merged, say so in its description.",
    )
