"""Settings that cannot be meant are refused at the start, by a sentence that says what to write."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command


def test_patterns_of_base_models_that_are_here_pass(settings: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {"tinybase": "here", "sdxl": "there", "flux1": "there"}
    settings.GENERATION_PATTERNS = {"tinybase": "dynamic", "sdxl": "static", "flux1": "compiled"}
    call_command("check")


@pytest.mark.parametrize("pattern", ["fast", "Static", "dynamic "])
def test_unknown_pattern_is_refused_with_the_ones_that_there_are(settings: Any, pattern: str) -> None:
    settings.GENERATION_PATTERNS = {"tinybase": pattern}
    with pytest.raises(CommandError) as refused:
        call_command("check")
    assert f"GENERATION_PATTERNS serves 'tinybase' by {pattern!r}, and there is no such pattern." in str(refused.value)
    assert "Write tinybase=dynamic|static|compiled" in str(refused.value)


def test_pattern_of_a_base_model_that_is_not_here_is_refused(settings: Any) -> None:
    settings.GENERATION_PATTERNS = {"sdlx": "compiled"}
    with pytest.raises(CommandError, match=r"names 'sdlx', a base model whose weights the workers do not have"):
        call_command("check")
