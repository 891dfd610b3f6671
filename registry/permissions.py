"""Who may act on adapters: one list of permissions, one table of roles. What a licence allows is another question."""

from enum import StrEnum


class AdapterPermission(StrEnum):
    READ = "adapter.read"  # the published face of it
    READ_UNPUBLISHED = "adapter.read-unpublished"  # drafts, refusals, inspection in progress
    CONTRIBUTE = "adapter.contribute"  # upload a version
    EDIT = "adapter.edit"  # title, description, tags, visibility
    PUBLISH = "adapter.publish"  # let a checked version out, withdraw one
    REVIEW = "adapter.review"  # decide what waits for a person


class AdapterRole(StrEnum):
    """What somebody is to one adapter."""

    OWNER = "owner"
    MAINTAINER = "maintainer"
    MEMBER = "member"
    READER = "reader"
    MODERATOR = "moderator"
    PUBLIC = "public"
    NOBODY = "nobody"


P = AdapterPermission

ROLE_PERMISSIONS: dict[AdapterRole, frozenset[AdapterPermission]] = {
    AdapterRole.OWNER: frozenset({P.READ, P.READ_UNPUBLISHED, P.CONTRIBUTE, P.EDIT, P.PUBLISH}),
    AdapterRole.MAINTAINER: frozenset({P.READ, P.READ_UNPUBLISHED, P.CONTRIBUTE, P.EDIT, P.PUBLISH}),
    AdapterRole.MEMBER: frozenset({P.READ, P.READ_UNPUBLISHED, P.CONTRIBUTE}),
    AdapterRole.READER: frozenset({P.READ}),
    AdapterRole.MODERATOR: frozenset({P.READ, P.READ_UNPUBLISHED, P.REVIEW}),
    AdapterRole.PUBLIC: frozenset({P.READ}),
    AdapterRole.NOBODY: frozenset(),
}
