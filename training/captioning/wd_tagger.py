"""Tags by a model of the WD-tagger class: an ONNX network beside `selected_tags.csv`, from a local folder or hub id.

Source of layout and preprocessing: SmilingWolf's wd-tagger (Apache-2.0). The network takes a square picture, BGR in
0..255, channels last, padded with white; it answers probabilities in the order of the table. Categories: 0 general,
4 character, 9 rating. Ratings are left out, and characters want a higher threshold.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime
from PIL import Image

from training.captioning import CaptionerUnusable

GENERAL, CHARACTER = 0, 4
THRESHOLDS = {GENERAL: 0.35, CHARACTER: 0.85}  # the defaults of its author
MOST_TAGS = 40
# What ONNX Runtime raises for a file that is missing or no network it can run.
BROKEN = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoSuchFile,
    runtime.NotImplemented,
    runtime.RuntimeException,
)
FACES = frozenset({"0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o",
                   "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"})  # fmt: skip


@dataclass(frozen=True)
class Tag:
    """A tag of the table."""

    name: str
    category: int

    @property
    def words(self) -> str:
        """With spaces, but for emoticons; brackets as they are written in prompts stay plain."""
        return self.name if self.name in FACES else self.name.replace("_", " ")


class WdTagger:
    """One loaded network."""

    def __init__(self, session: Any, tags: list[Tag]) -> None:
        self._session, self._tags = session, tags
        first = session.get_inputs()[0]
        self._input, self._side = first.name, int(first.shape[1])

    def caption(self, picture: Image.Image) -> str:
        answers = np.asarray(self._session.run(None, {self._input: self._square(picture)})[0])[0]
        if len(answers) != len(self._tags):
            raise CaptionerUnusable(
                f"The network answers {len(answers)} numbers for {len(self._tags)} tags.",
                "Use the selected_tags.csv that belongs to the network.",
            )
        found = [(float(share), tag) for share, tag in zip(answers, self._tags, strict=True)
                 if share >= THRESHOLDS.get(tag.category, 2.0)]  # fmt: skip
        found.sort(key=lambda pair: (pair[1].category != CHARACTER, -pair[0]))
        return ", ".join(tag.words for _, tag in found[:MOST_TAGS])

    def _square(self, picture: Image.Image) -> NDArray[np.float32]:
        """(1, side, side, 3) float32 in 0..255, BGR, padded with white to a square."""
        plain = picture.convert("RGB")
        longer = max(plain.size)
        padded = Image.new("RGB", (longer, longer), "white")
        padded.paste(plain, ((longer - plain.width) // 2, (longer - plain.height) // 2))
        small = padded.resize((self._side, self._side), Image.Resampling.BICUBIC)
        return np.ascontiguousarray(np.asarray(small, dtype=np.float32)[None, :, :, ::-1])


def load(location: str, *, device: str) -> WdTagger:
    """Load `model.onnx` and `selected_tags.csv`. Raises CaptionerUnusable."""
    folder = _folder(location)
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if device != "cpu" else ["CPUExecutionProvider"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"),
            sess_options=options,
            providers=[name for name in providers if name in onnxruntime.get_available_providers()],
        )
        tags = _tags(folder / "selected_tags.csv")
    except (*BROKEN, OSError, ValueError, KeyError) as error:
        remedy = "Name a folder or hub id with model.onnx and selected_tags.csv."
        raise CaptionerUnusable(f"The tagger {location!r} cannot be loaded ({error}).", remedy) from error
    return WdTagger(session, tags)


def _folder(location: str) -> Path:
    if Path(location).is_dir():
        return Path(location)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(location, allow_patterns=["model.onnx", "selected_tags.csv"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        remedy = "Name a folder on this machine, or a hub id that it can reach."
        raise CaptionerUnusable(f"The tagger {location!r} was not found.", remedy) from error


def _tags(path: Path) -> list[Tag]:
    with path.open(newline="", encoding="utf-8") as file:
        return [Tag(row["name"], int(row["category"])) for row in csv.DictReader(file)]
