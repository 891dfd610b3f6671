"""Whole pictures through the servers: equal to `applied` and `render`, each row its own, failing alone.

Tolerance: 1 of 255 in a pixel, where float32 sums in another order meet a rounding border.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine import Cancelled
from inference.engine.serving import (
    AdapterUse,
    Failure,
    FailureCode,
    Pattern,
    Progress,
    Request,
    Result,
    Server,
    server_for,
)
from inference.engine.strengths import Strengths
from tests.inference.engine.changes import random
from tests.inference.engine.conftest import bits
from tests.inference.engine.serving.pieces import ATTN, SMALL, alone, lora, on_unet, pixels, written

BUDGET = 100_000_000
PATTERNS = [Pattern.DYNAMIC, Pattern.STATIC]


@pytest.fixture(params=PATTERNS)
def server(request: pytest.FixtureRequest, sd: Any) -> Iterator[Server]:
    served = server_for(sd, request.param, memory_budget=BUDGET, slots=8)
    yield served
    served.close()


def _request(number: int, *adapters: AdapterUse, **more: Any) -> Request:
    return Request(id=f"r{number}", prompt="a red circle", seed=number, adapters=adapters, **{**SMALL, **more})


def _use(pipe: Any, folder: Path, seed: int, *, text: bool = False, **more: Any) -> AdapterUse:
    return replace(written(folder, on_unet(pipe, seed, text=text), f"lora{seed}"), **more)


def _oft(pipe: Any, folder: Path) -> AdapterUse:
    layer = pipe.unet.get_submodule(f"{ATTN}.attn2.to_k")
    blocks = random(layer.out_features // 4, 4, 4, seed=3) * 5
    return written(folder, {f"unet.{ATTN}.attn2.to_k.oft_blocks": blocks}, "oft")


def _results(answers: list[Result | Failure]) -> list[Result]:
    assert [answer for answer in answers if isinstance(answer, Failure)] == []
    return [answer for answer in answers if isinstance(answer, Result)]


def _requests(pipe: Any, folder: Path) -> list[Request]:
    """Different adapters, strengths, prompts and seeds, that are alike all the same."""
    return [
        _request(0),
        _request(1, _use(pipe, folder, 1, text=True)),
        _request(2, _use(pipe, folder, 2, weight=0.6), negative="blue square"),
        _request(3, _use(pipe, folder, 1, text=True, weight=0.5, text_weight=-1.0), _oft(pipe, folder)),
        replace(_request(4, _use(pipe, folder, 2, weight=Strengths(0.7, blocks={"M00": 0.0}))), prompt="blue on white"),
    ]


def test_pictures_equal_those_of_applied(server: Server, sd: Any, tmp_path: Path) -> None:
    requests = _requests(sd, tmp_path)
    results = _results(server.generate(requests))
    server.close()
    wanted = [alone(sd, request) for request in requests]
    assert [result.id for result in results] == [request.id for request in requests]
    for result, picture in zip(results, wanted, strict=True):
        assert np.abs(pixels(result.image) - picture).max() <= 1
    assert all(np.abs(picture - wanted[0]).max() > 8 for picture in wanted[1:])


def test_dynamic_makes_alike_requests_in_one_run(sd: Any, tmp_path: Path) -> None:
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    calls = []
    hook = sd.unet.register_forward_pre_hook(lambda module, args: calls.append(args[0].shape[0]))
    try:
        results = _results(server.generate([*_requests(sd, tmp_path), _request(5, steps=3)]))
    finally:
        hook.remove()
    assert [result.together for result in results] == [5, 5, 5, 5, 5, 1]
    assert calls == [10, 10, 2, 2, 2]


def test_report_names_what_each_adapter_did(server: Server, sd: Any, tmp_path: Path) -> None:
    lost = {**on_unet(sd, 1), "unet.nowhere.diff": random(4, 4)}
    use = written(tmp_path, lost, "half")
    (result,) = _results(server.generate([_request(0, use)]))
    assert len(result.reports[use.key].applied) == 4
    assert result.reports[use.key].skipped == [("unet.nowhere", "The base model has no layer of this name.")]


def test_request_that_cannot_be_served_fails_alone(server: Server, sd: Any, tmp_path: Path) -> None:
    other = written(tmp_path, {"unet.nowhere.diff": random(4, 4)}, "other")
    missing = AdapterUse("0" * 64, tmp_path / "missing.safetensors")
    fine = _use(sd, tmp_path, 1)
    answers = server.generate(
        [
            _request(0, other),
            _request(1, fine),
            _request(2, missing),
            _request(3, sampler="nobody"),
            _request(4, width=33),
        ]
    )
    codes = [answer.code if isinstance(answer, Failure) else None for answer in answers]
    adapter, request = FailureCode.ADAPTER, FailureCode.REQUEST
    assert codes == [adapter, None, adapter, request, request]
    assert isinstance(answers[3], Failure)
    assert "euler-a" in answers[3].remedy
    server.close()
    assert isinstance(answers[1], Result)
    assert np.abs(pixels(answers[1].image) - alone(sd, _request(1, fine))).max() <= 1


def test_overflow_of_one_row_leaves_the_others(sd: Any, tmp_path: Path) -> None:
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    strong, usual = _use(sd, tmp_path, 1, weight=1e38), _use(sd, tmp_path, 1)
    broken, whole = server.generate([_request(0, strong), _request(1, usual)])
    assert isinstance(broken, Failure)
    assert broken.code == FailureCode.NUMBERS
    assert isinstance(whole, Result)
    assert np.abs(pixels(whole.image) - alone(sd, _request(1, usual))).max() <= 1


def test_too_little_memory_makes_smaller_runs_then_a_proposal(sd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures do not fit, and one of 64 × 64 neither: the allocator's own error, which a CPU does not raise."""
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    own = type(sd).__call__

    @functools.wraps(own)
    def scarce(self: Any, prompt: list[str], **arguments: Any) -> Any:
        if len(prompt) > 2 or arguments["width"] > 32:
            raise torch.OutOfMemoryError
        return own(self, prompt=prompt, **arguments)

    monkeypatch.setattr(type(sd), "__call__", scarce)
    answers = server.generate([*(_request(number) for number in range(5)), _request(5, width=128, height=192)])
    assert [answer.together for answer in _results(answers[:5])] == [2, 2, 1, 2, 2]
    assert isinstance(answers[5], Failure)
    assert answers[5].code == FailureCode.MEMORY
    assert "64×128" in answers[5].remedy


def test_progress_shows_pictures_of_all_rows(server: Server, sd: Any) -> None:
    seen: list[tuple[tuple[str, ...], int, int]] = []
    sizes = set()

    def look(progress: Progress) -> None:
        seen.append((progress.ids, progress.step, progress.steps))
        sizes.update(picture.size for picture in progress.previews().values())

    server.generate([_request(0), _request(1)], on_step=look)
    assert seen == [(("r0", "r1"), 1, 2), (("r0", "r1"), 2, 2)]
    assert len(sizes) == 1


def test_cancelled_request_has_no_picture_and_does_not_stop_the_others(server: Server) -> None:
    gone: set[str] = {"r2"}
    answers = server.generate(
        [_request(0), _request(1), _request(2)],
        on_step=lambda progress: gone.add("r0"),
        cancelled=lambda request_id: request_id in gone,
    )
    assert [isinstance(answer, Failure) and answer.code for answer in answers] == [
        FailureCode.CANCELLED,
        False,
        FailureCode.CANCELLED,
    ]


def test_run_stops_once_everybody_has_cancelled(server: Server) -> None:
    steps = []
    answers = server.generate(
        [_request(0, steps=8), _request(1, steps=8)],
        on_step=lambda progress: steps.append(progress.step),
        cancelled=lambda request_id: bool(steps),
    )
    assert steps == [1]
    assert all(isinstance(answer, Failure) and answer.code == FailureCode.CANCELLED for answer in answers)


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt, ZeroDivisionError])
def test_what_progress_raises_ends_everything(server: Server, sd: Any, tmp_path: Path, error: type) -> None:
    def stop(progress: Progress) -> None:
        raise error

    requests = [_request(0, _use(sd, tmp_path, 1, text=True)), _request(1, _oft(sd, tmp_path))]
    with pytest.raises(error):
        server.generate(requests, on_step=stop)
    assert "encode_prompt" not in vars(sd)
    (result,) = _results(server.generate([_request(2)]))
    server.close()
    assert np.array_equal(pixels(result.image), alone(sd, _request(2)))


def test_two_embeddings_of_one_word_in_one_run(sd: Any, tmp_path: Path) -> None:
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    uses = [
        replace(written(tmp_path, {"emb_params": 5 * random(2, 24, seed=seed)}, f"word{seed}"), token="<thing>")
        for seed in (1, 2)
    ]
    requests = [replace(_request(number, use, guidance=1.0), prompt="a <thing>") for number, use in enumerate(uses)]
    results = _results(server.generate(requests))
    assert [result.together for result in results] == [2, 2]
    pictures = [alone(sd, request) for request in requests]
    for result, picture in zip(results, pictures, strict=True):
        assert np.abs(pixels(result.image) - picture).max() <= 1
    assert np.abs(pictures[0] - pictures[1]).max() > 1


def test_dynamic_writes_no_weight_even_while_it_runs(sd: Any, tmp_path: Path) -> None:
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    pointers = {name: value.data_ptr() for name, value in sd.unet.named_parameters()}
    before = bits(sd)
    held = []
    server.generate([_request(0, _use(sd, tmp_path, 1))], on_step=lambda progress: held.append(bits(sd)))
    assert all(one == before for one in held)
    assert {name: value.data_ptr() for name, value in sd.unet.named_parameters()} == pointers


def test_static_keeps_the_stack_merged_and_gives_the_weights_back(sd: Any, tmp_path: Path) -> None:
    server = server_for(sd, Pattern.STATIC, memory_budget=BUDGET, slots=8)
    before = bits(sd)
    request = _request(0, _use(sd, tmp_path, 1, text=True))
    (first,) = _results(server.generate([request]))
    merged = bits(sd)
    assert merged != before
    (second,) = _results(server.generate([request]))
    assert bits(sd) == merged
    assert np.array_equal(pixels(first.image), pixels(second.image))
    server.close()
    assert bits(sd) == before
    assert np.array_equal(pixels(first.image), alone(sd, request))


def _sdxl(pipe: Any, folder: Path) -> AdapterUse:
    path = "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_v"
    tensors = {
        **lora(pipe.unet.get_submodule(path), f"unet.{path}", 1),
        **lora(pipe.text_encoder_2.get_submodule(_te2(pipe)), f"text_encoder_2.{_te2(pipe)}", 3),
    }
    return written(folder, tensors, "sdxl")


def _te2(pipe: Any) -> str:
    return next(name for name, _ in pipe.text_encoder_2.named_modules() if name.endswith("layers.0.mlp.fc1"))


def _transformer(pipe: Any, folder: Path) -> AdapterUse:
    path = "transformer_blocks.0.attn.to_out.0"
    return written(folder, lora(pipe.transformer.get_submodule(path), f"transformer.{path}", 1, strength=10), "one")


@pytest.mark.parametrize(
    ("family", "made"), [("sdxl", _sdxl), ("flux", _transformer), ("sd3", _transformer)], ids=["sdxl", "flux", "sd3"]
)
def test_mixed_run_of_other_families(
    family: str, made: Callable[[Any, Path], AdapterUse], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """SDXL: a row without a negative prompt beside one with; FLUX: its guidance and packed latents."""
    pipe = request.getfixturevalue(family)
    server = server_for(pipe, Pattern.DYNAMIC, memory_budget=BUDGET, slots=8)
    use = made(pipe, tmp_path)
    negative = "" if family == "flux" else "blue"
    requests = [_request(0), _request(1, use), replace(_request(2, replace(use, weight=0.5)), negative=negative)]
    seen = []
    results = _results(server.generate(requests, on_step=lambda progress: seen.append(progress.previews())))
    assert {result.together for result in results} == {3}
    assert all(len(pictures) == 3 for pictures in seen)
    wanted = [alone(pipe, one) for one in requests]
    for result, picture in zip(results, wanted, strict=True):
        assert np.abs(pixels(result.image) - picture).max() <= 1
    assert np.abs(wanted[1] - alone(pipe, replace(requests[1], adapters=()))).max() > 2


def test_adapters_over_the_budget_are_let_go_and_come_back(sd: Any, tmp_path: Path) -> None:
    one = _use(sd, tmp_path, 10)
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=60_000, slots=8)
    server.generate([_request(0, one)])
    size = server.memory().bytes
    server = server_for(sd, Pattern.DYNAMIC, memory_budget=int(2.5 * size), slots=8)
    for number in (0, 10, 20, 30, 0):
        use = _use(sd, tmp_path, number + 100)
        (result,) = _results(server.generate([_request(number, use)]))
        assert server.memory().bytes <= server.memory().budget
        assert np.abs(pixels(result.image) - alone(sd, _request(number, use))).max() <= 1
    assert server.memory().evictions == 3
    assert server.memory().misses == 5
    server.generate([_request(0, _use(sd, tmp_path, 100))])
    assert server.memory().misses == 5
