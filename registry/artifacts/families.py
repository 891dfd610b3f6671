"""Which base family an adapter belongs to, from names and widths: shapes are proof, metadata only a hint.

Widths are those of the published models; each rule says what it saw, so that the uploader can follow it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.artifacts.modules import Module

UNKNOWN = "unknown"
CROSS_ATTENTION = {96: "tinybase", 768: "sd1", 1024: "sd2", 2048: "sdxl"}
TEXT_WIDTHS = {96: "tinybase", 768: "sd1", 1024: "sd2"}
EMBEDDING_WIDTHS = {96: "tinybase", 768: "sd1", 1024: "sd2"}
FLUX1_TEXT, FLUX2_TEXT = 4096, {7680, 12288, 15360}
FLUX1_HIDDEN, FLUX2_HIDDEN = 3072, {4096, 6144}
SD3_HIDDEN = {1536, 2432}
FLUX1_BLOCKS = 19  # double blocks; Qwen-Image has 60 and no single blocks
Z_IMAGE_HIDDEN = 3840

_CROSS = re.compile(r"attn2_to_[kv]$")
_UNET = re.compile(r"(down_blocks|up_blocks|mid_block|input_blocks|middle_block|output_blocks)_")
_SINGLE = re.compile(r"single_")
_BLOCK = re.compile(r"transformer_blocks_(\d+)_")
_TEXT = re.compile(r"(^|_)(te\d?|text_encoders?(_\d)?)_|^text_model_|clip_[lg]_|t5xxl_")
_FLUX1 = re.compile(r"double_blocks_\d+_(img|txt)_(attn|mlp|mod_lin)|single_blocks_\d+_(linear[12]|modulation_lin)")
_FLUX1_DIFFUSERS = re.compile(r"single_transformer_blocks_\d+_(attn_to_[qkv]$|proj_mlp|proj_out|norm_linear)")
_FLUX2 = re.compile(r"to_qkv_mlp_proj|ff(_context)?_linear_in|(double|single)_stream_modulation")
_SD3 = re.compile(r"joint_blocks_\d+_(context_block|x_block)")
_QWEN = re.compile(r"transformer_blocks_\d+_(img|txt)_(mlp|mod)_")
_Z_IMAGE = re.compile(r"(^|_)(context_refiner|noise_refiner)_\d+_|(^|_)layers_\d+_(attention|feed_forward|adaLN)")
_WAN = re.compile(
    r"(^|_)blocks_\d+_(self_attn_[qkvo]|cross_attn_[qkvo]|cross_attn_[kv]_img|ffn_[02]|attn[12]_to_|ffn_net)"
)
_Z_IMAGE_INPUT = re.compile(
    r"layers_\d+_(attention_(to_)?(q|k|v|qkv)$|feed_forward_w[13]$)|refiner_\d+_attention_(to_)?(q|k|v|qkv)$"
)
_TEXT_INPUT = re.compile(r"(^|_)(txt_in|context_embedder)$")
# HunyuanVideo has blocks of FLUX.1's names and width, but calls what lies in them otherwise.
_HUNYUAN_VIDEO = re.compile(
    r"\.(img|txt)_attn_(qkv|proj)$|(img|txt)_mlp[._]fc[12]$|(img|txt)_mod[._]linear$|individual_token_refiner"
)
_JOINT = re.compile(r"transformer_blocks_(\d+)_(attn_add_[qkv]_proj|attn_to_add_out|ff_context_|norm1_context)")


@dataclass(frozen=True)
class Family:
    """The family found, and the facts that prove it."""

    name: str
    evidence: tuple[str, ...]


def is_text_encoder(module: Module) -> bool:
    name = module.name
    if "te" not in name and "clip" not in name and "t5" not in name:  # as nearly all of a denoiser's are
        return False
    flat = module.flat
    return not _UNET.search(flat) and bool(_TEXT.search(flat))


def family_of(modules: Sequence[Module]) -> Family:
    """The base family of an adapter; "unknown" rather than a guess where the file does not tell."""
    for rule in RULES:
        found = rule(modules)
        if found is not None:
            return found
    return Family(UNKNOWN, ("No layer of the file is told apart by its name or its width.",))


def _cross_attention(modules: Sequence[Module]) -> Family | None:
    """The width of the text that a UNet reads: it differs in every family."""
    named = [m for m in modules if m.into and "attn2" in m.name]
    widths = {m.into for m in named if m.into and _CROSS.search(m.flat) and _UNET.search(m.flat)}
    return _by_width(widths, CROSS_ATTENTION, "Cross-attention reads text of width {}.")


def _by_width(widths: Iterable[int], table: Mapping[int, str], evidence: str) -> Family | None:
    found = {table[width] for width in widths if width in table}
    seen = tuple(evidence.format(width) for width in sorted(widths))
    if len(found) == 1:
        return Family(found.pop(), seen)
    return Family(UNKNOWN, (*seen, "These widths belong to different families or to none known.")) if seen else None


def _flux2(modules: Sequence[Module]) -> Family | None:
    for module in modules:
        if _FLUX2.search(module.flat):
            return Family("flux2", (f"Only FLUX.2 has layers such as {module.name}.",))
        if _TEXT_INPUT.search(module.flat) and module.into in FLUX2_TEXT:
            return Family("flux2", (f"Its text enters at width {module.into}.",))
        if _FLUX1.search(module.flat) and module.into in FLUX2_HIDDEN:
            return Family("flux2", (f"{module.name} is {module.into} wide.",))
        if sizes := _flux2_sizes(module):
            return Family("flux2", (f"{module.name} has the sizes {sizes} of FLUX.2's smallest model.",))
    return None


def _flux2_sizes(module: Module) -> str:
    """FLUX.2's smallest model is as wide as FLUX.1, but its feed-forward layers are three times that and gated."""
    flat, wide, sizes = module.flat, FLUX1_HIDDEN, (module.into, module.out)
    if sizes == (wide, 9 * wide) and re.search(r"single_blocks_\d+_linear1$", flat):
        return f"{wide} × {9 * wide}"
    if sizes == (4 * wide, wide) and re.search(r"single_blocks_\d+_linear2$", flat):
        return f"{4 * wide} × {wide}"
    if sizes == (wide, 6 * wide) and re.search(r"double_blocks_\d+_(img|txt)_mlp_0$", flat):
        return f"{wide} × {6 * wide}"
    return ""


def _sd3(modules: Sequence[Module]) -> Family | None:
    for module in modules:
        if _SD3.search(module.flat):
            return Family("sd3", (f"Only SD 3 has layers such as {module.name}.",))
        if _JOINT.search(module.flat) and module.into in SD3_HIDDEN:
            return Family("sd3", (f"The joint block layer {module.name} is {module.into} wide.",))
    if _named(modules, _BLOCK) and not _named(modules, _UNET):
        widths = {m.into for m in modules if m.into and _BLOCK.search(m.flat) and "_attn_to_" in m.flat}
        if widths and widths <= SD3_HIDDEN:
            return Family("sd3", (f"Its transformer blocks are {', '.join(map(str, sorted(widths)))} wide.",))
    return None


def _flux1(modules: Sequence[Module]) -> Family | None:
    if any(_HUNYUAN_VIDEO.search(module.name) for module in modules):
        return None
    for module in modules:
        if _TEXT_INPUT.search(module.flat) and (module.into, module.out) == (FLUX1_TEXT, FLUX1_HIDDEN):
            return Family("flux1", (f"Its text enters at width {module.into}.",))
        if _FLUX1.search(module.flat) or "_processor_qkv_lora" in module.flat or "_processor_proj_lora" in module.flat:
            return Family("flux1", (f"FLUX.1 has layers such as {module.name}.",))
        if _FLUX1_DIFFUSERS.search(module.flat) and module.into not in FLUX2_HIDDEN:
            return Family("flux1", (f"FLUX.1 has single blocks with layers such as {module.name}.",))
    return None


def _qwen(modules: Sequence[Module]) -> Family | None:
    for module in modules:
        if _QWEN.search(module.flat):
            return Family("qwen-image", (f"Only Qwen-Image has layers such as {module.name}.",))
    blocks = [int(match[1]) for m in modules if (match := _BLOCK.search(m.flat)) and not _UNET.search(m.flat)]
    wide = any(m.into == FLUX1_HIDDEN for m in modules)  # Qwen-Image is as wide as FLUX.1, but deeper
    if blocks and max(blocks) >= FLUX1_BLOCKS and wide and not _named(modules, _SINGLE):
        return Family("qwen-image", (f"It has transformer block {max(blocks)}, and no single blocks.",))
    return None


def _z_image(modules: Sequence[Module]) -> Family | None:
    named = [m for m in modules if _Z_IMAGE.search(m.flat) and not is_text_encoder(m)]
    widths = {m.into for m in named if m.into and _Z_IMAGE_INPUT.search(m.flat)}
    if widths and Z_IMAGE_HIDDEN not in widths:
        return None  # Lumina names its layers alike, in another width
    if any("refiner" in m.flat or m.into == Z_IMAGE_HIDDEN or "attention" in m.flat for m in named):
        return Family("z-image", (f"Z-Image has layers such as {named[0].name}.",))
    return None


def _wan(modules: Sequence[Module]) -> Family | None:
    for module in modules:
        if _WAN.search(module.flat) and not _UNET.search(module.flat) and "transformer_blocks" not in module.name:
            return Family("wan", (f"Wan has layers such as {module.name}.",))
    return None


def _deep_unet(modules: Sequence[Module]) -> Family | None:
    """SD 1 and SD 2 have one transformer block per attention, SDXL up to ten."""
    blocks = [int(match[1]) for m in modules if _UNET.search(m.flat) and (match := _BLOCK.search(m.flat))]
    if blocks and max(blocks) >= 2:
        return Family(
            "sdxl", (f"It has transformer block {max(blocks)} inside one attention; only SDXL is that deep.",)
        )
    return None


def _text_encoder(modules: Sequence[Module]) -> Family | None:
    """A file for text encoders alone, or with UNet layers that tell nothing."""
    second = [m for m in modules if re.search(r"(^|_)te2_|text_encoder_2_|clip_g_", m.flat)]
    if second and any(m.into in {1280, 5120} for m in second) and _named(modules, re.compile("te1_|encoder|clip")):
        return Family("sdxl", (f"Its second text encoder is {second[0].into} wide.",))
    if second:
        return None
    # The projections of self-attention are square, so a kind that only tells their output will do.
    attention = [m for m in modules if is_text_encoder(m) and "self_attn" in m.flat]
    widths = {width for m in attention if (width := m.into or m.out)}
    return _by_width(widths, TEXT_WIDTHS, "Its text encoder is {} wide.") if not _numbered(modules) else None


def _numbered(modules: Sequence[Module]) -> bool:
    """`lora_te1_` is CLIP-L in SDXL, FLUX and SD 3 alike, so it proves nothing."""
    return _named(modules, re.compile(r"(^|_)te[123]_"))


def _named(modules: Sequence[Module], pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(module.flat) for module in modules)


RULES: tuple[Callable[[Sequence[Module]], Family | None], ...] = (
    _cross_attention,
    _flux2,
    _sd3,
    _qwen,
    _flux1,
    _z_image,
    _wan,
    _deep_unet,
    _text_encoder,
)


def embedding_family(widths: Mapping[str, int]) -> Family:
    """The family of a Textual Inversion, by the widths of its vectors for each text encoder."""
    if {"clip_l", "clip_g", "t5xxl"} <= widths.keys():
        return Family("sd3", ("It holds vectors for three text encoders, CLIP-L, CLIP-G and T5.",))
    if widths.keys() == {"clip_l", "clip_g"}:
        return Family("sdxl", ("It holds vectors for both text encoders, CLIP-L and CLIP-G.",))
    width = max(widths.values())
    if widths.keys() == {""} and width in EMBEDDING_WIDTHS:  # CLIP-L by its name belongs to most families
        return Family(EMBEDDING_WIDTHS[width], (f"Its vectors are {width} wide.",))
    return Family(UNKNOWN, (f"Vectors of width {width} fit more than one family or none.",))
