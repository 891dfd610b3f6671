"""Counting failed sign-ins, per account and per address, so that passwords cannot be guessed."""

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

WINDOW = 15 * 60  # seconds
PER_ACCOUNT = 8
PER_ADDRESS = 40


def client_address(request: HttpRequest) -> str:
    """Where the request comes from: as the outermost of our own proxies saw it, since anybody can write the header."""
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    proxies = settings.TRUSTED_PROXIES
    if proxies and len(seen) >= proxies:
        return seen[-proxies]
    return str(request.META.get("REMOTE_ADDR", ""))


def _keys(login: str, address: str) -> dict[str, int]:
    """One counter for each name of an account: a shared one would tell which e-mail address belongs to whom."""
    digest = hashlib.sha256(login.lower().encode()).hexdigest()[:32]
    return {f"sign-in:account:{digest}": PER_ACCOUNT, f"sign-in:address:{address}": PER_ADDRESS}


def sign_in_blocked(*, login: str, address: str) -> bool:
    """Whether too many attempts failed lately for this account or from this address."""
    return any(cache.get(key, 0) >= limit for key, limit in _keys(login, address).items())


def sign_in_failed(*, login: str, address: str) -> None:
    for key in _keys(login, address):
        if not cache.add(key, 1, WINDOW):
            try:
                cache.incr(key)
                cache.touch(key, WINDOW)  # where a cache has no counting of its own, `incr` sets its default time
            except ValueError:  # it ran out between the two calls
                cache.add(key, 1, WINDOW)


def sign_in_succeeded(*, login: str, address: str) -> None:
    """Forget the account's failures; those of the address stay."""
    cache.delete(next(iter(_keys(login, address))))
