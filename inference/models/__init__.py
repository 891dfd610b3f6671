"""Rows of inference."""

from inference.models.previews import PreviewJob

__all__ = ["PreviewJob"]
