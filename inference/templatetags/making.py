"""Template filters of the pages of making."""

import math

from django import template

register = template.Library()


@register.filter
def share(value: float | None) -> str:
    """0.0123 → 1.2 %, 0.000012 → below 0.01 %, 0 → none"""
    if not value:
        return "none"
    if value < 1e-4:
        return "below 0.01 %"
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"


@register.filter
def decile(value: float | None) -> int:
    """0 … 1 → 0 … 9, for the strips"""
    number = value or 0.0
    return min(max(math.floor(10 * abs(number)), 0), 9)


FLAGS = {"image": "selling pictures", "rent-civit": "Civitai’s generator", "rent": "paid service", "sell": "selling it"}


@register.filter
def flag_words(flag: str) -> str:
    """image → selling pictures"""
    return FLAGS.get(flag, flag)
