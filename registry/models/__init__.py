"""Models of the registry, split by noun."""

from registry.models.adapters import Adapter, Tag
from registry.models.bases import BaseModel
from registry.models.delivery import Acceptance, Receipt, StandingPass, TermsText
from registry.models.images import VersionImage
from registry.models.ratings import Rating
from registry.models.repositories import Blob, Ref, Revision, RevisionEntry
from registry.models.samples import SampleKind, SamplePicture, SampleState
from registry.models.uploads import Upload
from registry.models.versions import Lineage, RightsStatement, Version, VersionFile, VersionTransition

__all__ = [
    "Acceptance",
    "Adapter",
    "BaseModel",
    "Blob",
    "Lineage",
    "Rating",
    "Receipt",
    "Ref",
    "Revision",
    "RevisionEntry",
    "RightsStatement",
    "SampleKind",
    "SamplePicture",
    "SampleState",
    "StandingPass",
    "Tag",
    "TermsText",
    "Upload",
    "Version",
    "VersionFile",
    "VersionImage",
    "VersionTransition",
]
