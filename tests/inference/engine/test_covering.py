"""Covers: what one adapter changes in another's pictures, against what that one changes itself."""

from pathlib import Path
from typing import Any

import pytest
import torch

from inference.engine import BaseSpec, Cancelled, RenderRequest, load_base, read_adapter
from inference.engine.covering import COVERS, Tried, covering

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[3]
STARTER = ROOT / "registry" / "starter" / "adapters"


@pytest.fixture(scope="module")
def pipe() -> Any:
    return load_base(BaseSpec("tinybase", str(ROOT / "inference" / "tinybase")))


def tried(name: str, weight: float = 1.0, pictures: int = 1) -> Tried:
    requests = [
        RenderRequest(f"{name} a large {colour} star in the centre on a white background", seed=place, steps=4,
                      guidance=2.5, width=64, height=64)
        for place, colour in enumerate(["red", "blue", "green"][:pictures])
    ]  # fmt: skip
    return Tried(read_adapter(STARTER / f"{name}.safetensors"), weight, tuple(requests))


def test_adapter_that_does_nothing_covers_nothing_and_cannot_be_covered(pipe: Any) -> None:
    found = covering(pipe, [tried("striped"), tried("outlined", 0.0)])
    assert found == {(0, 1): 0.0, (1, 0): None}


def test_adapter_that_undoes_another_takes_all_that_it_does(pipe: Any) -> None:
    found = covering(pipe, [tried("striped"), tried("striped", -1.0)])
    cover = found[0, 1]
    assert cover is not None
    assert cover == pytest.approx(1, abs=0.05)


def test_strong_style_covers_a_fine_one_and_not_the_other_way(pipe: Any) -> None:
    """As the judge of the tiny base sees it: beside the sunset nothing of the stripes is left."""
    found = covering(pipe, [tried("striped", pictures=3), tried("sunset", pictures=3)])
    stripes, sunset = found[0, 1], found[1, 0]
    assert stripes is not None
    assert sunset is not None
    assert stripes > COVERS > sunset


def test_order_of_the_set_is_that_of_acting_and_progress_is_told(pipe: Any) -> None:
    told: list[tuple[int, int]] = []
    covering(pipe, [tried("striped"), tried("outlined")], lambda done, total: told.append((done, total)))
    assert told == [(place, 6) for place in range(1, 7)]


def test_what_the_report_raises_stops_at_once_and_leaves_the_base_as_it_was(pipe: Any) -> None:
    before = {key: value.clone() for key, value in pipe.unet.state_dict().items()}

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        covering(pipe, [tried("striped"), tried("outlined")], stop)
    assert all(torch.equal(value, before[key]) for key, value in pipe.unet.state_dict().items())
