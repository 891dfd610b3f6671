"""The tokenizer that is learned from the captions, and the one that ships."""

import numpy as np
import pytest
from transformers import CLIPTokenizer

from training.tinybase.pictures import BASE
from training.tinybase.scenes import sample_scene
from training.tinybase.tokenizer import LENGTH, encode, train_tokenizer


@pytest.fixture(scope="module")
def captions() -> list[str]:
    rng = np.random.default_rng(4)
    return [sample_scene(rng).caption for _ in range(3000)]


@pytest.fixture(scope="module")
def learned(captions: list[str]) -> CLIPTokenizer:
    return train_tokenizer(captions)


def _ids(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def test_every_word_of_the_captions_is_one_token(captions: list[str], learned: CLIPTokenizer) -> None:
    words = {word for caption in captions for word in caption.split()}
    assert len(words) > 40
    assert {word: len(_ids(learned, word)) for word in words if len(_ids(learned, word)) != 1} == {}


def test_unknown_words_fall_apart_and_come_back(learned: CLIPTokenizer) -> None:
    for text in ("wolkenkuckucksheim", "größe", "日本"):
        ids = _ids(learned, text)
        assert len(ids) > 1
        assert learned.unk_token_id not in ids
        assert learned.decode(ids).replace(" ", "") == text


def test_case_does_not_count(learned: CLIPTokenizer) -> None:
    assert _ids(learned, "A Red CIRCLE") == _ids(learned, "a red circle")


def test_prompts_are_padded_and_cut_to_one_length(learned: CLIPTokenizer) -> None:
    ids = encode(learned, ["a red circle", "red " * 60, ""])
    assert ids.shape == (3, LENGTH)
    assert (ids[:, 0] == learned.bos_token_id).all()
    assert (ids[:, -1] == learned.eos_token_id).all()
    assert (ids[2, 1:] == learned.eos_token_id).all()


def test_same_captions_give_the_same_tokenizer(captions: list[str], learned: CLIPTokenizer) -> None:
    assert train_tokenizer(captions).get_vocab() == learned.get_vocab()


def test_shipped_tokenizer_knows_every_word(captions: list[str]) -> None:
    shipped = CLIPTokenizer.from_pretrained(BASE / "tokenizer")
    words = {word for caption in captions for word in caption.split()}
    assert all(len(_ids(shipped, word)) == 1 for word in words)
    assert shipped.model_max_length == LENGTH
