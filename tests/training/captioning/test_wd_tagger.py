"""A tagger of the WD class: a tiny ONNX network with its table, built here, through the real runtime."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from training.captioning import CaptionerUnusable, captioner

SIDE = 8
TABLE = "tag_id,name,category,count\n1,general,9,1\n2,blue_sky,0,1\n3,red_wall,0,1\n4,hatsune_miku,4,1\n5,o_o,0,1\n"


def network(folder: Path, weights: np.ndarray, bias: list[float]) -> Path:
    """Mean colour (BGR / 255) times weights, plus bias, through a sigmoid: one answer for each row of the table."""
    nodes = [
        helper.make_node("ReduceMean", ["picture", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["share"]),
        helper.make_node("MatMul", ["share", "weights"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["shifted"]),
        helper.make_node("Sigmoid", ["shifted"], ["answers"]),
    ]
    tensors = {
        "axes": np.array([1, 2], np.int64),
        "full": np.array(255.0, np.float32),
        "weights": weights.astype(np.float32),
        "bias": np.array(bias, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, [1, len(bias)])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Answers "blue sky" to blue and "red wall" to red, always the rating, the character a little, the face always."""
    weights = np.zeros((3, 5))
    weights[0, 1] = weights[2, 2] = 12  # blue is the first channel: the picture comes as BGR
    (tmp_path / "selected_tags.csv").write_text(TABLE)
    return network(tmp_path, weights, [9, -6, -6, 1, 0])


def test_tags_are_those_above_their_threshold_in_words(folder: Path) -> None:
    tagger = captioner(f"wd-tagger:{folder}")
    assert tagger.caption(Image.new("RGB", (20, 20), (0, 0, 255))) == "blue sky, o_o"
    assert tagger.caption(Image.new("RGB", (20, 20), (255, 0, 0))) == "red wall, o_o"


def test_character_comes_first_when_it_is_sure(folder: Path) -> None:
    network(folder, np.zeros((3, 5)), [9, -9, 9, 4, -9])
    assert captioner(f"wd-tagger:{folder}").caption(Image.new("RGB", (20, 20))) == "hatsune miku, red wall"


def test_picture_is_padded_with_white_to_a_square(folder: Path) -> None:
    """A blue strip on white is half as blue-only as it is red: both colours answer."""
    tagger = captioner(f"wd-tagger:{folder}")
    assert tagger.caption(Image.new("RGB", (40, 10), (0, 0, 255))) == "blue sky, red wall, o_o"


def test_table_of_another_network_is_refused(folder: Path) -> None:
    (folder / "selected_tags.csv").write_text(TABLE + "6,extra,0,1\n")
    with pytest.raises(CaptionerUnusable, match="5 numbers for 6 tags"):
        captioner(f"wd-tagger:{folder}").caption(Image.new("RGB", (20, 20)))


@pytest.mark.parametrize("missing", ["model.onnx", "selected_tags.csv"])
def test_folder_without_its_parts_is_refused(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(CaptionerUnusable) as refused:
        captioner(f"wd-tagger:{folder}")
    assert "model.onnx" in refused.value.remedy


def test_broken_network_is_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no network")
    with pytest.raises(CaptionerUnusable):
        captioner(f"wd-tagger:{folder}")
