"""Image-to-text models of transformers: tiny random ones, saved and loaded as any other."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
)

from training.captioning import CaptionerUnusable, captioner

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "red", "blue", "circle", "square", "on", "white"]


def tokenizer(folder: Path) -> BertTokenizerFast:
    made = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.decoder = decoders.WordPiece()
    made.save(str(folder / "tokenizer.json"))
    return BertTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token="[DEC]")


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP of two small layers with random weights, and its processor."""
    folder = tmp_path_factory.mktemp("blip")
    torch.set_num_threads(1)
    torch.manual_seed(3)
    layers = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BlipConfig(
        text_config={
            **layers, "vocab_size": len(WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 128,
            "bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3,
        },
        vision_config={**layers, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )  # fmt: skip
    model = BlipForConditionalGeneration(config)
    model.save_pretrained(folder)
    sizes = {"height": 32, "width": 32}
    BlipProcessor(BlipImageProcessorPil(size=sizes), tokenizer(folder)).save_pretrained(folder)
    return folder


def test_model_of_a_folder_says_the_same_of_the_same_picture(blip: Path) -> None:
    made = captioner(f"transformers:{blip}")
    picture = Image.new("RGB", (64, 48), "red")
    said = made.caption(picture)
    assert said
    assert set(said.split()) <= set(WORDS)
    assert made.caption(picture) == said
    assert picture.size == (64, 48)


def test_answer_follows_the_weights(blip: Path, tmp_path: Path) -> None:
    """The caption comes out of the network and from nowhere else: other weights, other words."""
    made = captioner(f"transformers:{blip}")
    torch.manual_seed(4)
    for parameter in made._model.text_decoder.parameters():  # type: ignore[attr-defined]
        torch.nn.init.normal_(parameter, std=0.5)
    picture = Image.new("RGB", (64, 48), "red")
    assert made.caption(picture) != captioner(f"transformers:{blip}").caption(picture)


@pytest.mark.parametrize("location", ["/nowhere/at/all", ""])
def test_folder_that_is_not_there_is_refused(location: str) -> None:
    with pytest.raises(CaptionerUnusable) as refused:
        captioner(f"transformers:{location}")
    assert refused.value.remedy


def test_model_that_writes_no_text_is_refused(blip: Path, tmp_path: Path) -> None:
    config = json.loads((blip / "config.json").read_text()) | {"architectures": ["BlipVisionModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CaptionerUnusable, match="generates text"):
        captioner(f"transformers:{tmp_path}")


def test_pickled_weights_are_not_loaded(blip: Path, tmp_path: Path) -> None:
    for path in blip.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(CaptionerUnusable):
        captioner(f"transformers:{tmp_path}")
