"""Who acted, as the audit chain knows them: a random handle for each person, in a table beside the chain.

A handle says nothing by itself. Pages and exports look the person up when they are read; when a person is erased, the
row goes, and the handle stands for nobody any more, while every hash of the chain still fits.
"""

import secrets
from collections.abc import Iterable

from accounts.models import User
from governance.models import ActorHandle

MARK = "~"  # no username begins with it


def handle_of(user: User) -> str:
    """The person's handle, made when they act for the first time; inside the caller's transaction."""
    made = {"handle": MARK + secrets.token_hex(16)}
    return ActorHandle.objects.get_or_create(user=user, defaults=made)[0].handle


def actor_names(actors: Iterable[str]) -> dict[str, str]:
    """The usernames behind these actors of entries; a handle that was unlinked has none and is left out."""
    wanted = set(actors)
    known = ActorHandle.objects.filter(handle__in=wanted).values_list("handle", "user__username")
    old = {actor: actor for actor in wanted if actor and not actor.startswith(MARK)}
    return {**old, **dict(known)}


def actors_of(user: User) -> list[str]:
    """Under which names the chain knows a person: their handle, and the username in entries of before."""
    handles = ActorHandle.objects.filter(user=user).values_list("handle", flat=True)
    return [*handles, user.username]


def handle_unlink(user: User) -> None:
    """Nothing leads from the chain to this person any more."""
    ActorHandle.objects.filter(user=user).delete()
