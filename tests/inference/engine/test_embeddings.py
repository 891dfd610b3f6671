"""Textual Inversion: every spelling of an embedding file, and tokens that come and go without a trace."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.engine import AdapterError, applied, read_adapter
from tests.inference.engine.changes import random
from tests.inference.engine.conftest import Save, bits

WIDTH = 24


def _hidden(pipe: Any, prompt: str) -> Tensor:
    expanded = pipe.maybe_convert_prompt(prompt, pipe.tokenizer)
    words = pipe.tokenizer(expanded, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return pipe.text_encoder(words.input_ids).last_hidden_state


def _state(pipe: Any) -> tuple[Any, ...]:
    """Everything an embedding touches, beside the weights."""
    table = pipe.text_encoder.get_input_embeddings()
    return id(pipe.tokenizer), len(pipe.tokenizer), id(table.weight), table.num_embeddings, table.weight.requires_grad


@pytest.mark.parametrize(
    ("tensors", "metadata", "token"),
    [
        ({"emb_params": random(2, WIDTH)}, None, "style"),
        ({"emb_params": random(WIDTH)}, {"token": "<kept>"}, "<kept>"),
        ({"string_to_param.*": random(2, WIDTH)}, None, "style"),
        ({"<cat>": random(2, WIDTH)}, None, "<cat>"),
        ({"cat-toy": random(2, WIDTH)}, None, "cat-toy"),
        ({"bundle_emb.<sks>.string_to_param.*": random(1, WIDTH)}, None, "<sks>"),
        ({"clip_l": random(2, WIDTH)}, None, "style"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_spelling_is_read_and_its_token_acts(
    sd: Any, save: Save, tensors: dict[str, Tensor], metadata: dict[str, str] | None, token: str
) -> None:
    adapter = read_adapter(save(tensors, "style.safetensors", metadata))
    assert adapter.tokens == (token,)
    assert adapter.kinds == {"textual-inversion"}
    plain = _hidden(sd, f"a {token} circle")
    before = _state(sd)
    with applied(sd, adapter) as report:
        assert report.applied == [f"text_encoder:{token}"]
        assert not torch.allclose(_hidden(sd, f"a {token} circle"), plain)
    assert _state(sd) == before
    assert torch.equal(_hidden(sd, f"a {token} circle"), plain)


def test_word_given_by_the_caller_calls_the_embedding(save: Save) -> None:
    assert read_adapter(save({"<cat>": random(1, WIDTH)}), token="<dog>").tokens == ("<dog>",)


def test_effect_equals_that_of_diffusers(sd: Any, save: Save) -> None:
    vectors = random(3, WIDTH)
    path = save({"<cat>": vectors})
    with applied(sd, read_adapter(path)):
        ours = _hidden(sd, "a <cat> on white")
    sd.load_textual_inversion(str(path.parent), weight_name=path.name, token="<cat>")
    try:
        theirs = _hidden(sd, "a <cat> on white")
    finally:
        sd.unload_textual_inversion()
    assert torch.equal(ours, theirs)


def test_strength_scales_the_vectors(sd: Any, save: Save) -> None:
    vectors = random(1, WIDTH)
    whole, half = (read_adapter(save({"<cat>": factor * vectors}, f"{factor}.safetensors")) for factor in (1.0, 0.5))
    with applied(sd, half):
        wanted = _hidden(sd, "a <cat>")
    with applied(sd, whole, 1.0, text_weight=0.5):
        assert torch.equal(_hidden(sd, "a <cat>"), wanted)


def test_tokens_go_away_after_an_exception_and_nested(sd: Any, save: Save) -> None:
    cat, dog = (
        read_adapter(save({name: random(2, WIDTH, seed=len(name))}, f"{len(name)}.safetensors"))
        for name in ("<cat>", "<doggy>")
    )
    before = bits(sd), _state(sd)
    with applied(sd, cat):
        outer = _state(sd)
        with suppress(ZeroDivisionError), applied(sd, dog):
            assert "<cat>" in sd.tokenizer.get_vocab()
            assert "<doggy>_1" in sd.tokenizer.get_vocab()
            raise ZeroDivisionError
        assert _state(sd) == outer
    assert (bits(sd), _state(sd)) == before


def test_embedding_beside_a_lora_in_one_file(sd: Any, save: Save) -> None:
    path = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        "bundle_emb.<sks>.clip_l": random(1, WIDTH),
        f"unet.{path}.lora_A.weight": random(2, WIDTH),
        f"unet.{path}.lora_B.weight": random(32, 2),
    }
    with applied(sd, read_adapter(save(tensors))) as report:
        assert report.applied == [f"unet.{path}", "text_encoder:<sks>"]


def test_each_encoder_of_sdxl_gets_its_own_vectors(sdxl: Any, save: Save) -> None:
    with applied(
        sdxl, read_adapter(save({"clip_l": random(2, 24), "clip_g": random(2, 16)}, "sks.safetensors"))
    ) as report:
        assert report.applied == ["text_encoder:sks", "text_encoder_2:sks"]
        assert "sks_1" in sdxl.tokenizer_2.get_vocab()


def test_last_token_still_ends_the_text(sd: Any, save: Save) -> None:
    """The pooled state is that of the end of text, also where the new token has a higher number."""
    encoder = sd.text_encoder
    prompt = "a red circle"
    words = sd.tokenizer(prompt, padding="max_length", max_length=16, return_tensors="pt").input_ids
    with torch.no_grad():
        wanted = encoder(words).pooler_output
        with applied(sd, read_adapter(save({"<cat>": random(1, WIDTH)}))):
            again = sd.tokenizer(prompt, padding="max_length", max_length=16, return_tensors="pt").input_ids
            assert torch.equal(encoder(again).pooler_output, wanted)


def _refused(pipe: Any, path: Path) -> AdapterError:
    before = bits(pipe), _state(pipe)
    with pytest.raises(AdapterError) as refused, applied(pipe, read_adapter(path)):
        pytest.fail("the embedding was applied")
    assert (bits(pipe), _state(pipe)) == before
    return refused.value


def test_vectors_of_another_width_are_refused(sd: Any, save: Save) -> None:
    error = _refused(sd, save({"emb_params": random(2, 768)}, "cat.safetensors"))
    assert error.what == "The embedding “cat” does not fit this base model."
    assert "768" in error.why
    assert "text_encoder (24)" in error.why


def test_vectors_of_a_named_encoder_that_is_wider_are_refused(sdxl: Any, save: Save) -> None:
    path = save({"clip_l": random(2, 24), "clip_g": random(2, 1280)}, "cat.safetensors")
    with pytest.raises(AdapterError, match="text_encoder_2"), applied(sdxl, read_adapter(path)):
        pytest.fail("the embedding was applied")


@pytest.mark.parametrize(("token", "vectors"), [("red</w>", 1), ("a", 2)])
def test_word_the_tokenizer_knows_is_refused(sd: Any, save: Save, token: str, vectors: int) -> None:
    error = _refused(sd, save({"emb_params": random(vectors, WIDTH)}, metadata={"token": token}))
    assert "knows this word already" in error.why
    assert error.remedy == f"Name the embedding otherwise, for example “<{token}>”."


def test_word_that_is_lent_already_is_refused(sd: Any, save: Save) -> None:
    path = save({"<cat>": random(1, WIDTH)})
    with applied(sd, read_adapter(path)):
        _refused(sd, path)
