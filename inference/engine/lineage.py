"""Where a file made here comes from: its parents by digest, what was done, with which parameters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "adapter_lineage"
"""The key of the file's own metadata under which the record stands."""


@dataclass(frozen=True)
class Parent:
    """One file that went into another."""

    name: str
    sha256: str
    """Of the whole file; "" where it never was one."""


@dataclass(frozen=True)
class Lineage:
    """One operation on adapters or checkpoints."""

    operation: str
    parents: tuple[Parent, ...]
    parameters: Mapping[str, Any]
    """JSON values only."""

    def as_metadata(self) -> dict[str, str]:
        record = {
            "operation": self.operation,
            "parents": [{"name": parent.name, "sha256": parent.sha256} for parent in self.parents],
            "parameters": dict(self.parameters),
        }
        return {KEY: json.dumps(record, sort_keys=True)}
