"""Tiny pipelines of real diffusers classes with random weights."""

import os
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

WORDS = "a red blue circle square on white sks style".split()
LENGTH = 16


def tokenizer() -> CLIPTokenizer:
    """Byte-level pair encoding over a few words, in CLIP's form."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = ["".join(pair), *parts[2:]]
            if parts[0] not in pieces:
                pieces.append(parts[0])
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges, model_max_length=LENGTH
    )


def _text_config(width: int, words: CLIPTokenizer, **more: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(words),
        max_position_embeddings=LENGTH,
        projection_dim=width,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        **more,
    )


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )


def _unet(cross: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross,
        norm_num_groups=8,
        **{"attention_head_dim": 2, **more},
    )


def tiny_sd(cross: int = 24) -> StableDiffusionPipeline:
    """SD 1-like, with an AutoencoderTiny as the tiny base has."""
    torch.manual_seed(0)
    words = tokenizer()
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
    )
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(_text_config(cross, words)),
        tokenizer=words,
        unet=_unet(cross),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)


def _vae_kl(channels: int, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        latent_channels=channels,
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        **more,
    )


def tiny_sdxl() -> StableDiffusionXLPipeline:
    torch.manual_seed(1)
    words = tokenizer()
    unet = _unet(
        24 + 16,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 16,
    )
    pipe = StableDiffusionXLPipeline(
        vae=_vae_kl(4),
        text_encoder=CLIPTextModel(_text_config(24, words)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(16, words)),
        tokenizer=words,
        tokenizer_2=tokenizer(),
        unet=unet,
        scheduler=_scheduler(),
        add_watermarker=False,
    )
    return _quiet(pipe)


def _t5() -> tuple[T5EncoderModel, T5TokenizerFast]:
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{word}", -2.0) for word in WORDS)]
    words = T5TokenizerFast(vocab=vocabulary, extra_ids=0, model_max_length=LENGTH)
    config = T5Config(d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8, vocab_size=len(words))
    return T5EncoderModel(config), words


def tiny_flux() -> FluxPipeline:
    torch.manual_seed(2)
    words = tokenizer()
    t5, t5_words = _t5()
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=24,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae_kl(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModel(_text_config(24, words)),
        tokenizer=words,
        text_encoder_2=t5,
        tokenizer_2=t5_words,
        transformer=transformer,
    )
    return _quiet(pipe)


def tiny_sd3() -> StableDiffusion3Pipeline:
    torch.manual_seed(3)
    words = tokenizer()
    t5, t5_words = _t5()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=40,
        pooled_projection_dim=24 + 16,
        out_channels=4,
        qk_norm="rms_norm",
    )
    # SD 3 pads CLIP's 24 + 16 wide states up to the width of T5.
    t5 = T5EncoderModel(T5Config(d_model=40, d_ff=16, num_layers=1, num_heads=2, d_kv=8, vocab_size=len(t5_words)))
    pipe = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae_kl(4, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModelWithProjection(_text_config(24, words)),
        tokenizer=words,
        text_encoder_2=CLIPTextModelWithProjection(_text_config(16, words)),
        tokenizer_2=tokenizer(),
        text_encoder_3=t5,
        tokenizer_3=t5_words,
    )
    return _quiet(pipe)


def _quiet(pipe: Any) -> Any:
    """As `from_pretrained` leaves a pipeline: without progress bars, and without T5's dropout."""
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    pipe.set_progress_bar_config(disable=True)
    return pipe
