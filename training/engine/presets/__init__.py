"""Presets: the field's defaults by purpose and base family, each value with one sentence that says why.

    preset("style", "sdxl", pictures=24).config      # a TrainConfig that passes its own checks
    preset("style", "sdxl", pictures=24).reasons     # {"adapter.rank": "A style is a broad change …", …}

The values are data (`defaults.toml`, `families/`, `purposes/`); later files win over earlier ones. Steps and what
follows from them come from the number of pictures. Nothing here imports torch.
"""

from training.engine.presets.build import Preset, preset
from training.engine.presets.files import PresetInvalid, Title, families, purposes, sources

__all__ = ["Preset", "PresetInvalid", "Title", "families", "preset", "purposes", "sources"]
