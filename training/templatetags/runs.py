"""Filters of the run pages."""

from django import template

register = template.Library()

PHASES = {
    "load": "loading the base model",
    "latents": "encoding the pictures",
    "text": "encoding the captions",
    "write": "writing the adapter",
}


@register.filter
def duration(seconds: float | None) -> str:
    """3725 → 1 h 2 min; below a minute in seconds."""
    if seconds is None:
        return ""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(whole / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


@register.filter
def run_phase(name: str) -> str:
    """What a worker does beside taking steps."""
    return PHASES.get(name, name)
