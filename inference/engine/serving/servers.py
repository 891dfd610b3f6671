"""The servers *dynamic* and *static*, and what all patterns share: preparing, running, failing alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image

from inference.engine.applying import applied
from inference.engine.embeddings import lent
from inference.engine.errors import AdapterError, Cancelled, EngineError, OutOfMemory
from inference.engine.placing import Report
from inference.engine.reading import Adapter, read_adapter
from inference.engine.serving.interface import (
    AdapterUse,
    Failure,
    FailureCode,
    Memory,
    OnStep,
    Pattern,
    Request,
    Result,
)
from inference.engine.serving.loading import Layers, Loaded, load
from inference.engine.serving.looks import Looks
from inference.engine.serving.paths import installed
from inference.engine.serving.running import alike, run
from inference.engine.serving.shelf import Shelf
from inference.engine.serving.stacks import Plan, Signature, plan, signature
from inference.engine.strengths import Strengths, strengths_of

Answer = Image.Image | EngineError


@dataclass(frozen=True)
class Ready:
    """A request whose adapters are in memory and fit."""

    request: Request
    stack: Signature
    loaded: tuple[tuple[Loaded, Strengths], ...]

    @property
    def reports(self) -> dict[str, Report]:
        return {use.key: loaded.report for use, (loaded, _) in zip(self.request.adapters, self.loaded, strict=True)}


class BaseServer:
    """Takes a batch apart into runs; what the patterns do differently is `group` and `adapted`."""

    pattern: Pattern

    def __init__(self, pipe: Any, *, memory_budget: int, slots: int) -> None:
        self.pipe = pipe
        self.shelf = Shelf(memory_budget, slots)
        self.layers = Layers(pipe, self.shelf.make_room)
        self.looks = Looks(pipe)

    def generate(
        self,
        batch: Sequence[Request],
        *,
        on_step: OnStep | None = None,
        cancelled: Callable[[str], bool] = lambda request_id: False,
    ) -> list[Result | Failure]:
        """See `interface.Server`."""
        answers: dict[str, Result | Failure] = {}
        try:
            ready = [one for request in batch if (one := self._ready(request, cancelled, answers)) is not None]
            for together in self._runs(ready):
                answers |= self._run(together, on_step, cancelled)
        finally:
            self.release()
        return [answers[request.id] for request in batch]

    def release(self) -> None:
        """After a run: what is over the budget goes, and memory for the next adapter is made ready."""
        self.shelf.release()
        self.layers.memory.keep_ready(self.shelf.room)

    def memory(self) -> Memory:
        return self.shelf.memory()

    def close(self) -> None:
        self.shelf.clear()

    def group(self, ready: Ready) -> object:
        """What requests must share to run together, besides being alike."""
        return None

    def adapted(self, together: Sequence[Ready]) -> AbstractContextManager[object]:
        """The denoiser with each row's adapters."""
        raise NotImplementedError

    def text_adapted(self, ready: Ready) -> AbstractContextManager[object]:
        """The text encoders and tokenizers with a request's adapters."""
        return self._text(ready)

    def _ready(
        self, request: Request, cancelled: Callable[[str], bool], answers: dict[str, Result | Failure]
    ) -> Ready | None:
        if cancelled(request.id):
            answers[request.id] = cancelled_failure(request)
            return None
        try:
            loaded = tuple((self.load(use), strengths_of(use.weight, use.text_weight)) for use in request.adapters)
        except EngineError as error:
            answers[request.id] = failure(request, error)
            return None
        return Ready(request, signature(request.adapters), loaded)

    def load(self, use: AdapterUse) -> Loaded:
        """The adapter, from the cache or its file. Raises AdapterError where it cannot act here."""

        def make() -> tuple[Loaded, int]:
            loaded = load(use.path, self.layers, token=use.token)
            return loaded, loaded.bytes

        return self.shelf.get((use.key, use.token), make)

    def plan(self, ready: Ready, *, text: bool) -> Plan:
        """What the request's stack does to the text encoders, or to the denoiser."""

        def make() -> tuple[Plan, int]:
            made = plan(ready.loaded, self.layers, text=text)
            return made, made.bytes

        if not ready.loaded:
            return Plan()
        needs = tuple(dict.fromkeys((use.key, use.token) for use in ready.request.adapters))
        return self.shelf.get((ready.stack, "text" if text else "denoiser"), make, needs)

    def _runs(self, ready: Sequence[Ready]) -> list[list[Ready]]:
        groups: dict[object, list[Ready]] = {}
        for one in ready:
            groups.setdefault((alike(one.request, self.pipe), self.group(one)), []).append(one)
        return list(groups.values())

    def _run(
        self, together: list[Ready], on_step: OnStep | None, cancelled: Callable[[str], bool]
    ) -> dict[str, Result | Failure]:
        """One run; what fails for many is tried again in smaller parts, down to one by one."""
        started = time.monotonic()
        requests = [one.request for one in together]
        try:
            pictures = self._pictures(together, on_step, cancelled)
        except Cancelled:
            if not all(cancelled(request.id) for request in requests):
                raise  # it came from on_step
            return {request.id: cancelled_failure(request) for request in requests}
        except EngineError as error:
            if len(together) == 1:
                return {requests[0].id: failure(requests[0], error)}
            step = 1 if not isinstance(error, OutOfMemory) else (len(together) + 1) // 2
            parts = [together[start : start + step] for start in range(0, len(together), step)]
            return {key: value for part in parts for key, value in self._run(part, on_step, cancelled).items()}
        seconds = time.monotonic() - started
        return {
            one.request.id: _answer(one, picture, seconds, len(together), cancelled)
            for one, picture in zip(together, pictures, strict=True)
        }

    def _pictures(
        self, together: list[Ready], on_step: OnStep | None, cancelled: Callable[[str], bool]
    ) -> list[Answer]:
        with self.adapted(together):
            return run(
                self.pipe,
                [one.request for one in together],
                text=[partial(self.text_adapted, one) for one in together],
                looks=self.looks,
                on_step=on_step,
                cancelled=cancelled,
            )

    @contextmanager
    def _text(self, ready: Ready) -> Iterator[None]:
        with ExitStack() as stack:
            for loaded, strengths in ready.loaded:
                for embedding in loaded.embeddings:
                    stack.enter_context(lent(self.pipe, embedding, strengths.embeddings))
            stack.enter_context(installed([self.plan(ready, text=True)]))
            yield


def _answer(
    one: Ready, picture: Answer, seconds: float, together: int, cancelled: Callable[[str], bool]
) -> Result | Failure:
    if cancelled(one.request.id):
        return cancelled_failure(one.request)
    if isinstance(picture, EngineError):
        return Failure(one.request.id, FailureCode.NUMBERS, picture.what, picture.why, picture.remedy)
    return Result(one.request.id, picture, one.reports, seconds, together)


def failure(request: Request, error: EngineError) -> Failure:
    """The error as the answer to a request; one of memory with a proposal that fits more easily."""
    if isinstance(error, OutOfMemory):
        half = [max(64, round(side * 0.7 / 64) * 64) for side in (request.width, request.height)]
        remedy = f"Ask for {half[0]}×{half[1]}, which needs about half of that."
        return Failure(request.id, FailureCode.MEMORY, error.what, error.why, remedy)
    code = FailureCode.ADAPTER if isinstance(error, AdapterError) else FailureCode.REQUEST
    return Failure(request.id, code, error.what, error.why, error.remedy)


def cancelled_failure(request: Request) -> Failure:
    return Failure(
        request.id,
        FailureCode.CANCELLED,
        "The picture was not made.",
        "The request was cancelled.",
        "Send it again if it is wanted after all.",
    )


class DynamicServer(BaseServer):
    """Adapters beside the weights: a switch moves pointers, and each row of a batch has its own stack."""

    pattern = Pattern.DYNAMIC

    def adapted(self, together: Sequence[Ready]) -> AbstractContextManager[object]:
        return installed([self.plan(one, text=False) for one in together])


class StaticServer(BaseServer):
    """One stack of adapters in the weights, until another is asked for; then the base's own come back bit for bit."""

    pattern = Pattern.STATIC

    def __init__(self, pipe: Any, *, memory_budget: int, slots: int) -> None:
        super().__init__(pipe, memory_budget=memory_budget, slots=slots)
        self._merged: Signature = ()
        self._weights = ExitStack()

    def group(self, ready: Ready) -> object:
        return ready.stack

    def adapted(self, together: Sequence[Ready]) -> AbstractContextManager[object]:
        self._merge(together[0])
        return nullcontext()

    def text_adapted(self, ready: Ready) -> AbstractContextManager[object]:
        return nullcontext()  # the same as the denoiser, merged

    def close(self) -> None:
        self._unmerge()
        super().close()

    def _merge(self, ready: Ready) -> None:
        if ready.stack == self._merged:
            return
        self._unmerge()
        with ExitStack() as stack:
            for use in ready.request.adapters:
                stack.enter_context(applied(self.pipe, self._adapter(use), use.weight, use.text_weight))
            self._weights = stack.pop_all()
        self._merged = ready.stack

    def _unmerge(self) -> None:
        self._merged = ()
        self._weights.close()

    def _adapter(self, use: AdapterUse) -> Adapter:
        return read_adapter(use.path, token=use.token)
