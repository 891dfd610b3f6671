"""Pipelines, adapters and pictures: torch and diffusers, without Django."""

from inference.engine.applying import applied
from inference.engine.bases import BaseSpec, load_base, quiet
from inference.engine.credentials import Certificate, make_local_certificate
from inference.engine.errors import AdapterError, Cancelled, EngineError
from inference.engine.families import FAMILIES, Family, family_of
from inference.engine.marks import Marks, mark_png, read_marks
from inference.engine.placing import Report
from inference.engine.reading import Adapter, Skipped, read_adapter
from inference.engine.sampling import RenderRequest, render

__all__ = [
    "FAMILIES",
    "Adapter",
    "AdapterError",
    "BaseSpec",
    "Cancelled",
    "Certificate",
    "EngineError",
    "Family",
    "Marks",
    "RenderRequest",
    "Report",
    "Skipped",
    "applied",
    "family_of",
    "load_base",
    "make_local_certificate",
    "mark_png",
    "quiet",
    "read_adapter",
    "read_marks",
    "render",
]
