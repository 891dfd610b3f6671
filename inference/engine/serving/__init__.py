"""Serving a base model with many adapters: dynamic, static and compiled."""

from inference.engine.bases import BaseSpec, load_base
from inference.engine.serving.compiled import CompiledServer
from inference.engine.serving.interface import (
    AdapterUse,
    Failure,
    FailureCode,
    Memory,
    OnStep,
    Pattern,
    Progress,
    Request,
    Result,
    Server,
)
from inference.engine.serving.servers import DynamicServer, StaticServer

__all__ = [
    "AdapterUse",
    "Failure",
    "FailureCode",
    "Memory",
    "OnStep",
    "Pattern",
    "Progress",
    "Request",
    "Result",
    "Server",
    "open_server",
    "server_for",
]


def open_server(spec: BaseSpec, pattern: Pattern, *, memory_budget: int, slots: int) -> Server:
    """The base model in memory, ready to serve. Raises EngineError where it cannot be had.

    `memory_budget` is in bytes, for adapters and what is computed from them (the base model's own memory is not in it);
    `slots` is how many adapters are kept at once. A run that needs more than either still gets it.
    """
    return server_for(load_base(spec), pattern, memory_budget=memory_budget, slots=slots)


def server_for(pipe: object, pattern: Pattern, *, memory_budget: int, slots: int) -> Server:
    """The same for a pipeline that is in memory already."""
    kinds = {Pattern.DYNAMIC: DynamicServer, Pattern.STATIC: StaticServer, Pattern.COMPILED: CompiledServer}
    return kinds[pattern](pipe, memory_budget=memory_budget, slots=slots)
