"""Adapters to draw with and requests for pictures, made as everybody makes them."""

from pathlib import Path
from typing import Any

from accounts.models import User
from inference.generation_plan import Spec
from registry.models import Version
from tests.factories.registry import make_version

STARTER = Path(__file__).resolve().parents[2] / "registry" / "starter" / "adapters"


def starter(owner: User, name: str, **declared: Any) -> Version:
    """A starter adapter under the owner's name, published."""
    path = STARTER / f"{name}.safetensors"
    words = {"trigger_words": (name,), **declared}
    return make_version(actor=owner, name=name, content=path.read_bytes(), filename=path.name, declared=words)


def spec(prompt: str = "a large red circle on a white background", **changes: Any) -> Spec:
    """A request on the tiny base that takes a moment."""
    given: dict[str, Any] = {"seed": 7, "steps": 4, "guidance": 2.5, "width": 64, "height": 64}
    return Spec(prompt=prompt, base_model="tinybase", **{**given, **changes})
