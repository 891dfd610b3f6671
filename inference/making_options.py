"""What can be chosen for what is made: methods, limits, layouts, number types; for the worker and the pages."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from inference.errors import MakingRefused

METHODS: Mapping[str, str] = {
    "svd": "SVD: the nearest adapter of the chosen rank to the weighted sum",
    "concat": "Concatenated: the exact weighted sum, ranks add up",
    "linear": "Linear: the exact weighted sum, whole matrices where that is smaller",
    "ties": "TIES: keeps the largest changes and those whose signs agree",
    "dare": "DARE: drops changes at random and scales up the rest",
    "dare-ties": "DARE with the signs of TIES",
}
SPARSE = ("ties", "dare", "dare-ties")
LAYOUTS: Mapping[str, str] = {
    "kohya": "kohya (sd-scripts, A1111, Forge)",
    "comfyui": "ComfyUI",
    "diffusers": "diffusers",
    "peft": "PEFT (a folder, as .zip)",
}
VERSION_LAYOUTS = [slug for slug in LAYOUTS if slug != "peft"]  # a version is one file
TYPES: Mapping[str, str] = {"float16": "float16", "bfloat16": "bfloat16", "float32": "float32"}
FAMILY_MAX = 4.0
MIN_PARTS: Mapping[str, int] = {"merge": 2, "checkpoint": 1, "compare": 2, "extract": 0, "form": 1}
MAX_PARTS: Mapping[str, int] = {"merge": 8, "checkpoint": 8, "compare": 8, "extract": 0, "form": 1}
MAX_RANK = 1024

Read = Callable[[Any], Any]


def _one_of(choices: Mapping[str, str]) -> Read:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"Choose one of: {', '.join(choices)}.")
        return str(value)

    return read


def _rank(value: Any) -> int:
    rank = int(value)
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"Give a rank from 1 to {MAX_RANK}.")
    return rank


def _share(value: Any) -> float:
    share = float(value)
    if not (math.isfinite(share) and 0 < share <= 1):
        raise ValueError("Give a share above 0, at most 1.")
    return share


def _seed(value: Any) -> int:
    seed = int(value)
    if not 0 <= seed < 2**31:
        raise ValueError("Give a whole number from 0 to 2147483647.")
    return seed


_READ: Mapping[str, Read] = {
    "method": _one_of(METHODS),
    "layout": _one_of(LAYOUTS),
    "dtype": _one_of(TYPES),
    "rank": _rank,
    "energy": _share,
    "density": _share,
    "seed": _seed,
    "convolutions": bool,
    "vectors": bool,
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "merge": {
        "method": "svd",
        "rank": 32,
        "energy": None,
        "density": 0.5,
        "seed": 0,
        "layout": "kohya",
        "dtype": "float16",
    },
    "extract": {
        "rank": 32,
        "energy": None,
        "convolutions": True,
        "vectors": False,
        "layout": "kohya",
        "dtype": "float16",
    },
    "form": {"layout": None, "dtype": None, "rank": None, "energy": None},
    "checkpoint": {},
    "compare": {},
}


def options_checked(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of this kind, read and with its default; raises MakingRefused with `errors` by option."""
    known, errors = DEFAULTS[kind], {}
    options: dict[str, Any] = {}
    for name, default in known.items():
        value = given.get(name, default)
        if value is None or value == "":
            options[name] = None if name in ("rank", "energy") else default
            continue
        try:
            options[name] = _READ[name](value)
        except (ValueError, TypeError, OverflowError) as error:
            errors[name] = str(error) if type(error) is ValueError and "." in str(error) else "This cannot be read."
    errors |= {name: "There is no such option here." for name in given if name not in known}
    if not errors:
        errors = _contradictions(kind, options)
    if errors:
        raise MakingRefused("An option cannot be so.", errors=errors)
    return options


def _contradictions(kind: str, options: Mapping[str, Any]) -> dict[str, str]:
    limited = options.get("rank") is not None or options.get("energy") is not None
    if kind == "merge" and options["method"] == "svd" and not limited:
        return {"rank": "SVD needs a rank, or the share of the energy to keep."}
    if kind == "extract" and options["rank"] is None:
        return {"rank": "An extraction needs a rank."}
    if kind == "form" and not limited and options["layout"] is None and options["dtype"] is None:
        return {"layout": "Choose a layout, a number type or a rank: else it is the file that you have."}
    return {}


def usable(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine takes: `concat` keeps all ranks, so a limit goes only with the others."""
    if kind == "merge" and options["method"] == "concat":
        return {**options, "rank": None, "energy": None}
    return dict(options)
