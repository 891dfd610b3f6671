"""Roles in an organisation and what each may do to it."""

from enum import StrEnum


class Role(StrEnum):
    """What a member is in an organisation, from most to least."""

    OWNER = "owner"
    MAINTAINER = "maintainer"
    MEMBER = "member"
    READER = "reader"


class OrganisationPermission(StrEnum):
    READ = "organisation.read"
    ADMINISTER = "organisation.administer"  # settings, members, tokens
    PUBLISH = "organisation.publish"  # publish, withdraw and delete adapters
    CONTRIBUTE = "organisation.contribute"  # upload drafts


ROLE_PERMISSIONS: dict[Role, frozenset[OrganisationPermission]] = {
    Role.OWNER: frozenset(OrganisationPermission),
    Role.MAINTAINER: frozenset(
        {OrganisationPermission.READ, OrganisationPermission.PUBLISH, OrganisationPermission.CONTRIBUTE}
    ),
    Role.MEMBER: frozenset({OrganisationPermission.READ, OrganisationPermission.CONTRIBUTE}),
    Role.READER: frozenset({OrganisationPermission.READ}),
}


def role_permits(role: Role, permission: OrganisationPermission) -> bool:
    """Whether `role` includes `permission`."""
    return permission in ROLE_PERMISSIONS[role]
