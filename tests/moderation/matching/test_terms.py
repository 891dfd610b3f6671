"""Youth-related and sexual terms: found in disguise and in several languages, harmless collisions left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching.terms import MAX_TEXT, find_terms
from moderation.matching.vocabulary import HARMLESS, SEXUAL, YOUTH


def kinds(text: str) -> set[str]:
    return {match.kind for match in find_terms(text)}


@pytest.mark.parametrize(
    "text",
    [
        "teen", "T33N", "tееn", "t e e n", "t-e-e-n", "loli_v2", "l0li", "underage", "under-age", "little girl",
        "little_girl", "schoolGirl", "minderjährig", "fillette", "niña", "criança", "девочка", "ДЕВОЧКА", "幼女",
        "ロリ", "미성년자", "नाबालिग", "طفل", "12yo", "12 y/o", "a 9 year old", "nine-year-old", "aged 15",
        "age: 7", "17 years old", "１２歳", "12 лет", "teenager, smile", "Teen Titans",
    ],
)  # fmt: skip
def test_youth_term_found(text: str) -> None:
    assert kinds(text) == {"youth"}


@pytest.mark.parametrize(
    "text",
    [
        "nude", "NSFW", "n$fw", "s3x", "sex, beach", "p0rn", "hentai_style", "r18", "R-18", "rule 34",
        "topless woman", "nackte", "desnuda", "голая", "全裸", "裸の", "누드", "नग्न", "عارية", "n.s.f.w", "nakеd",
        "rating:explicit",
    ],
)  # fmt: skip
def test_sexual_term_found(text: str) -> None:
    assert kinds(text) == {"sexual"}


@pytest.mark.parametrize(
    "text", ["nsfwteen", "nude_loli_lora", "teen, nude", "10yo_naked", "голая девочка", "全裸の幼女"]
)
def test_both_found_together(text: str) -> None:
    assert kinds(text) == {"youth", "sexual"}


@pytest.mark.parametrize(
    "text",
    [
        "1girl, school uniform, smile", "pom poms", "Essex and Sussex", "analysis of cumin", "therapist",
        "classic assassin", "cockpit", "Dickens", "kidney beans", "childhood is left out", "popcorn", "modern corn",
        "skids", "titanium", "a 12 year old whisky", "18 years old", "25yo", "112 years old", "age 1.5", "1011",
        "Nina Simone", "avenue", "lollipop", "ロリポップ", "girl, boy, woman, man", "sexton, sextant",
        "a minor detail in a minor key", "8k, 4k, 16mm", "wise king, ages of empires", "scunthorpe", "sunflower",
        "baby blue dress", "canal, banal", "nudge", "v16, xx",
    ],
)  # fmt: skip
def test_ordinary_words_left_alone(text: str) -> None:
    assert find_terms(text) == ()


@pytest.mark.parametrize("phrase", sorted(phrase for each in HARMLESS.values() for phrase in each.split()))
def test_harmless_phrase_left_alone_but_not_its_term(phrase: str) -> None:
    term = next(term for term, phrases in HARMLESS.items() if phrase in phrases.split())
    assert term not in {match.term for match in find_terms(phrase.replace("_", " "))}
    assert term in {match.term for match in find_terms(f"{phrase.replace('_', ' ')}, {term}")}


@pytest.mark.parametrize(("kind", "words"), [("youth", YOUTH), ("sexual", SEXUAL)])
def test_every_listed_term_is_found(kind: str, words: dict[str, str]) -> None:
    for term in " ".join(words.values()).split():
        written = term.replace("_", " ")
        assert (kind, written) in {match[:2] for match in find_terms(f"a, {written}, b")}, written
        assert (kind, written) in {match[:2] for match in find_terms(written.upper())}, written


def test_match_tells_the_term_and_how_it_was_written() -> None:
    assert [tuple(match) for match in find_terms("L0LI")] == [("youth", "loli", "L0LI")]


def test_too_long_text_refused() -> None:
    with pytest.raises(ValueError, match="characters"):
        find_terms("a" * (MAX_TEXT + 1))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_searched_and_what_is_found_stands_there(text: str) -> None:
    for match in find_terms(text):
        assert match.found in text or match.term == "age below 18"
