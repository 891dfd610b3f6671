"""Filters of the opt-out register's pages."""

from django import template

register = template.Library()
BADGES = {
    "active": "allow",
    "done": "allow",
    "rejected": "deny",
    "failed": "deny",
    "withdrawn": "muted",
}


@register.filter
def optout_badge(state: str) -> str:
    """The kind of badge for the state of an entry, a claim or an import; what waits has the colour of review."""
    return BADGES.get(state, "review")


@register.filter
def hexadecimal(bits: bytes | memoryview) -> str:
    """The bits of a hash in hexadecimal digits."""
    return bytes(bits).hex()
