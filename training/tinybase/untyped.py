"""Names for classes of diffusers, whose attributes a type checker cannot see."""

from typing import Any

Pipeline = Any  # StableDiffusionPipeline
Unet = Any  # UNet2DConditionModel
Vae = Any  # AutoencoderTiny
Scheduler = Any  # DDIMScheduler
