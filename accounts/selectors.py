"""What accounts read."""

from accounts.errors import NotFound, NotPermitted
from accounts.models import Membership, Organisation, User
from accounts.permissions import OrganisationPermission, Role, role_permits


def access_organisation(*, actor: User, slug: str, permission: OrganisationPermission) -> Organisation:
    """The organisation, if `actor` is in it and may do this; absent and closed give the same NotFound."""
    membership = (
        Membership.objects.select_related("organisation__namespace")
        .filter(user=actor, organisation__namespace__slug=slug.lower())
        .first()
    )
    if membership is None:
        raise NotFound(f"There is no organisation {slug} that you belong to.")
    if not role_permits(Role(membership.role), permission):
        raise NotPermitted(f"Your role in {slug} does not include {permission.value}.")
    return membership.organisation
