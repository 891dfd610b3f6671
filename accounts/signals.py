"""News that accounts send upwards, inside the transaction of the change: who hears it can log it with the change.

None of them carries a secret.
"""

from django.dispatch import Signal

user_registered = Signal()  # sender=User, user
password_changed = Signal()  # sender=User, user
organisation_created = Signal()  # sender=Organisation, actor, organisation
member_changed = Signal()  # sender=Membership, actor, organisation, user, was, role; a role is "" for who is not in
token_created = Signal()  # sender=ApiToken, token
token_revoked = Signal()  # sender=ApiToken, actor, token
