"""Taking the person out of an account: what is theirs alone goes, a pseudonym stands where others rely on the row."""

import secrets

from django.db import transaction

from accounts.models import ApiToken, Membership, Namespace, Organisation, RetiredName, User
from accounts.permissions import Role
from accounts.services import member_remove, retired_digest

NOWHERE = "erased.invalid"  # RFC 2606: no mail ever reaches it
PSEUDONYM = "erased-"


def organisations_owned_alone(user: User) -> list[Organisation]:
    """Organisations that would have no owner without this person."""
    mine = Membership.objects.filter(user=user, role=Role.OWNER).select_related("organisation__namespace")
    owners = Membership.objects.filter(role=Role.OWNER).exclude(user=user)
    return [row.organisation for row in mine if not owners.filter(organisation=row.organisation_id).exists()]


def is_erased(user: User) -> bool:
    return not user.is_active and user.email.endswith(f"@{NOWHERE}")


@transaction.atomic
def account_erase(*, user: User) -> str:
    """Delete address, password, names, tokens and memberships; the pseudonym that stays. Raises LastOwner."""
    user = User.objects.select_for_update().get(pk=user.pk)
    for membership in user.memberships.select_related("organisation__namespace"):
        member_remove(actor=user, organisation=membership.organisation, user=user)
    ApiToken.objects.filter(user=user).delete()
    pseudonym = PSEUDONYM + secrets.token_hex(8)
    RetiredName.objects.get_or_create(digest=retired_digest(user.username))
    Namespace.objects.filter(user=user).update(slug=pseudonym)
    user.username, user.email = pseudonym, f"{pseudonym}@{NOWHERE}"
    user.display_name = user.first_name = user.last_name = ""
    user.is_active = user.is_moderator = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
    return pseudonym
