"""System checks of inference's settings: what would be overlooked, or break every drawing, is told at the start."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from inference.generation_options import PATTERNS


@register()
def generation_patterns_known(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Each entry of GENERATION_PATTERNS names a base model that the workers have, and one of the three patterns."""
    return [error for slug, pattern in settings.GENERATION_PATTERNS.items() for error in _against(slug, pattern)]


def _against(slug: str, pattern: str) -> Iterator[Error]:
    if pattern not in PATTERNS:
        yield Error(
            f"GENERATION_PATTERNS serves {slug!r} by {pattern!r}, and there is no such pattern.",
            hint=f"Write {slug}={'|'.join(PATTERNS)}, one of them; docs/serving.md says which is for what.",
            id="inference.E001",
        )
    if slug not in settings.BASE_MODEL_LOCATIONS:
        here = ", ".join(sorted(settings.BASE_MODEL_LOCATIONS))
        yield Error(
            f"GENERATION_PATTERNS names {slug!r}, a base model whose weights the workers do not have: it would be "
            "overlooked.",
            hint=f"Name one of {here}, or say in BASE_MODEL_LOCATIONS where its weights are.",
            id="inference.E002",
        )
