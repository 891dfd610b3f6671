"""Samplers by name: found however they are spelled, and each gives a finite picture that its seed decides."""

import itertools
from typing import Any

import diffusers
import numpy as np
import pytest

from inference.engine.families import FAMILIES
from inference.engine.serving import Failure, Pattern, Request, Result, server_for
from inference.samplers import FLOW_FAMILIES, SAMPLERS, sampler_named, samplers_for
from tests.inference.engine import pipelines

PLAIN = [sampler.slug for sampler in samplers_for("sd1")]
FLOW = [sampler.slug for sampler in samplers_for("sd3")]
_PIPES: dict[str, Any] = {}


def _pipe(family: str) -> Any:
    if family not in _PIPES:
        _PIPES[family] = getattr(pipelines, f"tiny_{family}")()
    return _PIPES[family]


def _pictures(family: str, slug: str, seeds: list[int]) -> list[np.ndarray]:
    server = server_for(_pipe(family), Pattern.DYNAMIC, memory_budget=1 << 20, slots=1)
    requests = [
        Request(f"r{place}", "a red circle", seed=seed, steps=4, guidance=2.0, sampler=slug, width=32, height=32)
        for place, seed in enumerate(seeds)
    ]
    own = _pipe(family).scheduler
    answers = server.generate(requests)
    assert _pipe(family).scheduler is own
    assert all(isinstance(answer, Result) for answer in answers), answers
    return [np.asarray(answer.image).astype(int) for answer in answers if isinstance(answer, Result)]


@pytest.mark.parametrize(
    ("family", "slug"),
    [*(("sd", slug) for slug in PLAIN), *(("sd3", slug) for slug in FLOW), ("flux", "flow-euler")],
)
def test_rows_of_one_run_are_their_seeds_pictures(family: str, slug: str) -> None:
    """Two rows at once, noise added on the way included, are the pictures of each seed alone."""
    first, second = _pictures(family, slug, [1, 2])
    (alone,) = _pictures(family, slug, [2])
    assert np.abs(second - alone).max() <= 1
    assert np.abs(first - second).max() > 8


def test_samplers_differ_except_where_they_are_one_formula() -> None:
    """DDIM without noise is Euler's step in other variables (Karras et al. 2022); the others are their own."""
    pictures = {slug: _pictures("sd", slug, [1])[0] for slug in ("euler", "euler-a", "dpmpp-2m", "ddim", "lcm")}
    assert np.abs(pictures.pop("ddim") - pictures["euler"]).max() <= 1
    for one, other in itertools.combinations(pictures, 2):
        assert np.abs(pictures[one] - pictures[other]).max() > 2, (one, other)


def test_sampler_of_another_kind_is_refused_with_those_that_fit() -> None:
    server = server_for(_pipe("sd"), Pattern.DYNAMIC, memory_budget=1 << 20, slots=1)
    (answer,) = server.generate([Request("r", "", sampler="flow-euler", width=32, height=32)])
    assert isinstance(answer, Failure)
    assert "dpmpp-2m-karras" in answer.remedy


def test_every_entry_is_a_class_of_diffusers_and_every_flow_family_is_known() -> None:
    assert all(hasattr(diffusers, sampler.scheduler) for sampler in SAMPLERS.values())
    assert FAMILIES.keys() >= FLOW_FAMILIES


@pytest.mark.parametrize(
    ("said", "family", "slug"),
    [
        ("DPM++ 2M Karras", "sd1", "dpmpp-2m-karras"),
        ("dpm++ 2m karras", "sdxl", "dpmpp-2m-karras"),
        ("Euler a", "sd1", "euler-a"),
        ("Euler", "flux1", "flow-euler"),
        ("Euler", "sd1", "euler"),
        ("unipc", "sd2", "unipc"),
    ],
)
def test_name_is_found_in_any_spelling(said: str, family: str, slug: str) -> None:
    found = sampler_named(said, family)
    assert found is not None
    assert found.slug == slug


@pytest.mark.parametrize(("said", "family"), [("Euler a", "flux1"), ("Restart", "sd1"), ("", "sd1")])
def test_name_of_no_sampler_of_the_family_is_none(said: str, family: str) -> None:
    assert sampler_named(said, family) is None
