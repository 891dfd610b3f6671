"""Counting what may be done only so often: by one address, one mailbox, one person."""

import hashlib

from django.core.cache import cache

from moderation.errors import TooManyRequests

HOUR = 3600  # seconds


def count_or_refuse(*, what: str, who: str, limit: int, window: int = HOUR) -> None:
    """Count one more of `what` by `who`; raises TooManyRequests when it is more than `limit` in `window` seconds.

    Who goes on asking goes on waiting. `who` goes into the cache as a digest.
    """
    key = f"moderation:{what}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
    if cache.add(key, 1, window):
        return
    try:
        count = cache.incr(key)
        cache.touch(key, window)  # where a cache has no counting of its own, `incr` sets its default time
    except ValueError:  # it ran out between the two calls
        cache.add(key, 1, window)
        return
    if count > limit:
        raise TooManyRequests(
            f"This was asked for more than {limit} times lately.", remedy=f"Wait {_told(window)} and try again."
        )


def _told(seconds: int) -> str:
    return f"{seconds // HOUR} hours" if seconds >= 2 * HOUR else f"{seconds // 60} minutes"
