"""Rows of inference."""

from inference.models.generation import (
    GallerySettings,
    Generation,
    GenerationAdapter,
    GenerationBatch,
    GenerationPicture,
)
from inference.models.making import FileForm, Making, MakingJob, MakingPart
from inference.models.previews import PreviewFacts, PreviewJob

__all__ = [
    "FileForm",
    "GallerySettings",
    "Generation",
    "GenerationAdapter",
    "GenerationBatch",
    "GenerationPicture",
    "Making",
    "MakingJob",
    "MakingPart",
    "PreviewFacts",
    "PreviewJob",
]
