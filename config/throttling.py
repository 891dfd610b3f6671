"""Rate limits of the API, announced in `RateLimit-*` headers on every answer."""

import math
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class HeaderThrottle(SimpleRateThrottle):
    """One bucket per user, or per address for the anonymous; remembers what it found for the headers."""

    scope = "user"

    def get_cache_key(self, request: Request, view: Any) -> str:
        signed_in = request.user is not None and request.user.is_authenticated
        self.scope = "user" if signed_in else "anon"
        self.rate = self.THROTTLE_RATES[self.scope]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        ident = str(request.user.pk) if signed_in else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}

    def allow_request(self, request: Request, view: Any) -> bool:
        allowed: bool = super().allow_request(request, view)
        assert self.num_requests is not None
        assert self.duration is not None
        remaining = max(0, self.num_requests - len(self.history)) if allowed else 0
        reset = self.duration - (self.now - self.history[-1]) if self.history else self.duration
        request._request.rate_limit = (self.num_requests, remaining, math.ceil(max(0, reset)))  # type: ignore[attr-defined]
        return allowed


class RateLimitHeadersMiddleware:
    """Writes what the throttle found into the answer."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        found = getattr(request, "rate_limit", None)
        if found is not None:
            for name, value in zip(("Limit", "Remaining", "Reset"), found, strict=True):
                response[f"RateLimit-{name}"] = str(value)
        return response
