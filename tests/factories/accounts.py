"""People, organisations and tokens for tests."""

from accounts.models import ApiToken, Membership, Organisation, User
from accounts.services import organisation_create, token_create, user_register

PASSWORD = "a-long-enough-passphrase"


def make_user(username: str = "ada", **fields: object) -> User:
    user = user_register(username=username, email=f"{username}@example.org", password=PASSWORD)
    if fields:
        User.objects.filter(pk=user.pk).update(**fields)
        user.refresh_from_db()
    return user


def make_organisation(owner: User, slug: str = "studio", members: dict[str, User] | None = None) -> Organisation:
    organisation = organisation_create(actor=owner, slug=slug, display_name=slug.title())
    for role, user in (members or {}).items():
        Membership.objects.create(user=user, organisation=organisation, role=role)
    return organisation


def make_token(user: User, scopes: list[str] | None = None) -> tuple[ApiToken, str]:
    return token_create(user=user, name="test", scopes=scopes or ["read", "write", "download", "admin"])
