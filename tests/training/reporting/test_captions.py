"""Captions: what is counted, and edits that do what they say and can be told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.reporting.captions import (
    TOKENS_MAX,
    appended,
    changed_captions,
    has_word,
    least_tokens,
    likely_tokens,
    prefixed,
    replaced,
    shuffled,
    tags_of,
    tidied,
)


@pytest.mark.parametrize(
    ("caption", "least"),
    [("", 0), ("a red circle", 3), ("1girl, solo", 4), ("it's 2024", 6), ("one,two...", 4), ("don't", 2)],
)
def test_tokens_are_counted_as_clip_splits(caption: str, least: int) -> None:
    assert least_tokens(caption) == least


def test_long_words_count_for_several() -> None:
    assert likely_tokens("circle") == 1
    assert likely_tokens("antidisestablishmentarianism") == 6
    assert likely_tokens(" ".join(["word"] * 76)) > TOKENS_MAX


@pytest.mark.parametrize(
    ("caption", "word", "has"),
    [
        ("a sks dog", "sks", True),
        ("SKS, dog", "sks", True),
        ("sksual", "sks", False),
        ("my-word here", "my-word", True),
        ("a red dog", "red dog", True),
        ("", "sks", False),
        ("anything", "", False),
    ],
)
def test_word_stands_alone_in_any_case(caption: str, word: str, has: bool) -> None:
    assert has_word(caption, word) is has


@pytest.mark.parametrize(
    ("caption", "find", "put", "whole", "case", "result"),
    [
        ("a dog and a Dog", "dog", "cat", True, False, "a cat and a cat"),
        ("a dog and a Dog", "dog", "cat", True, True, "a cat and a Dog"),
        ("dogma, dog", "dog", "cat", True, False, "dogma, cat"),
        ("dogma, dog", "dog", "cat", False, False, "catma, cat"),
        ("red, dog, blue", "dog", "", True, False, "red, blue"),
        ("dog, blue", "dog", "", True, False, "blue"),
        ("a.b", ".", r"\1", False, False, r"a\1b"),
        ("nothing here ", "dog", "cat", True, False, "nothing here "),
    ],
)
def test_replacing_is_of_plain_text(caption: str, find: str, put: str, whole: bool, case: bool, result: str) -> None:
    assert replaced(caption, find=find, put=put, whole_words=whole, regard_case=case) == result


@pytest.mark.parametrize(
    ("caption", "result"),
    [("a dog", "sks, a dog"), ("", "sks"), ("sks, a dog", "sks, a dog"), ("a dog, SKS", "sks, a dog"), ("sks", "sks")],
)
def test_prefix_comes_first_and_once(caption: str, result: str) -> None:
    assert prefixed(caption, "sks") == result
    assert prefixed(prefixed(caption, "sks"), "sks") == result


def test_appending_twice_is_appending_once() -> None:
    assert appended("a dog", "on grass") == "a dog, on grass"
    assert appended("a dog, On Grass", "on grass") == "a dog, On Grass"
    assert appended("", "on grass") == "on grass"


@given(st.lists(st.text("abc ", min_size=1).filter(str.strip), max_size=12), st.integers(0, 5), st.text(max_size=5))
def test_shuffle_keeps_what_is_in_front_and_every_tag(tags: list[str], keep: int, seed: str) -> None:
    caption = ", ".join(tags)
    mixed = shuffled(caption, keep=keep, seed=seed)
    assert shuffled(caption, keep=keep, seed=seed) == mixed
    assert tags_of(mixed)[:keep] == tags_of(caption)[:keep]
    assert sorted(tags_of(mixed)) == sorted(tags_of(caption))


@given(st.text(", ab"))
def test_tidied_is_tidy(caption: str) -> None:
    once = tidied(caption)
    assert tidied(once) == once
    assert "  " not in once
    assert ",," not in once
    assert once == once.strip(" ,")


def test_only_what_differs_is_a_change() -> None:
    assert changed_captions({"a": "x", "b": "y"}, {"a": "x", "b": "z"}) == {"b": ("y", "z")}
