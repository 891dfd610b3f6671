"""What a worker asks of a serving engine, and what it answers: plain values, the same for every pattern.

`open_server` (in `inference.engine.serving`) gives the server of a base model. Which requests go together is decided by
`inference.scheduling`, the samplers by name are in `inference.samplers`; both are without torch, for the web as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from PIL import Image

from inference.engine.placing import Report
from inference.engine.strengths import Strengths


class Pattern(StrEnum):
    """How a base model serves its adapters."""

    DYNAMIC = "dynamic"
    """Adapters beside the weights; a switch moves pointers, and each row of a batch has its own."""
    STATIC = "static"
    """Adapters in the weights; each picture is as fast as the base alone, a switch costs seconds."""
    COMPILED = "compiled"
    """The denoiser compiled once, with places for adapters; a switch compiles nothing."""


@dataclass(frozen=True)
class AdapterUse:
    """One adapter of a request, and how strongly it acts; later ones act on what earlier ones left."""

    key: str
    """SHA256 of the file: files of one key are one adapter, whatever their paths."""
    path: Path
    weight: float | Strengths = 1.0
    text_weight: float | None = None
    """For the text encoders, if it differs and `weight` is a number."""
    token: str | None = None
    """The word for an embedding whose file does not name one."""


@dataclass(frozen=True)
class Request:
    """One picture to make."""

    id: str
    prompt: str
    negative: str = ""
    seed: int = 0
    steps: int = 20
    guidance: float = 5.0
    sampler: str = ""
    """A slug of `inference.samplers.SAMPLERS`; "" is the base model's own."""
    width: int = 512
    height: int = 512
    adapters: tuple[AdapterUse, ...] = ()


@dataclass(frozen=True)
class Result:
    """The picture of a request, what became of each adapter (by key), and the seconds its run took.

    A run may have made several pictures; `seconds` is the wall time of the whole run, `together` how many they were.
    """

    id: str
    image: Image.Image
    reports: Mapping[str, Report] = field(default_factory=dict)
    seconds: float = 0.0
    together: int = 1


class FailureCode(StrEnum):
    """Why there is no picture."""

    ADAPTER = "adapter"
    """An adapter is missing, broken, or made for another base model."""
    REQUEST = "request"
    """Size, steps, sampler or strength cannot be had here."""
    MEMORY = "memory"
    """Even alone it does not fit; the remedy proposes a smaller picture."""
    NUMBERS = "numbers"
    """The calculation overflowed, or the base's own safety checker withheld the picture."""
    CANCELLED = "cancelled"
    """`cancelled(id)` said so."""


@dataclass(frozen=True)
class Failure:
    """A request without a picture: what happened, why, and what to do."""

    id: str
    code: FailureCode
    what: str
    why: str
    remedy: str


@dataclass(frozen=True)
class Progress:
    """After a step of one run: which requests it makes, how far it is, and how they look by now."""

    ids: tuple[str, ...]
    step: int
    steps: int
    previews: Callable[[], Mapping[str, Image.Image]]
    """Computes small pictures from the latents, by request; costs milliseconds, so ask only when someone looks."""


OnStep = Callable[[Progress], None]


@dataclass(frozen=True)
class Memory:
    """What the adapter cache holds and did, for the operators."""

    budget: int
    bytes: int
    adapters: int
    hits: int
    misses: int
    evictions: int


class Server(Protocol):
    """A base model in memory that makes pictures. Not for several threads at once."""

    pattern: Pattern

    def generate(
        self,
        batch: Sequence[Request],
        *,
        on_step: OnStep | None = None,
        cancelled: Callable[[str], bool] = lambda request_id: False,
    ) -> list[Result | Failure]:
        """One answer for each request, in their order; requests that `inference.scheduling` calls alike run at once.

        A request that cannot be served fails alone. What `on_step` raises ends everything and is passed on. Whatever
        happens, the base model's weights are as before (STATIC: or those of the adapters it holds merged).
        `cancelled` is asked after every step; once all of a run are cancelled it stops, before that its pictures
        are just not finished.
        """
        ...

    def memory(self) -> Memory:
        """The state of the adapter cache."""
        ...

    def close(self) -> None:
        """Take everything off the base model and let go of the adapters."""
        ...
