"""Links of people without an account: an invitation works once, a lost link is replaced, secrets are not kept."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from governance.models import AuditEntry
from moderation.errors import IdentityLinkInvalid
from moderation.likeness_consent import current_consent
from moderation.models import (
    IdentityLink,
    IdentityStatus,
)
from moderation.services.likeness import (
    identity_invite,
    identity_verify,
    link_digest,
    link_open,
    manage_link_renew,
)
from tests.factories.accounts import make_user
from tests.factories.likeness import accept_invitation, make_identity

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> User:
    return make_user("mo", is_moderator=True)


def test_invitation_enrols_once(moderator: User) -> None:
    invited, secret = identity_invite(moderator=moderator, name="Ada", contact_email="ada@example.org")
    assert invited.status == IdentityStatus.INVITED
    identity, manage = accept_invitation(secret)
    assert identity == invited
    assert identity.status == IdentityStatus.ENROLLED
    assert identity.consent_sha256 == current_consent().sha256
    with pytest.raises(IdentityLinkInvalid):
        accept_invitation(secret)
    assert link_open(digest=link_digest(manage), purpose=IdentityLink.Purpose.MANAGE).identity == identity
    with pytest.raises(IdentityLinkInvalid):
        link_open(digest=link_digest(manage), purpose=IdentityLink.Purpose.ENROL)


def test_invitation_runs_out(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    IdentityLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(IdentityLinkInvalid):
        accept_invitation(secret)


def test_renewed_link_replaces_the_lost_one(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    identity, lost = accept_invitation(secret)
    new = manage_link_renew(identity=identity, moderator=moderator)
    assert link_open(digest=link_digest(new), purpose=IdentityLink.Purpose.MANAGE).identity == identity
    with pytest.raises(IdentityLinkInvalid):
        link_open(digest=link_digest(lost), purpose=IdentityLink.Purpose.MANAGE)


def test_secret_of_a_link_is_not_kept(moderator: User) -> None:
    _, secret = identity_invite(moderator=moderator, name="Ada")
    assert secret not in json.dumps(list(IdentityLink.objects.values()), default=str)


def test_verification_is_on_record(moderator: User) -> None:
    identity = identity_verify(identity=make_identity(), moderator=moderator)
    assert identity.is_verified
    (entry,) = AuditEntry.objects.filter(action="likeness.verified")
    assert entry.actor
