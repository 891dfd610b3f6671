"""What accounts write: people, organisations, members, tokens."""

import hashlib
import hmac
import secrets
import string
import zlib
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import AccountsError, NotPermitted
from accounts.models import (
    ApiToken,
    Membership,
    Namespace,
    Organisation,
    RetiredName,
    User,
    folded,
    folded_slug,
    validate_slug,
)
from accounts.permissions import OrganisationPermission, Role, role_permits
from accounts.scopes import Scope
from accounts.signals import (
    member_changed,
    organisation_created,
    password_changed,
    token_created,
    token_revoked,
    user_registered,
)

# First path segments of the site itself, and names that would mislead.
RESERVED = frozenset(
    "about account accounts admin administrator api appeals auth browse cases consent datasets decisions "
    "discussions docs favicon.ico feeds files generate healthz help home images inference jobs legal licences licenses "
    "likeness login logout making may-i media merge metrics models moderation moderator new official opt-out orgs "
    "password-change pictures previews privacy problems receipts registry report reports robots.txt search security "
    "settings sign-in sign-out sign-up signup spaces static status support system terms tokens training "
    "transparency transparency.csv try upload uploads user users v1 well-known webhooks www".split()
)
TOKEN_PREFIX = "reg_"  # noqa: S105 (a marker that secret scanners can look for)
ALPHABET = string.digits + string.ascii_letters
TOUCH_EVERY = timedelta(minutes=1)


class SlugTaken(AccountsError):
    code = "name-taken"
    status = 409
    title = "That name is taken"
    remedy = "Choose another name."


class LastOwner(AccountsError):
    code = "last-owner"
    status = 409
    title = "An organisation needs an owner"
    remedy = "Make somebody else an owner first."


def retired_digest(slug: str) -> str:
    """HMAC-SHA256 of a folded name under the installation's secret, in hexadecimal."""
    key = hashlib.sha256(b"accounts.retired-name" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, folded_slug(slug).encode(), hashlib.sha256).hexdigest()


def slug_available(slug: str) -> bool:
    """Whether a user or organisation may take this name; one that differs in its separators alone is taken too."""
    wanted = folded_slug(slug)
    if slug in RESERVED or wanted in RESERVED or RetiredName.objects.filter(digest=retired_digest(slug)).exists():
        return False
    return not Namespace.objects.alias(folded=folded("slug")).filter(folded=wanted).exists()


def _claim(slug: str) -> None:
    validate_slug(slug)
    if not slug_available(slug):
        raise SlugTaken(f"The name {slug!r} is taken or reserved.")


@transaction.atomic
def user_register(*, username: str, email: str, password: str, display_name: str = "") -> User:
    """A new person with their namespace; raises SlugTaken, also when two register at once."""
    slug = username.lower()
    _claim(slug)
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username=slug, email=email.strip().lower(), password=password, display_name=display_name
            )
            Namespace.objects.create(slug=slug, user=user)
    except IntegrityError as error:
        raise SlugTaken("That name or e-mail address has an account already.") from error
    user_registered.send(sender=User, user=user)
    return user


@transaction.atomic
def password_set(*, user: User, password: str) -> None:
    """A new password, which the caller has checked against the rules."""
    user.set_password(password)
    user.save(update_fields=["password"])
    password_changed.send(sender=User, user=user)


@transaction.atomic
def organisation_create(*, actor: User, slug: str, display_name: str, description: str = "") -> Organisation:
    """A new organisation that `actor` owns."""
    _claim(slug)
    organisation = Organisation.objects.create(display_name=display_name, description=description)
    try:
        with transaction.atomic():
            Namespace.objects.create(slug=slug, organisation=organisation)
    except IntegrityError as error:
        raise SlugTaken(f"The name {slug!r} is taken.") from error
    Membership.objects.create(user=actor, organisation=organisation, role=Role.OWNER)
    organisation_created.send(sender=Organisation, actor=actor, organisation=organisation)
    return organisation


def _administered(actor: User, organisation: Organisation) -> None:
    """Locks the organisation's members; raises NotPermitted unless `actor` administers it."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    mine = Membership.objects.filter(user=actor, organisation=organisation).first()
    if mine is None or not role_permits(Role(mine.role), OrganisationPermission.ADMINISTER):
        raise NotPermitted(f"Only owners manage the members of {organisation}.")


@transaction.atomic
def member_add(*, actor: User, organisation: Organisation, user: User, role: str) -> Membership:
    """Add a person, or change the role of one who is in."""
    _administered(actor, organisation)
    current = Membership.objects.filter(user=user, organisation=organisation).first()
    was = current.role if current else ""
    if current is None:
        current = Membership.objects.create(user=user, organisation=organisation, role=Role(role))
    elif was != role:
        _keep_an_owner(organisation, current)
        current.role = Role(role)
        current.save(update_fields=["role"])
    if was != role:
        _tell(actor, organisation, user, was, role)
    return current


def _tell(actor: User, organisation: Organisation, user: User, was: str, role: str) -> None:
    member_changed.send(
        sender=Membership, actor=actor, organisation=organisation, user=user, was=str(was), role=str(role)
    )


@transaction.atomic
def member_remove(*, actor: User, organisation: Organisation, user: User) -> None:
    """Remove a person; anybody may leave, owners may remove others, the last owner stays."""
    if actor.pk == user.pk:
        Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    else:
        _administered(actor, organisation)
    membership = Membership.objects.filter(user=user, organisation=organisation).first()
    if membership is None:
        return
    _keep_an_owner(organisation, membership)
    membership.delete()
    _tell(actor, organisation, user, membership.role, "")


def _keep_an_owner(organisation: Organisation, leaving: Membership) -> None:
    others = Membership.objects.filter(organisation=organisation, role=Role.OWNER).exclude(pk=leaving.pk)
    if leaving.role == Role.OWNER and not others.exists():
        raise LastOwner(f"{leaving.user.username} is the last owner of {organisation}.")


@transaction.atomic
def token_create(
    *, user: User, name: str, scopes: list[str], lifetime: timedelta | None = None
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown once and never stored."""
    secret = _new_secret()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=secret[:10],
        digest=token_digest(secret),
        scopes=sorted({Scope(scope).value for scope in scopes}),
        expires_at=timezone.now() + lifetime if lifetime else None,
    )
    token_created.send(sender=ApiToken, token=token)
    return token, secret


def _new_secret() -> str:
    """`reg_`, 34 random characters, and 6 of a checksum that scanners can verify without asking us."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(34))
    number, checksum = zlib.crc32(random.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum += ALPHABET[digit]
    return TOKEN_PREFIX + random + checksum


def token_digest(secret: str) -> str:
    """SHA-256: the secret has 200 random bits, so a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_find(*, secret: str) -> ApiToken | None:
    """The live token behind a secret."""
    token = ApiToken.objects.select_related("user").filter(digest=token_digest(secret), revoked_at=None).first()
    if token is None or not token.user.is_active:
        return None
    now = timezone.now()
    if token.expires_at is not None and token.expires_at <= now:
        return None
    if token.last_used_at is None or now - token.last_used_at > TOUCH_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@transaction.atomic
def token_revoke(*, actor: User, token: ApiToken) -> None:
    """End a token of one's own at once."""
    if token.user_id != actor.pk:
        raise NotPermitted("That token belongs to somebody else.")
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        token_revoked.send(sender=ApiToken, actor=actor, token=token)
