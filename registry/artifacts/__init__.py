"""Adapter files: what they are, whether they are sound, and their hashes. Pure: no Django, no torch."""

from registry.artifacts.errors import ArtifactRefused, ArtifactWarning
from registry.artifacts.families import UNKNOWN
from registry.artifacts.hashing import FileHashes, hash_file
from registry.artifacts.inspection import Inspection, compare_embedded_hashes, inspect_file

__all__ = [
    "UNKNOWN",
    "ArtifactRefused",
    "ArtifactWarning",
    "FileHashes",
    "Inspection",
    "compare_embedded_hashes",
    "hash_file",
    "inspect_file",
]
