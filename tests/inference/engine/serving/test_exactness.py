"""What acts beside the weights equals `applied`: every kind, every family, stacks in their order, rows of one batch.

Tolerance: 1e-5 of a layer's largest number (float32; the sums are taken in another order).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.engine import applied, read_adapter
from inference.engine.serving.loading import Layers, load
from inference.engine.serving.paths import RowsError, installed
from inference.engine.serving.stacks import Plan, plan
from inference.engine.strengths import Strengths, strengths_of
from tests.inference.engine.changes import random
from tests.inference.engine.conftest import bits
from tests.inference.engine.made import pipe
from tests.inference.engine.matrix.cells import Cell, cells, example
from tests.inference.engine.serving.pieces import same, written

CELLS = {
    (cell.family, cell.kind): cell
    for family in ("sd", "sdxl", "flux", "sd3")
    for cell in cells(family)
    if cell.layout == "kohya"
}
KINDS = [kind for family, kind in CELLS if family == "sd"]


def _file(cell: Cell, folder: Path) -> Path:
    return cell.write(folder, cell.reference())


def _plan(model: Any, *files: tuple[Path, float]) -> Plan:
    layers = Layers(model)
    return plan([(load(path, layers), strengths_of(strength)) for path, strength in files], layers, text=False)


def _through(layer: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = layer(x)
    return found


def _wanted(model: Any, layer: Any, x: Tensor, *files: tuple[Path, float]) -> Tensor:
    with ExitStack() as stack:
        for path, strength in files:
            stack.enter_context(applied(model, read_adapter(path), strength))
        return _through(layer, x)


@pytest.mark.parametrize("strength", [1.0, -0.4])
@pytest.mark.parametrize("cell", CELLS.values(), ids=lambda cell: f"{cell.family}-{cell.kind}")
def test_every_kind_acts_as_applied(cell: Cell, strength: float, tmp_path: Path) -> None:
    model, path = pipe(cell.family), _file(cell, tmp_path)
    layer = cell.layer(model)
    x, before = example(layer), bits(model)
    wanted = _wanted(model, layer, x, (path, strength))
    with installed([_plan(model, (path, strength))]):
        found = _through(layer, x)
    assert same(found, wanted)
    assert not same(found, _through(layer, x), 1e-3)
    assert bits(model) == before
    assert "forward" not in layer.__dict__


def _files(folder: Path, kinds: Sequence[str]) -> list[Path]:
    found = []
    for number, kind in enumerate(kinds):
        own = folder / str(number)
        own.mkdir()
        found.append(_file(CELLS["sd", kind], own))
    return found


@pytest.mark.parametrize("place", ["linear", "conv", "norm"])
def test_rows_of_one_batch_have_their_own_kinds(place: str, tmp_path: Path) -> None:
    """All kinds for a layer at once, one a row, and one row without any; twice, as with guidance."""
    model = pipe("sd")
    kinds = [kind for kind in KINDS if CELLS["sd", kind].where == CELLS["sd", _OF[place]].where]
    paths = _files(tmp_path, kinds)
    layer = CELLS["sd", _OF[place]].layer(model)
    x = torch.cat([example(layer)[:1] * (1 + 0.1 * row) for row in range(2 * len(kinds) + 2)])
    plans = [*(_plan(model, (path, 0.8)) for path in paths), Plan()]
    with installed(plans):
        found = _through(layer, x)
    for row in range(len(x)):
        used = [(paths[row % len(plans)], 0.8)] if row % len(plans) < len(paths) else []
        assert same(found[row], _wanted(model, layer, x[row : row + 1], *used)[0]), [*kinds, "none"][row % len(plans)]


_OF = {"linear": "LoRA", "conv": "LoCon", "norm": "Norm"}


def test_low_rank_rows_are_one_batched_product(tmp_path: Path) -> None:
    model = pipe("sd")
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    layer = model.unet.get_submodule(name.removeprefix("unet."))
    stacks = []
    for row, ranks in enumerate([(2,), (5, 3), (), (1,)]):
        files = []
        for rank in ranks:
            tensors = {
                f"{name}.lora_A.weight": random(rank, 24, seed=row),
                f"{name}.lora_B.weight": random(32, rank, seed=9),
            }
            files.append((written(tmp_path, tensors, f"{row}-{rank}").path, 0.5 + row))
        stacks.append(files)
    x = torch.randn(8, 3, 24, generator=torch.Generator().manual_seed(1))
    with installed([_plan(model, *files) for files in stacks]):
        found = _through(layer, x)
        two = _through(layer, x[:, 0])
    for row in range(8):
        wanted = _wanted(model, layer, x[row : row + 1], *stacks[row % 4])[0]
        assert same(found[row], wanted)
        assert same(two[row], wanted[0])


@pytest.mark.parametrize("order", [("LoRA", "DoRA", "OFT"), ("OFT", "LoRA", "IA³", "LoHa"), ("GLoRA", "Full", "LoRA")])
def test_stack_acts_in_its_order(order: Sequence[str], tmp_path: Path) -> None:
    model = pipe("sd")
    layer = CELLS["sd", "LoRA"].layer(model)
    files = [(path, 0.9 - 0.2 * number) for number, path in enumerate(_files(tmp_path, order))]
    x = example(layer)
    wanted = _wanted(model, layer, x, *files)
    with installed([_plan(model, *files)]):
        found = _through(layer, x)
    assert same(found, wanted)
    if "DoRA" in order or "OFT" in order:
        with installed([_plan(model, *reversed(files))]):
            assert not same(_through(layer, x), wanted, 1e-4)


@pytest.mark.parametrize(
    ("family", "name", "paths"),
    [
        ("flux", "lora_unet_double_blocks_0_img_attn_qkv", [f"transformer_blocks.0.attn.to_{part}" for part in "qkv"]),
        ("flux", "lora_unet_final_layer_adaLN_modulation_1", ["norm_out.linear"]),
    ],
)
@pytest.mark.parametrize("kind", ["lora", "lokr"])
def test_fused_and_swapped_layers_act_as_applied(
    family: str, name: str, paths: list[str], kind: str, tmp_path: Path
) -> None:
    model = pipe(family)
    touched = [model.transformer.get_submodule(path) for path in paths]
    rows, width = sum(layer.weight.shape[0] for layer in touched), touched[0].weight.shape[1]
    entries = {
        "lora": {"lora_down.weight": random(2, width), "lora_up.weight": random(rows, 2, seed=1)},
        "lokr": {"lokr_w1": random(2, 2), "lokr_w2": random(rows // 2, width // 2, seed=1)},
    }[kind]
    use = written(tmp_path, {f"{name}.{suffix}": value for suffix, value in entries.items()}, "fused")
    with installed([_plan(model, (use.path, 0.7))]):
        found = [_through(layer, example(layer)) for layer in touched]
    for layer, one in zip(touched, found, strict=True):
        assert same(one, _wanted(model, layer, example(layer), (use.path, 0.7)))
        assert not same(one, _through(layer, example(layer)), 1e-3)


def test_a_change_of_a_fused_layer_meets_one_of_its_parts(tmp_path: Path) -> None:
    """LoKr on qkv makes all three layers change; a LoRA on one of them, before or after, has to count."""
    model = pipe("flux")
    q = model.transformer.get_submodule("transformer_blocks.0.attn.to_q")
    rows, width = 3 * q.weight.shape[0], q.weight.shape[1]
    fused = "lora_unet_double_blocks_0_img_attn_qkv"
    whole = written(
        tmp_path, {f"{fused}.lokr_w1": random(2, 2), f"{fused}.lokr_w2": random(rows // 2, width // 2)}, "kron"
    )
    name = "transformer.transformer_blocks.0.attn.to_q"
    part = written(
        tmp_path,
        {f"{name}.lora_A.weight": random(2, width), f"{name}.lora_B.weight": random(rows // 3, 2, seed=4)},
        "part",
    )
    for files in ([(whole.path, 1.0), (part.path, 0.5)], [(part.path, 0.5), (whole.path, 1.0)]):
        with installed([_plan(model, *files)]):
            found = _through(q, example(q))
        assert same(found, _wanted(model, q, example(q), *files))


def test_block_weights_and_zero_strength(tmp_path: Path) -> None:
    model = pipe("sd")
    path = _file(CELLS["sd", "LoRA"], tmp_path)
    layers = Layers(model)
    loaded = load(path, layers)
    (part,) = loaded.parts
    assert plan([(loaded, Strengths(1.0, blocks={part.block: 0.0}))], layers, text=False).empty
    half = plan([(loaded, Strengths(1.0, blocks={part.block: 0.5}))], layers, text=False)
    layer = CELLS["sd", "LoRA"].layer(model)
    with installed([half]):
        found = _through(layer, example(layer))
    assert same(found, _wanted(model, layer, example(layer), (path, 0.5)))


def test_layer_without_rows_is_refused_in_a_mixed_batch(tmp_path: Path) -> None:
    model = pipe("sd")
    layer = CELLS["sd", "LoRA"].layer(model)
    made = _plan(model, (_file(CELLS["sd", "LoRA"], tmp_path), 1.0))
    with installed([made, Plan()]), pytest.raises(RowsError):
        _through(layer, torch.zeros(3, 5, layer.in_features))
    assert "forward" not in layer.__dict__


def test_half_precision_layers_take_half_precision_factors(tmp_path: Path) -> None:
    """bfloat16 keeps 8 bits; the low-rank path rounds where `applied` rounds the merged weight."""
    import copy

    model = copy.deepcopy(pipe("sd")).to(torch.bfloat16)
    path = _file(CELLS["sd", "LoRA"], tmp_path)
    layer = CELLS["sd", "LoRA"].layer(model)
    x = example(layer).to(torch.bfloat16)
    with installed([_plan(model, (path, 1.0))]):
        found = _through(layer, x)
    assert found.dtype == torch.bfloat16
    assert same(found.float(), _wanted(model, layer, x, (path, 1.0)).float(), 2e-2)
