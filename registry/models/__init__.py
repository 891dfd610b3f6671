"""Models of the registry, split by noun."""

from registry.models.access_requests import AccessRequest, RequestState
from registry.models.adapters import Access, Adapter, Tag
from registry.models.bases import BaseModel
from registry.models.delivery import Acceptance, Receipt, StandingPass, TermsText
from registry.models.discussions import (
    Discussion,
    DiscussionComment,
    DiscussionEvent,
    DiscussionEventKind,
    DiscussionStatus,
)
from registry.models.images import VersionImage
from registry.models.imports import ImportedFile
from registry.models.outbox import OutState, Topic, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from registry.models.ratings import Rating
from registry.models.repositories import Blob, Ref, Revision, RevisionEntry
from registry.models.samples import SampleKind, SamplePicture, SampleState
from registry.models.transfers import Arrival, FormerName, Transfer, TransferPart, XetSession
from registry.models.uploads import Upload
from registry.models.versions import Lineage, RightsStatement, Version, VersionFile, VersionTransition

__all__ = [
    "Acceptance",
    "Access",
    "AccessRequest",
    "Adapter",
    "Arrival",
    "BaseModel",
    "Blob",
    "Discussion",
    "DiscussionComment",
    "DiscussionEvent",
    "DiscussionEventKind",
    "DiscussionStatus",
    "FormerName",
    "ImportedFile",
    "Lineage",
    "OutState",
    "Rating",
    "Receipt",
    "Ref",
    "RequestState",
    "Revision",
    "RevisionEntry",
    "RightsStatement",
    "SampleKind",
    "SamplePicture",
    "SampleState",
    "StandingPass",
    "Tag",
    "TermsText",
    "Topic",
    "Transfer",
    "TransferPart",
    "Upload",
    "Version",
    "VersionFile",
    "VersionImage",
    "VersionTransition",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "XetSession",
]
